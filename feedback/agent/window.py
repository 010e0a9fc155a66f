"""Two readings of a counter, and the time between them: what a rate is made of."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

ReadingT = TypeVar("ReadingT")

FIRST_WINDOW_SECONDS = 0.1
"""The first sample has nothing to look back to, and waits this long for a second reading."""


class Span(msgspec.Struct, Generic[ReadingT], frozen=True):
    """What a counter said at two moments."""

    before: ReadingT
    after: ReadingT
    seconds: float


class Window(Generic[ReadingT]):
    """Remembers the last reading, so that each sample covers the whole time since the one before."""

    def __init__(self, read: Callable[[], ReadingT]) -> None:
        self._read = read
        self._last: tuple[ReadingT, float] | None = None

    async def span(self) -> Span[ReadingT]:
        """Read, and return this reading with the one before."""
        if self._last is None:
            self._last = self._take()
            from asyncio import sleep  # noqa: PLC0415 - see feedback.agent.without_tls

            await sleep(FIRST_WINDOW_SECONDS)
        return self._since(self._last)

    def next(self) -> Span[ReadingT] | None:
        """Do what `span` does where that has not to wait: after the first reading. Before it, return None."""
        return None if self._last is None else self._since(self._last)

    def _since(self, last: tuple[ReadingT, float]) -> Span[ReadingT]:
        self._last = after, now = self._take()
        return Span(last[0], after, max(now - last[1], 1e-9))

    def _take(self) -> tuple[ReadingT, float]:
        return self._read(), time.monotonic()
