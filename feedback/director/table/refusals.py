"""What the kernel's error numbers mean for an operation on the table, in words. Pure."""

import errno
import os

from feedback.director.plan import (
    AddDestination,
    AddService,
    DeleteService,
    Operation,
    SetDestination,
    SetService,
)
from feedback.director.table.contract import Refusal


def refusal(operation: Operation, number: int) -> Refusal:
    """Return the refusal of an operation with an error number: "add destination A to S: it is there already"."""
    return Refusal(operation, number, f"{_attempt(operation)}: {_meaning(operation, number)}")


def _attempt(operation: Operation) -> str:
    match operation:
        case AddService(service):
            return f"add service {service.key}"
        case SetService(service):
            return f"change service {service.key}"
        case DeleteService(key):
            return f"delete service {key}"
        case AddDestination(key, destination):
            return f"add destination {destination.key} to {key}"
        case SetDestination(key, destination):
            return f"change destination {destination.key} of {key}"
        case _:
            return f"delete destination {operation.key} of {operation.service}"


def _meaning(operation: Operation, number: int) -> str:
    """Return a sentence; the system's own ("No such process") would mislead where IPVS gives a number its meaning."""
    if number == errno.ESRCH:
        return "there is no such service"
    if number == errno.EEXIST:
        return "it is there already"
    if number == errno.ENOENT and isinstance(operation, AddService | SetService):
        return f'the kernel has no scheduler "{operation.service.scheduler}"'
    if number == errno.ENOENT:
        return "there is no such destination"
    if number == errno.ERANGE:
        return "a weight, threshold or name is out of range"
    return os.strerror(number)
