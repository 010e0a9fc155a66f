"""From the wanted and the observed table to the operations that lead from one to the other. Pure."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import msgspec

from feedback.model import Destination, DestinationKey, Family, ServiceKey, ServiceState, TableState, VirtualService


class AddService(msgspec.Struct, frozen=True):
    """Create a virtual service."""

    service: VirtualService


class SetService(msgspec.Struct, frozen=True):
    """Change a virtual service's settings in place; its destinations and connections live on."""

    service: VirtualService


class DeleteService(msgspec.Struct, frozen=True):
    """Delete a virtual service with its destinations."""

    key: ServiceKey


class AddDestination(msgspec.Struct, frozen=True):
    """Put a destination into a service."""

    service: ServiceKey
    destination: Destination


class SetDestination(msgspec.Struct, frozen=True):
    """Change a destination in place; its connections live on."""

    service: ServiceKey
    destination: Destination


class DeleteDestination(msgspec.Struct, frozen=True):
    """Take a destination out of a service."""

    service: ServiceKey
    key: DestinationKey


Operation = AddService | SetService | DeleteService | AddDestination | SetDestination | DeleteDestination


def plan(desired: TableState, observed: TableState, owned: AbstractSet[ServiceKey]) -> tuple[Operation, ...]:
    """Return the operations that make `observed` what `desired` says, for the services in `owned` alone.

    What takes connections comes before what no longer does, so that a service which has a usable destination before
    and after has one all the way. Counters are statistics and never compared.
    """
    operations: list[Operation] = []
    for key in sorted(owned & desired.keys()):
        operations += _plan_service(desired[key], observed.get(key))
    operations += [DeleteService(key) for key in sorted(owned & (observed.keys() - desired.keys()))]
    return tuple(operations)


def _plan_service(desired: ServiceState, observed: ServiceState | None) -> Iterator[Operation]:
    """Return one service's operations: itself, then destinations added, raised or changed, quiesced, deleted."""
    if observed is None:
        yield AddService(desired.service)
    elif _differs(desired.service, observed.service):
        yield SetService(desired.service)
    key = desired.service.key
    have = observed.destinations if observed is not None else {}
    want = desired.destinations
    yield from (AddDestination(key, want[at]) for at in sorted(want.keys() - have.keys()))
    changed = [want[at] for at in sorted(want.keys() & have.keys()) if want[at] != have[at]]
    yield from (SetDestination(key, destination) for destination in changed if destination.weight)
    yield from (SetDestination(key, destination) for destination in changed if not destination.weight)
    yield from (DeleteDestination(key, at) for at in sorted(have.keys() - want.keys()))


def _differs(desired: VirtualService, observed: VirtualService) -> bool:
    """Say whether settings are to be changed. One packet at a time is nobody's wish to end: others may have set it."""
    one_packet = desired.one_packet or observed.one_packet
    return canonical(msgspec.structs.replace(desired, one_packet=one_packet)) != canonical(observed)


def canonical(service: VirtualService) -> VirtualService:
    """Return the one way to write these settings: a prefix means nothing without persistence, and None is the full."""
    full = 128 if service.key.family is Family.IPV6 else 32
    prefix = (service.persistence_prefix or full) if service.persistence_seconds else full
    return msgspec.structs.replace(service, persistence_prefix=prefix)


def describe(operation: Operation, service: str, destination: str = "", before: Destination | None = None) -> str:
    """Return what an operation does, in words: `rs2 removed from web`, `rs2 in web: weight 100 to 87`.

    `service` and `destination` are the names of what it is about; `before` is the destination as it was.
    """
    match operation:
        case AddService():
            return f"{service} added: {_settings(operation.service)}"
        case SetService():
            return f"{service} changed: {_settings(operation.service)}"
        case DeleteService():
            return f"{service} deleted"
        case AddDestination():
            return f"{destination} added to {service} at weight {operation.destination.weight}"
        case SetDestination():
            return f"{destination} in {service}: {_changes(operation.destination, before)}"
    return f"{destination} removed from {service}"


def _settings(service: VirtualService) -> str:
    persistence = f" persistence {service.persistence_seconds}s" if service.persistence_seconds else ""
    one_packet = " one packet" if service.one_packet else ""
    return f"{service.key} {service.scheduler}{persistence}{one_packet}"


def _limit(destination: Destination) -> str:
    if not destination.upper_threshold:
        return "no limit of connections"
    lower = f", lower {destination.lower_threshold}" if destination.lower_threshold else ""
    return f"connections upper {destination.upper_threshold}{lower}"


def _changes(after: Destination, before: Destination | None) -> str:
    changes = []
    if before is None:
        changes.append(f"weight {after.weight}")
    elif before.weight != after.weight:
        changes.append(f"weight {before.weight} to {after.weight}" + ("" if after.weight else " (quiesced)"))
    if before is None or before.forwarding != after.forwarding:
        changes.append(f"forwarding {after.forwarding}")
    if before is not None and (before.upper_threshold, before.lower_threshold) != (
        after.upper_threshold,
        after.lower_threshold,
    ):
        changes.append(_limit(after))
    return ", ".join(changes)
