"""When each check starts: a wheel of coarse slots, and a stable place in the interval for each. Pure.

Checks that start together cost less than checks that each wake the process at a millisecond of their own, so
time is cut into slots. Where in its interval a check starts comes from a hash of its name: the load is spread, and
neither a restart nor another check's coming and going moves it.
"""

import zlib
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")

SLOT_SECONDS = 0.1
"""Half as long costs each check a quarter more: what one leaves in the processor's caches is of use to the next."""


def phase_seconds(name: str, interval_seconds: float) -> float:
    """Return where in its interval the check called `name` starts: from 0 up to the interval, always the same."""
    return zlib.crc32(name.encode()) / 2**32 * interval_seconds


def first_start(name: str, now: float, interval_seconds: float) -> float:
    """Return the first start at or after `now`, within one interval."""
    since = (now - phase_seconds(name, interval_seconds)) % interval_seconds
    return now + (interval_seconds - since) % interval_seconds


def next_start(due: float, now: float, interval_seconds: float) -> float:
    """Return the start after the one that was due at `due`: whole intervals later, and never before `now`."""
    late_seconds = now - due - interval_seconds
    if late_seconds <= 0:
        return due + interval_seconds
    return due + interval_seconds * (1 + -(-late_seconds // interval_seconds))


def until_next_slot(now: float) -> float:
    """Return seconds from `now` to a slot's begin: half a slot away at least, so that rounding can't stop the clock."""
    return (round(now / SLOT_SECONDS) + 1) * SLOT_SECONDS - now


class Wheel(Generic[ItemT]):
    """Items by the slot of their due time. Adding is O(1); taking costs what is taken and the slots passed."""

    def __init__(self, now: float) -> None:
        self._slots: dict[int, list[ItemT]] = {}
        self._taken_up_to = int(now / SLOT_SECONDS)

    def add(self, due: float, item: ItemT) -> None:
        """Put an item into the slot of `due`, or into the next one to be taken when that has passed."""
        slot = max(int(due / SLOT_SECONDS), self._taken_up_to + 1)
        self._slots.setdefault(slot, []).append(item)

    def take(self, now: float) -> list[ItemT]:
        """Take out every item whose slot has begun, in order of the slots."""
        current = int(now / SLOT_SECONDS)
        items: list[ItemT] = []
        if current - self._taken_up_to > len(self._slots):  # after a pause there are fewer items than slots
            for slot in sorted(slot for slot in self._slots if slot <= current):
                items += self._slots.pop(slot)
        else:
            for slot in range(self._taken_up_to + 1, current + 1):
                items += self._slots.pop(slot, ())
        self._taken_up_to = max(self._taken_up_to, current)
        return items
