"""Calls that may hang for ever in the kernel, like those on a network file system whose server is gone."""

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from feedback.agent.source import SourceError

if TYPE_CHECKING:  # see feedback.agent.without_tls
    import asyncio

ResultT = TypeVar("ResultT")


class Aside(Generic[ResultT]):
    """Runs one function in a thread of its own, so that it delays nothing else when it hangs.

    A call that hangs is abandoned, and while it does there is no other: at most one thread is ever lost to it. The
    thread is a daemon, so that the agent can end in spite of it.
    """

    def __init__(self, function: Callable[[], ResultT], what: str) -> None:
        self._function = function
        self._what = what
        self._running = False

    async def call(self) -> ResultT:
        """Return what the function returns, or raise what it raises. Raises SourceError while an earlier call hangs."""
        if self._running:
            raise SourceError(f"{self._what} does not answer: a call from before still waits for the kernel")
        from asyncio import get_running_loop  # noqa: PLC0415 - see feedback.agent.without_tls

        loop = get_running_loop()
        outcome: asyncio.Future[ResultT] = loop.create_future()
        self._running = True
        threading.Thread(target=self._run, args=(loop, outcome), name=self._what, daemon=True).start()
        return await outcome

    def _run(self, loop: "asyncio.AbstractEventLoop", outcome: "asyncio.Future[ResultT]") -> None:
        settle: Callable[[], None]
        try:
            settle = partial(_answer, outcome, self._function())
        except Exception as error:  # noqa: BLE001 - whoever awaits it is told
            settle = partial(_fail, outcome, error)
        self._running = False  # the thread itself may live a moment longer
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle)


def _answer(outcome: "asyncio.Future[ResultT]", result: ResultT) -> None:
    if not outcome.done():
        outcome.set_result(result)


def _fail(outcome: "asyncio.Future[ResultT]", error: Exception) -> None:
    if not outcome.done():
        outcome.set_exception(error)
