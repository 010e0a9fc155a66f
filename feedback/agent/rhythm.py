"""What is due again and again, each at its own interval, by one timer."""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

TICK_SLACK_SECONDS = 0.005
"""What is due this soon is done now: intervals that fall together are one wake-up."""


class Recurring(Protocol):
    """What has an interval."""

    @property
    def interval_seconds(self) -> float:
        """After how long it is due again."""


RecurringT = TypeVar("RecurringT", bound=Recurring)


class Rhythm(Generic[RecurringT]):
    """Calls `act` with what is due and the time. It is a timer's, not a task's: a wake-up costs a third less so."""

    def __init__(self, things: Sequence[RecurringT], act: Callable[[Sequence[RecurringT], float], None]) -> None:
        self._things = things
        self._act = act
        self._due = [math.inf] * len(things)
        self._soonest = math.inf

    async def run(self) -> None:
        """Call for the first time when the shortest interval is over, and go on until cancelled.

        Raises what a call raises, and calls no more.
        """
        self._loop = asyncio.get_running_loop()
        self._broken = self._loop.create_future()
        begun = self._loop.time()
        self._due = [begun + thing.interval_seconds for thing in self._things]
        self._set_timer()
        try:
            await self._broken
        finally:
            self._timer.cancel()

    def late_seconds(self, now: float) -> float:
        """Return for how long something has been due that is not done; negative: all is in time."""
        return now - self._soonest

    def _set_timer(self) -> None:
        self._soonest = min(self._due)
        self._timer = self._loop.call_at(self._soonest, self._wake)

    def _wake(self) -> None:
        now = self._loop.time()
        soon = now + TICK_SLACK_SECONDS
        things = []
        for number, thing in enumerate(self._things):
            if self._due[number] <= soon:
                self._due[number] = following(self._due[number], thing.interval_seconds, soon)
                things.append(thing)
        try:
            self._act(things, now)
        except Exception as error:  # noqa: BLE001 - whoever runs this is told
            self._broken.set_exception(error)
        else:
            self._set_timer()


def following(due: float, interval_seconds: float, now: float) -> float:
    """Return when a thing is due next, in its rhythm; after a long pause, an interval from now."""
    following_due = due + interval_seconds
    return following_due if following_due > now else now + interval_seconds
