"""An event loop whose clock jumps: hours pass in milliseconds, and times are exact."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on an event loop whose clock jumps to the next timer: hours pass in milliseconds.

    `loop.time()` starts at 0. Raises RuntimeError when nothing is left that could ever happen.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Return virtual seconds."""
        return self._clock.now


class _JumpingSelector(selectors.DefaultSelector):
    """Where another selector would sleep until the next timer, lets the time be over."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready."""
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("every task waits, and nothing is left that could ever happen")
        if not ready:
            self.now += max(0.0, timeout or 0.0)
        return ready
