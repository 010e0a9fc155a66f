"""The kernel's IPVS table, through generic netlink.

A read is one dump of the services and one of each service's destinations. Changes go in batches with a fence at the
end: the kernel does every message of a batch in order, whatever became of those before it, answers each that it
refuses under that message's own sequence number, and at last answers the fence.

The socket is a plain one. By the time `send` returns, the kernel has done its work and queued its answers, so there
is nothing to wait for, and no need of a netlink library's sockets, which bring an event loop of their own to wait in.
"""

import asyncio
import errno
import itertools
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from feedback.director.advice import Sysctls
from feedback.director.plan import Operation
from feedback.director.table.contract import Refusal
from feedback.director.table.ipvs import (
    FAMILY_NAME,
    decode_destination,
    decode_service,
    destinations_request,
    operation_request,
    services_request,
)
from feedback.director.table.netlink import (
    NLMSG_DONE,
    NLMSG_ERROR,
    Answer,
    answers,
    decode_family,
    family_request,
    fence,
)
from feedback.director.table.refusals import refusal
from feedback.errors import TableError
from feedback.model import Counters, Destination, DestinationKey, ServiceState, TableState, VirtualService

NETLINK_GENERIC = 16
BATCH_MESSAGES = 100
"""A millisecond or two of the loop's time, and few enough that the socket's buffer holds a refusal of every one."""

DATAGRAM_BYTES = 65536  # the kernel's own datagrams end at 32768

SYSCTLS = Path("/proc/sys/net/ipv4/vs")


def read_sysctls(directory: Path = SYSCTLS) -> Sysctls:
    """Read the settings of this network namespace."""
    return Sysctls(*(_read_number(directory / name) for name in Sysctls.__struct_fields__))


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


class KernelTable:
    """The table of this network namespace. Raises TableError when the kernel has none, or permits no access.

    Every call has a socket of its own and asks anew for the number of the IPVS messages: a call that was cancelled
    leaves no half-read answers behind, and a module that was loaded again under another number goes unnoticed.
    """

    def __init__(self) -> None:
        with _Link() as link:
            for _ in link.dump(services_request(link.family_id, link.next_sequence())):
                pass

    async def read(self) -> TableState:
        """Return everything in the table, counters included. Raises TableError when it can't be read."""
        with _Link() as link:
            services: list[VirtualService] = []
            for payloads in link.dump(services_request(link.family_id, link.next_sequence())):
                services += map(decode_service, payloads)
                await asyncio.sleep(0)
            return {service.key: await _read_service(link, service) for service in services}

    async def apply(self, operations: Sequence[Operation]) -> tuple[Refusal, ...]:
        """Do the operations in order, every one of them, and return those that were refused.

        Raises TableError when the table can't be reached.
        """
        refusals: list[Refusal] = []
        with _Link() as link:
            for start in range(0, len(operations), BATCH_MESSAGES):
                refusals += _apply_batch(link, operations[start : start + BATCH_MESSAGES])
                await asyncio.sleep(0)
        return tuple(refusals)

    async def close(self) -> None:
        """Do nothing: no socket outlives its call, and the table stays as it is."""


async def _read_service(link: "_Link", service: VirtualService) -> ServiceState:
    """Return a service with its destinations: none when it has been deleted meanwhile."""
    destinations: dict[DestinationKey, Destination] = {}
    counters: dict[DestinationKey, Counters] = {}
    for payloads in link.dump(destinations_request(link.family_id, link.next_sequence(), service.key)):
        for payload in payloads:
            destination, counted = decode_destination(payload, service.key.family)
            destinations[destination.key] = destination
            counters[destination.key] = counted
        await asyncio.sleep(0)
    return ServiceState(service, destinations, counters)


def _apply_batch(link: "_Link", operations: Sequence[Operation]) -> list[Refusal]:
    """Send the operations in one piece and return what became of them, in their order."""
    numbers = [link.next_sequence() for _ in operations]
    refused: dict[int, int] = {}
    batch = []
    for sequence, operation in zip(numbers, operations, strict=True):
        try:
            batch.append(operation_request(link.family_id, sequence, operation))
        except OverflowError:
            refused[sequence] = errno.ERANGE
    refused |= link.send_batch(batch)
    return [
        refusal(operation, refused[sequence])
        for sequence, operation in zip(numbers, operations, strict=True)
        if sequence in refused
    ]


class _Link:
    """A netlink socket that knows the number of the IPVS messages."""

    def __init__(self) -> None:
        self._sequences = itertools.count(1)
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        except OSError as error:
            raise TableError(f"the kernel's IPVS table can't be reached: {error.strerror}") from None
        self._socket.setblocking(False)
        try:
            self.family_id = self._find_family()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def next_sequence(self) -> int:
        """Return a number for the next request."""
        return next(self._sequences)

    def dump(self, request: bytes) -> Iterator[list[bytes]]:
        """Send a request for many messages and yield their payloads as they come, a datagram at a time."""
        self._send(request)
        done = False
        while not done:
            payloads = []
            for answer in self._receive():
                if answer.kind in (NLMSG_DONE, NLMSG_ERROR):
                    _raise_for(answer.errno)
                    done = True
                else:
                    payloads.append(answer.payload)
            yield payloads

    def send_batch(self, requests: list[bytes]) -> dict[int, int]:
        """Send requests in one piece; return the error numbers of those that were refused, by sequence number."""
        end = self.next_sequence()
        self._send(b"".join([*requests, fence(end)]))
        errors: dict[int, int] = {}
        while end not in errors:
            errors |= {answer.sequence: answer.errno for answer in self._receive() if answer.kind == NLMSG_ERROR}
        del errors[end]
        if errno.EPERM in errors.values():
            _raise_for(errno.EPERM)
        return errors

    def _find_family(self) -> int:
        """Ask for the number of the IPVS messages; the kernel loads the module for it where it can."""
        self._send(family_request(FAMILY_NAME, self.next_sequence()))
        for answer in self._receive():
            if answer.kind != NLMSG_ERROR:
                return decode_family(answer.payload)
        raise TableError("the kernel has no IPVS: load its module with `modprobe ip_vs`")

    def _send(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except OSError as error:
            raise TableError(f"the kernel's IPVS table can't be reached: {error.strerror}") from None

    def _receive(self) -> Iterator[Answer]:
        """Return the messages of the next datagram, which is there already."""
        try:
            return answers(self._socket.recv(DATAGRAM_BYTES))
        except OSError as error:
            raise TableError(f"the kernel's IPVS table does not answer: {error.strerror}") from None


def _raise_for(number: int) -> None:
    """Raise what a request as a whole was refused for."""
    if number in (errno.EPERM, errno.EACCES):
        raise TableError(
            "the kernel lets only an administrator see and change the IPVS table: "
            "run as root, or with the capability CAP_NET_ADMIN"
        )
    if number:
        raise TableError(f"the kernel's IPVS table can't be read: {os.strerror(number)}")
