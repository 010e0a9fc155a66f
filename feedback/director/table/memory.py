"""The table in memory: a model of the kernel's, for the embedded forwarder, for simulations and for tests.

It refuses what ip_vs_ctl.c refuses, with the same error numbers, and the same test suite runs on both.
"""

import errno
import ipaddress
import os
from collections import Counter
from collections.abc import Callable, Sequence

from feedback.director.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    Operation,
    SetDestination,
    SetService,
)
from feedback.director.table.contract import Refusal
from feedback.model import (
    Counters,
    Destination,
    DestinationKey,
    Family,
    Forwarding,
    ServiceKey,
    ServiceState,
    TableState,
    VirtualService,
)

SCHEDULERS = frozenset({"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf", "twos"})
"""The schedulers that Linux has, by their modules' names."""

MAX_WEIGHT = 2**31 - 1


class MemoryTable:
    """A table of virtual services in memory.

    on_change: called after an `apply` that changed something, and when a destination has become full or is no longer;
    the embedded forwarder follows the table by it.
    """

    def __init__(self) -> None:
        self.on_change: Callable[[], None] | None = None
        self._services: dict[ServiceKey, VirtualService] = {}
        self._destinations: dict[ServiceKey, dict[DestinationKey, Destination]] = {}
        self._open: Counter[tuple[ServiceKey, DestinationKey]] = Counter()
        self._total: Counter[tuple[ServiceKey, DestinationKey]] = Counter()
        self._full: set[tuple[ServiceKey, DestinationKey]] = set()

    async def read(self) -> TableState:
        """Return everything in the table, counters included."""
        return self.state()

    async def apply(self, operations: Sequence[Operation]) -> tuple[Refusal, ...]:
        """Do the operations in order, every one of them, and return those that were refused."""
        refusals = []
        for operation in operations:
            error = self._refusal(operation)
            if error:
                refusals.append(Refusal(operation, error, os.strerror(error)))
            else:
                self._do(operation)
        if len(refusals) < len(operations):
            self._tell()
        return tuple(refusals)

    async def close(self) -> None:
        """Do nothing: the table lives as long as its process."""

    def state(self) -> TableState:
        """Return everything in the table, counters included."""
        return {key: self._service_state(key) for key in self._services}

    def is_full(self, service: ServiceKey, destination: DestinationKey) -> bool:
        """Say whether a destination gets no new connections: it has reached its upper threshold (ip_vs_bind_dest)."""
        return (service, destination) in self._full

    def connection_opened(self, service: ServiceKey, destination: DestinationKey) -> None:
        """Count a connection that a destination has been given."""
        counted = service, destination
        self._open[counted] += 1
        self._total[counted] += 1
        there = self._destinations.get(service, {}).get(destination)
        if there is not None and 0 < there.upper_threshold <= self._open[counted] and counted not in self._full:
            self._full.add(counted)
            self._tell()

    def connection_closed(self, service: ServiceKey, destination: DestinationKey) -> None:
        """Count a connection as over. Its destination may have left the table meanwhile.

        Raises ValueError when none was open: whoever counts has lost count.
        """
        counted = service, destination
        if not self._open[counted]:
            raise ValueError(f"no connection to {destination} of {service} is open")
        self._open[counted] -= 1
        there = self._destinations.get(service, {}).get(destination)
        if counted in self._full and there is not None and _has_room(there, self._open[counted]):
            self._full.discard(counted)
            self._tell()
        if not self._open[counted]:
            del self._open[counted]

    def _tell(self) -> None:
        if self.on_change is not None:
            self.on_change()

    def _service_state(self, key: ServiceKey) -> ServiceState:
        destinations = dict(self._destinations[key])
        counters = {
            at: Counters(active_connections=self._open[key, at], total_connections=self._total[key, at])
            for at in destinations
        }
        return ServiceState(self._services[key], destinations, counters)

    def _refusal(self, operation: Operation) -> int:
        """Return the error number with which the kernel would answer; 0 where it would do as told."""
        match operation:
            case AddService(service):
                return errno.EEXIST if service.key in self._services else _bad_service(service)
            case SetService(service):
                return _bad_service(service) if service.key in self._services else errno.ESRCH
            case DeleteService(key):
                return 0 if key in self._services else errno.ESRCH
            case AddDestination(key, destination) | SetDestination(key, destination) if key in self._services:
                return self._bad_destination(operation, key, destination)
            case DeleteDestination(key, at) if key in self._services:
                return 0 if at in self._destinations[key] else errno.ENOENT
        return errno.ESRCH

    def _bad_destination(self, operation: Operation, key: ServiceKey, destination: Destination) -> int:
        """Check in the kernel's order: the mixed family, the ranges, then whether it is there."""
        if destination.key.family is not key.family and destination.forwarding is not Forwarding.TUNNEL:
            return errno.EINVAL
        if not 0 <= destination.weight <= MAX_WEIGHT or destination.lower_threshold > destination.upper_threshold:
            return errno.ERANGE
        exists = destination.key in self._destinations[key]
        if isinstance(operation, SetDestination):
            return 0 if exists else errno.ENOENT
        if exists:
            return errno.EEXIST
        return 0 if _is_unicast(destination.key.address) else errno.EINVAL

    def _do(self, operation: Operation) -> None:
        match operation:
            case AddService(service) | SetService(service):
                self._services[service.key] = service
                self._destinations.setdefault(service.key, {})
            case DeleteService(key):
                for at in self._destinations.pop(key):
                    del self._total[key, at]
                    self._full.discard((key, at))
                del self._services[key]
            case AddDestination(key, destination) | SetDestination(key, destination):
                self._set(key, destination)
            case _:
                del self._destinations[operation.service][operation.key]
                del self._total[operation.service, operation.key]
                self._full.discard((operation.service, operation.key))

    def _set(self, key: ServiceKey, destination: Destination) -> None:
        """Put a destination's settings in place. A higher threshold, or none, lets connections in (ip_vs_ctl.c)."""
        before = self._destinations[key].get(destination.key)
        limit = destination.upper_threshold
        if before is None or not limit or limit > before.upper_threshold:
            self._full.discard((key, destination.key))
        self._destinations[key][destination.key] = destination


def _bad_service(service: VirtualService) -> int:
    """Return what the kernel finds wrong with a service's settings; 0 for nothing."""
    if service.scheduler not in SCHEDULERS:
        return errno.ENOENT
    prefix = service.persistence_prefix
    if service.key.family is Family.IPV6 and prefix is not None and not 1 <= prefix <= 128:
        return errno.EINVAL
    return 0


def _has_room(destination: Destination, connections: int) -> bool:
    """Say whether a full destination gets connections again after one has ended (ip_vs_unbind_dest)."""
    if destination.lower_threshold:
        return connections < destination.lower_threshold
    return connections * 4 < destination.upper_threshold * 3


def _is_unicast(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_multicast or parsed.is_unspecified or address == "255.255.255.255")
