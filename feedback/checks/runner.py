"""Runs one check once: owns its deadline, its duration, its outcome, and the log of its bugs.

A `DirectRun` drives the check's coroutine itself: each event of the engine goes straight into it. A `TaskRun` is for
checks that say `uses_asyncio`: the same streams, but waited for by an asyncio task. Either calls `done` exactly once,
never before `start` has returned, and not at all when it was cancelled.
"""

import abc
import asyncio
import logging
import time
import types
from collections.abc import Callable, Generator
from typing import Protocol

from feedback.checks import verdict
from feedback.checks.check import Check, Passed
from feedback.engine import Engine
from feedback.engine.kept import Kept
from feedback.engine.network import Network
from feedback.engine.waiting import PAUSE, Pause, StaleConnection
from feedback.errors import CheckFailed, LocalFault
from feedback.model import CheckResult
from feedback.net import Egress, Target

log = logging.getLogger(__name__)

Done = Callable[[CheckResult], None]

BUG_LOG_SECONDS = 60.0
"""A check with a bug has it at every run: its traceback is logged once in this time for each type of check."""


class Handle(Protocol):
    """A run that is under way."""

    def cancel(self) -> None:
        """End it now: its sockets are closed and its programs killed. `done` is not called. Harmless when over."""


class Runner:
    """Starts checks on an engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._bugs_logged: dict[str, float] = {}

    def start(
        self, check: Check, target: Target, timeout_seconds: float, done: Done, kept: Kept | None = None
    ) -> Handle:
        """Run `check` once and call `done` with what came of it, at the latest when the timeout is over.

        `kept` holds the connections that the runs of this check of this target keep for each other.

        Call it from a callback of the loop, not from a task: what a check does to "the current task" would reach it.
        """
        kind = TaskRun if check.uses_asyncio else DirectRun
        run = kind(self, check, target, timeout_seconds, done)
        run.kept = kept
        try:
            if check.port is not None or check.address is not None:
                run.target = check.aimed(target)
            run.begin()
        except Exception as error:  # noqa: BLE001 - a bug in the check, whose `probe` is no coroutine, or in its aim
            run.fail(error)
        return run

    def log_bug(self, check: Check, target: Target, error: BaseException | None, detail: str) -> None:
        """Log what a check has done wrong, with the traceback if there is one."""
        now = time.monotonic()
        if now - self._bugs_logged.get(check.name, -BUG_LOG_SECONDS) >= BUG_LOG_SECONDS:
            self._bugs_logged[check.name] = now
            log.error("bug in the check %s, seen at %s: %s", check.name, target.endpoint, detail, exc_info=error)


class Run(Network):
    """One run of one check, against its deadline."""

    def __init__(self, runner: Runner, check: Check, target: Target, timeout_seconds: float, done: Done) -> None:
        self.engine = engine = runner.engine
        self.target = target
        self.egress = check.egress if target.steering is None else Egress(check.source, steering=target.steering)
        self._runner = runner
        self._check = check
        self._done = done
        self._begun = False
        self._over = False  # from then on the check may clean up, but not wait
        self._started = started = time.monotonic()
        self.deadline = deadline = started + timeout_seconds
        self._expiry = engine.deadlines.add(deadline, self)

    @abc.abstractmethod
    def begin(self) -> None:
        """Let the check run until it waits for the first time."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Throw the check out, so that every block it stands in is left and closed."""

    def expire(self) -> None:
        """Stop the check: its time is over."""
        if not self._over:
            self._over = True
            self.kept = None
            lacking = "no result" if self.awaited is None else self.awaited.lacking()
            timeout_seconds = self.deadline - self._started
            self.stop()
            self.finish(verdict.timed_out(lacking, self.stage_words, timeout_seconds, self.elapsed()))

    def cancel(self) -> None:
        """Stop the check, and call nobody."""
        self._done = _nobody
        self.awaited = None
        self.kept = None
        self._expiry.discard(self)
        if not self._over:
            self._over = True
            self.stop()

    def begin_again(self) -> None:
        """Let the check begin once more, on fresh connections, before the same deadline."""
        self.afresh = True
        self.stage_words = ""
        self.awaited = None
        self.begin()

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._started

    def finish(self, result: CheckResult) -> None:
        """Report the result, though not while whoever started the check still waits for its handle."""
        self._over = True
        self.awaited = None  # whose owner is this run: the ring would be left to the garbage collector
        self._expiry.discard(self)
        if self._begun:
            self._done(result)
        else:
            self.engine.loop.call_soon(lambda: self._done(result))

    def fail(self, error: BaseException) -> None:
        """Report what the check has raised."""
        result = verdict.failed(error, self.stage_words, self.elapsed())
        if not isinstance(error, CheckFailed | LocalFault):
            self._runner.log_bug(self._check, self.target, error, result.detail)
        self.finish(result)


class DirectRun(Run):
    """Drives the check's coroutine from the engine's events."""

    def begin(self) -> None:
        """Let the coroutine run until it waits for the first time."""
        self._coroutine = self._check.probe(self.target, self)
        self.resume()
        self._begun = True

    @types.coroutine
    def pause(self) -> Generator[Pause, None, None]:
        """Wait until there may be something new. Once the run is over, a check may clean up but not wait."""
        if self._over:
            raise GeneratorExit
        yield PAUSE

    def resume(self) -> None:
        """Let the coroutine go on until it waits again or ends."""
        if self._over:
            return
        try:
            if self._coroutine.send(None) is not PAUSE:
                self._stop_foreign()
        except StopIteration as stop:
            self.finish(verdict.passed(stop.value, time.monotonic() - self._started, self._check.slow))
        except StaleConnection:
            self.begin_again()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a bug in the check, whatever it is
            self.fail(error)

    def stop(self) -> None:
        """Throw the coroutine out."""
        try:
            self._coroutine.close()
        except StaleConnection:
            pass  # it said goodbye to nobody
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a bug in the check, whatever it is
            self._runner.log_bug(self._check, self.target, error, "it did not end when it was told to")

    def _stop_foreign(self) -> None:
        """Report a coroutine that waits for asyncio, which does not know of it."""
        self._over = True
        self.stop()
        self.fail(RuntimeError("it awaits asyncio, and must set uses_asyncio = True"))


class TaskRun(Run):
    """Runs the check's coroutine as an asyncio task."""

    def begin(self) -> None:
        """Make the task."""
        self._waiting: list[asyncio.Future[None]] = []
        name = f"check {self._check.name} of {self.target.endpoint}"
        self._task = self.engine.loop.create_task(self._check.probe(self.target, self), name=name)
        self._task.add_done_callback(self._ended)
        self._begun = True

    async def pause(self) -> None:
        """Wait until there may be something new. Once the run is over, a check may clean up but not wait."""
        if self._over:
            raise asyncio.CancelledError
        future = self.engine.loop.create_future()
        self._waiting.append(future)
        await future

    def resume(self) -> None:
        """Let everything that waits go on."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def stop(self) -> None:
        """Cancel the task. Its cleaning up is not waited for."""
        self._task.cancel()

    def _ended(self, task: asyncio.Task[str | Passed]) -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if self._over:
            return
        if error is None:
            self.finish(verdict.passed(task.result(), self.elapsed(), self._check.slow))
        elif isinstance(error, StaleConnection):
            self.begin_again()
        else:
            self.fail(error)


def _nobody(_result: CheckResult) -> None:
    """Take the result of a run that was cancelled between its end and its report."""


async def run_once(check: Check, target: Target, timeout_seconds: float) -> CheckResult:
    """Run a check once, on an engine of its own: what the command line does."""
    loop = asyncio.get_running_loop()
    engine = Engine(loop)
    result: asyncio.Future[CheckResult] = loop.create_future()

    def report(what_came: CheckResult) -> None:
        if not result.cancelled():
            result.set_result(what_came)

    try:
        loop.call_soon(Runner(engine).start, check, target, timeout_seconds, report)
        return await result
    finally:
        engine.close()
