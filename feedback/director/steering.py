"""The ways of the checks that go `via: vip`: through the service's own address to one destination. Pure.

For each destination that has such a check the table gets a service of its own, which goes by a mark and has that one
destination, whatever its health: it has no part in serving clients. The check's packets bear the mark, so they go where
a client's would if the scheduler chose this destination: that a realserver lacks the address shows before clients see
it. A way has no port: packets keep that which they are sent to, so a masqueraded destination is checked at its own.

Datagrams of a way are looked at one by one, as the kernel would lead a source port where it led it up to five minutes
ago, whatever its mark is now. Masqueraded ones can't be: their answers would not find back.

A mark is made of the names, so that it is the same after a restart and in every dry run, whatever else is configured;
those few whose marks would be the same take the next one.
"""

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from feedback.checks.check import Check
from feedback.director.config import DestinationConfig, DirectorConfig, ServiceConfig
from feedback.model import (
    Destination,
    DestinationKey,
    Endpoint,
    Forwarding,
    ServiceKey,
    ServiceState,
    TableState,
    VirtualService,
)
from feedback.net import Steering, Target

MARKS = 1 << 24
"""So many marks from `probe_marks` on are the ways': enough that two names seldom want the same."""

SCHEDULER = "rr"


class Way(msgspec.Struct, frozen=True):
    """How probes reach a destination through its service's address: what the table has for them, and what it's called.

    at: the key of the one destination in it.
    """

    name: str
    destination: DestinationConfig
    at: DestinationKey
    state: ServiceState

    @property
    def key(self) -> ServiceKey:
        """The key of the way's service in the table."""
        return self.state.service.key


Ways = Mapping[tuple[str, str], Way]
"""By the names of service and destination."""


def is_steered(check: Check) -> bool:
    """Return whether a check goes through the service's address."""
    return check.via == "vip"


def ways(config: DirectorConfig) -> Ways:
    """Return the ways that the configuration's checks need."""
    needed = {
        (service.name, destination.name): (service, destination)
        for service in config.services.values()
        if any(is_steered(one.check) for one in service.checks)
        for destination in service.destinations.values()
    }
    taken = {service.key.fwmark for service in config.services.values()}
    marks = _marks(sorted(needed), config.probe_marks, taken)
    return {
        names: _way(ServiceKey.marked(fwmark, needed[names][0].key.family), *needed[names]) for names, fwmark in marks
    }


def _way(key: ServiceKey, service: ServiceConfig, destination: DestinationConfig) -> Way:
    at = Endpoint(destination.key.address, 0)
    forwarding = destination.forwarding
    settings = VirtualService(key, SCHEDULER, one_packet=forwarding is not Forwarding.MASQUERADE)
    state = ServiceState(settings, {at: Destination(at, forwarding, 1)})
    return Way(f"probes of {service.name}/{destination.name}", destination, at, state)


def wanted(found: Ways) -> dict[ServiceKey, ServiceState]:
    """Return what the ways need in the table."""
    return {way.key: way.state for way in found.values()}


def standing(found: Ways, table: TableState) -> frozenset[int]:
    """Return the marks of the ways that are in the table as they should be: what bears another goes astray."""
    return frozenset(
        way.key.fwmark
        for way in found.values()
        if (there := table.get(way.key)) is not None and there.destinations == way.state.destinations
    )


def target_via(way: Way | None, target: Target) -> Target:
    """Return the target of a check that goes a destination's way: the same port at the service's address.

    A service without an address has it in the check's own options.
    """
    if way is None:
        return target
    endpoint = target.endpoint if target.vip is None else Endpoint(target.vip.address, target.endpoint.port)
    steering = Steering(way.key.fwmark, target.endpoint.address, way.destination.forwarding)
    return msgspec.structs.replace(target, endpoint=endpoint, steering=steering)


def _marks(
    names: Iterable[tuple[str, str]], first: int, taken: Collection[int]
) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield each with its mark: the one that its hash says, or the next after it that nobody has."""
    given = set(taken)
    for service, destination in names:
        offset = zlib.crc32(f"{service}/{destination}".encode()) % MARKS
        while first + offset in given:
            offset = (offset + 1) % MARKS
        given.add(first + offset)
        yield (service, destination), first + offset
