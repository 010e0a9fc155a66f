"""When things are over: items in coarse slots of time. Pure.

Most deadlines never come, because the check is done before. So adding and discarding cost a set operation each, and
an order is kept of the slots alone.
"""

import heapq
import math
from collections.abc import Callable
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")

SLOTS_PER_SECOND = 100


class Deadlines(Generic[ItemT]):
    """Items by the slot in which their deadline ends: never early, and late by less than two slots.

    `earlier` is called when there is something to look at before the time that `next_due` gave until then.
    """

    def __init__(self, earlier: Callable[[], None]) -> None:
        self._slots: dict[int, set[ItemT]] = {}
        self._order: list[int] = []
        self._earlier = earlier

    def add(self, due: float, item: ItemT) -> set[ItemT]:
        """Put an item under its deadline. Discard it from the returned set when it is done before."""
        slot = int(due * SLOTS_PER_SECOND) + 1
        items = self._slots.get(slot)
        if items is None:
            items = self._open(slot)
        items.add(item)
        return items

    def next_due(self) -> float:
        """Return when `take` has something to look at again; infinity when there is no slot."""
        return self._order[0] / SLOTS_PER_SECOND if self._order else math.inf

    def take(self, now: float) -> list[ItemT]:
        """Take out the items whose slot has ended."""
        items: list[ItemT] = []
        while self._order and self._order[0] / SLOTS_PER_SECOND <= now:
            items += self._slots.pop(heapq.heappop(self._order))
        return items

    def take_all(self) -> list[ItemT]:
        """Take out everything."""
        return self.take(math.inf)

    def _open(self, slot: int) -> set[ItemT]:
        items = self._slots[slot] = set()
        heapq.heappush(self._order, slot)
        if self._order[0] == slot:
            self._earlier()
        return items
