"""Operations that the table refused wait before they are tried again, each time longer. Pure.

Planning is level-triggered: what was refused is planned again at every tick. Without this, a kernel that says no would
be asked, and its answer logged, every second for ever.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

import msgspec

from feedback.director.plan import (
    AddDestination,
    AddService,
    DeleteService,
    Operation,
    SetDestination,
    SetService,
)
from feedback.model import DestinationKey, ServiceKey, ServiceState, TableState

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0

Subject = tuple[ServiceKey, DestinationKey | None]
"""What an operation is about: a destination of a service, or (None) the service itself."""


class _Wait(msgspec.Struct, frozen=True):
    seconds: float
    until: float


def subject(operation: Operation) -> Subject:
    """Return what an operation is about."""
    match operation:
        case AddService() | SetService():
            return operation.service.key, None
        case DeleteService():
            return operation.key, None
        case AddDestination() | SetDestination():
            return operation.service, operation.destination.key
    return operation.service, operation.key


class Retries:
    """What was refused lately, and until when it waits."""

    def __init__(self) -> None:
        self._waits: dict[Subject, _Wait] = {}

    def due(self, operations: Iterable[Operation], now: float) -> list[Operation]:
        """Return the operations that may be tried: neither they nor their service itself wait."""
        waiting = {about for about, wait in self._waits.items() if now < wait.until}
        return [
            operation
            for operation in operations
            if subject(operation) not in waiting and (subject(operation)[0], None) not in waiting
        ]

    def note(self, tried: Iterable[Operation], refused: Iterable[Operation], now: float) -> None:
        """Take notice of what was tried and what of it was refused.

        When a service can't be made, its destinations are refused because of it: they wait for it, not on their own.
        """
        failed = {subject(operation) for operation in refused}
        for operation in tried:
            about = subject(operation)
            service = (about[0], None)
            if about not in failed or (about != service and service in failed):
                self._waits.pop(about, None)
                continue
            before = self._waits.get(about)
            seconds = FIRST_WAIT_SECONDS if before is None else min(2 * before.seconds, LONGEST_WAIT_SECONDS)
            self._waits[about] = _Wait(seconds, now + seconds)


def table_after(
    observed: TableState, wanted: TableState, undone: AbstractSet[Subject]
) -> dict[ServiceKey, ServiceState]:
    """Return the table after a tick without reading it again: as wanted, but for the subjects that were not done."""
    after = dict(observed)
    for key, want in wanted.items():
        have = observed.get(key)
        if have is None and (key, None) in undone:
            continue
        there = have.destinations if have is not None else {}
        destinations = {at: one for at, one in want.destinations.items() if (key, at) not in undone}
        destinations |= {at: one for at, one in there.items() if (key, at) in undone}
        settings = have.service if have is not None and (key, None) in undone else want.service
        after[key] = ServiceState(settings, destinations, have.counters if have is not None else {})
    return after
