"""The feed contract: one class whose fields are its options, and one coroutine that asks a host once. Pure."""

import abc
from collections.abc import Collection, Sequence
from typing import Annotated, ClassVar

import msgspec

from feedback.model import Endpoint
from feedback.net import Net
from feedback.options import Address, Port
from feedback.plugin import Plugin
from feedback.report import Report

UNMOVED_SECONDS = 30.0
"""How long counters may stand still, and what was measured of them before is still believed."""


class Feed(Plugin, abc.ABC):
    """Base of all feeds. `feedback.director.feeder` owns the interval, the deadline, and what is known of the host."""

    uses_asyncio: ClassVar[bool] = False
    """Set by feeds that await asyncio, or a library built on it."""

    longest_wait_seconds: ClassVar[float] = 0.0
    """Up to which the time to the next question doubles while no answer comes; never less than the interval."""

    address: Annotated[Address | None, "address to ask, by default that of its destinations"] = None
    port: Annotated[Port, "port to ask"]

    @abc.abstractmethod
    async def ask(self, endpoint: Endpoint, net: Net) -> Report:
        """Ask once, and return what an agent would report.

        Raises CheckFailed when there is no answer, or none that can be understood. Any other exception is a bug.
        """

    def forget(self) -> None:
        """Drop what was kept from one question to the next: nothing has come for long, or nobody asks any more."""


class CpuMeter:
    """CPU time in use between readings of its counters, of which those at `idle` are not in use.

    Some agents look at their host more seldom than they are asked, and say the same in between: what was measured last
    goes on holding then, for a while.
    """

    def __init__(self, idle: Collection[int]) -> None:
        self._idle = idle
        self._counters: tuple[int, ...] = ()
        self._used: float | None = None
        self._moved = 0.0

    def measure(self, counters: tuple[int, ...], now: float) -> float | None:
        """Return the share in use, None where it is not known yet or any more. `now` in monotonic seconds."""
        if counters != self._counters:
            self._used = busy_ratio(self._counters, counters, self._idle)
            self._counters, self._moved = counters, now
        return self._used if now - self._moved <= UNMOVED_SECONDS else None

    def forget(self) -> None:
        """Measure anew."""
        self._counters = ()
        self._used = None


class FeedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Which agent's place a feed takes, where it asks, and when."""

    agent: str
    feed: Feed
    endpoint: Endpoint
    interval_seconds: float
    timeout_seconds: float


def wait_seconds(config: FeedConfig, failures: int) -> float:
    """Return the time from one question to the next, after so many in a row without an answer."""
    doubled: float = config.interval_seconds * 2.0 ** min(failures, 16)
    return max(config.interval_seconds, min(doubled, config.feed.longest_wait_seconds))


_COUNTER = 1 << 32
"""Counters of many systems have 32 bits and begin anew at 0."""


def busy_ratio(before: Sequence[int], after: Sequence[int], idle: Collection[int]) -> float | None:
    """Return the share of CPU time that was used between two readings of its counters; None where none has passed.

    `idle` are the places of the counters of idle time. A counter that goes back, as waiting for disks may, or all of
    them when the host has started anew, has not gone on.
    """
    passed = [(new - old) % _COUNTER for old, new in zip(before, after, strict=False)]
    passed = [0 if one >= _COUNTER // 2 else one for one in passed]
    total = sum(passed)
    return 1 - sum(passed[place] for place in idle if place < len(passed)) / total if total else None
