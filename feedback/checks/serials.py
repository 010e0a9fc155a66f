"""Serials of zones: their arithmetic (RFC 1982), and who has which for how long. Pure.

A destination is behind while there is a newer serial than its own, and for as long as it has kept its own meanwhile:
one that follows a busy zone, always a little late, is never behind for long.
"""

import functools
from collections.abc import Hashable, Iterable

import msgspec

from feedback.errors import LocalFault

MODULUS = 2**32
HALF = 2**31

FORGET_SECONDS = 3600.0
"""A destination of which nothing was heard for so long is forgotten, and since when it was behind."""


def distance(serial: int, other: int) -> int | None:
    """Return by how much `other` is newer than `serial`, negative when it is older.

    None for two that are exactly half the range apart: RFC 1982, 3.2, leaves undefined which one is newer.
    """
    difference = (other - serial) % MODULUS
    if difference == HALF:
        return None
    return difference if difference < HALF else difference - MODULUS


def newest(serials: Iterable[int]) -> int | None:
    """Return the serial that is behind no other, None where there is none: far apart, they go round in a circle."""
    candidates = set(serials)
    found = functools.reduce(_newer, candidates)
    lead = [distance(serial, found) for serial in candidates]
    return found if all(distance is not None and distance >= 0 for distance in lead) else None


def _newer(serial: int, other: int) -> int:
    return other if (distance(serial, other) or 0) > 0 else serial


class Lag(msgspec.Struct, frozen=True):
    """By how much a serial is behind (negative: ahead; None: undefined), and since when it has been seen to be."""

    count: int | None
    seconds: float = 0.0


class _Seen(msgspec.Struct):
    serial: int
    at: float
    behind_since: float | None = None


class Sightings:
    """Which serial each destination of a service had when it was last asked. `now` in monotonic seconds."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, Hashable], _Seen] = {}

    def note(self, service: str, destination: Hashable, serial: int, now: float) -> None:
        """Take down what a destination has answered."""
        before = self._seen.get((service, destination))
        since = before.behind_since if before is not None and before.serial == serial else None
        self._seen[service, destination] = _Seen(serial, now, since)
        if before is None:
            self._seen = {who: seen for who, seen in self._seen.items() if now - seen.at <= FORGET_SECONDS}

    def current(self, service: str, now: float, max_age: float) -> list[int]:
        """Return the serials of a service's destinations, but of those that have not answered for `max_age` seconds."""
        return [seen.serial for who, seen in self._seen.items() if who[0] == service and now - seen.at <= max_age]

    def lag(self, service: str, destination: Hashable, reference: int, now: float) -> Lag:
        """Compare a destination that has just been noted with what it should have."""
        seen = self._seen[service, destination]
        count = distance(seen.serial, reference)
        if count is None or count <= 0:
            seen.behind_since = None
            return Lag(count)
        if seen.behind_since is None:
            seen.behind_since = now
        return Lag(count, now - seen.behind_since)


class Reference:
    """What an authority has last said of a zone, shared by all who want to know.

    being_asked: whether somebody is asking now, so that the others can wait for the answer.
    """

    def __init__(self) -> None:
        self.being_asked = False
        self._serial: int | None = None
        self._fault = ""
        self._at = float("-inf")

    def note(self, serial: int, asked_at: float) -> None:
        """Take down an answer, which is at least as new as its question."""
        self._serial, self._at = serial, asked_at

    def note_fault(self, words: str, now: float) -> None:
        """Take down that there was none, and why."""
        self._serial, self._fault, self._at = None, words, now

    def will_do(self, serial: int, since: float, max_age: float) -> bool:
        """Return whether what is known will do for a destination that answered with `serial` at the time `since`.

        What was asked afterwards will, and that nothing was to be learned. What was asked before will do for `max_age`
        seconds, unless the destination is ahead of it: then the authority may be, too.
        """
        if self._at >= since:
            return True
        if self._serial is None or since - self._at > max_age:
            return False
        lead = distance(serial, self._serial)
        return lead is not None and lead >= 0

    def serial(self) -> int:
        """Return the serial. Raises LocalFault when there is none."""
        if self._serial is None:
            raise LocalFault(self._fault)
        return self._serial
