"""What every metric source must do, whatever it measures: seen by sampling it, and by cancelling it at many moments."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from feedback.agent.source import Sample, Source, SourceError
from feedback.options import Field, fields_of, take_apart
from feedback.report import MAX_FAILURE_LENGTH, MAX_RATIO, is_ratio
from feedback.testing import conformance, plugins
from feedback.testing.conformance import Findings
from feedback.testing.reaching import heavy_imports
from feedback.testing.surroundings import BEAT_SECONDS, Heart, children, open_files

SAMPLES = 3
HOLD_SECONDS = 0.1
"""A source that holds the event loop for longer, every time, holds every other source and the reports."""

GRACE_SECONDS = 1.0
"""How long what a source has begun may take to end once it has been cancelled."""

CANCELLED_AFTER_TURNS = (0, 1, 2, 4)
RESERVED = frozenset({"source", "interval", "timeout", "from", "drain_above", "down_above"})


RULES: Mapping[str, str] = {
    **plugins.RULES,
    "reserved": f"leaves the names that every metric has to the agent: {', '.join(sorted(RESERVED))}",
    "limit": "has a limit that is a number above 0, if it has one",
    "light": "imports what is large where it is used, so that agents that do not use it go without",
    "sample": f"answers in time with a Sample, whose ratio is a number from 0 to {MAX_RATIO:.0f}",
    "words": f"raises SourceError where it can't measure, with one sentence of at most {MAX_FAILURE_LENGTH} characters",
    "yields": f"never holds the event loop for more than {HOLD_SECONDS:g} s: where it waits, it awaits",
    "cancelled": "ends when it is cancelled, and can be sampled again",
    "tidy": "leaves no task, no open file and no program behind",
}

Act = Callable[[], Awaitable[object]]


def conform_source(
    source: type[Source] | Source, /, *, timeout_seconds: float = 2.0, failing: bool = False, **options: Any
) -> None:
    """Prove a source, on an event loop of its own. Raises ConformanceError with every rule that it breaks.

    `options` are those of the class; a source that has been made has its own. With `failing` it must be one that can't
    measure: then it is to say so in words.
    """
    kind = source if isinstance(source, type) else type(source)
    findings = Findings(f"source {kind.name or kind.__name__}", RULES)
    plugins.examine(kind, findings)
    _examine(kind, findings)
    made = plugins.make(kind, options if isinstance(source, type) else plugins.options_of(source), findings)
    if made is not None:
        with asyncio.Runner() as runner:
            runner.run(_Trial(made, findings, timeout_seconds, failing=failing).run())
    findings.raise_any()


def _examine(kind: type[Source], findings: Findings) -> None:
    for field in fields_of(kind):
        if field.name in RESERVED:
            findings.add("reserved", f"it has an option {field.name}")
        elif field.name == "limit" and not _is_above_0(field):
            findings.add("limit", "its limit may be 0 or less")
    for name in heavy_imports(kind):
        findings.add("light", f"its module imports {name}")


def _is_above_0(field: Field) -> bool:
    return take_apart(field.kind).unit is not None or not (plugins.fits(0.0, field.kind) or plugins.fits(0, field.kind))


class _Trial:
    """One source that is sampled, and cancelled."""

    def __init__(self, source: Source, findings: Findings, timeout_seconds: float, *, failing: bool) -> None:
        self._source = source
        self._findings = findings
        self._timeout_seconds = timeout_seconds
        self._failing = failing
        self._right = True
        self._own: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Sample again and again, then cancel at many moments, and sample once more."""
        heart = Heart()
        self._own = {asyncio.current_task(), asyncio.create_task(heart.beat())} - {None}  # type: ignore[assignment]
        programs = children()
        self._look()
        if await self._sample("the first sample"):
            await self._repeat(heart, programs)
        for task in self._own - {asyncio.current_task()}:
            task.cancel()

    def _look(self) -> None:
        """Look once, where that is all it takes."""
        try:
            came = self._source.look()
        except SourceError as error:
            self._hear("a look", str(error), "sample")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a bug in the source, whatever it is
            self._findings.add("words", f"a look raises {conformance.words_of(error)}")
        else:
            if came is not None and (wrong := wrong_sample(came)):
                self._findings.add("sample", f"a look returns {wrong}")

    async def _repeat(self, heart: Heart, programs: frozenset[int]) -> None:
        await self._cancel_change()
        files = open_files()  # a source may keep what it reads from again and again
        began = time.monotonic()
        for number in range(1, SAMPLES):
            await self._sample(f"sample {number + 1}")
        seconds = (time.monotonic() - began) / (SAMPLES - 1)
        await self._look_around("after samples", files, programs)
        # a busy host holds one of them, but hardly each
        self._feel(min([await heart.longest_gap(lambda: _caught(self._source.sample)) for _ in range(SAMPLES)]))
        await self._cancel_everywhere(seconds, files, programs)

    async def _cancel_everywhere(self, seconds: float, files: Counter[str], programs: frozenset[int]) -> None:
        for turns in CANCELLED_AFTER_TURNS:
            await self._cancel(self._source.sample, turns=turns)
        await self._cancel(self._source.sample, seconds=seconds / 2)
        await self._cancel_change()
        await self._look_around("after it was cancelled", files, programs)
        if self._right and not self._failing:
            await self._recover()

    async def _recover(self) -> None:
        """Sample once more: what was cancelled may need a moment, where it waits for a thread."""
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline:
            task = asyncio.ensure_future(_caught(self._source.sample))
            await asyncio.wait({task}, timeout=GRACE_SECONDS)
            if task.done() and not isinstance(task.result(), SourceError):
                return
            task.cancel()
            await asyncio.sleep(BEAT_SECONDS)
        await self._sample("a sample after it was cancelled", rule="cancelled")

    async def _cancel_change(self) -> None:
        if type(self._source).change is not Source.change:
            await self._cancel(self._source.change, seconds=BEAT_SECONDS)

    async def _sample(self, what: str, rule: str = "sample") -> bool:
        """Sample once, in time, and judge what comes of it. Return whether it is worth to go on."""
        task = asyncio.ensure_future(_caught(self._source.sample))
        done, _ = await asyncio.wait({task}, timeout=self._timeout_seconds)
        if not done:
            self._findings.add(rule, f"{what} has no answer within {self._timeout_seconds:g} s")
            await self._end(task)
            return False
        came = task.result()
        if isinstance(came, SourceError):
            self._hear(what, str(came), rule)
            return self._failing
        if isinstance(came, BaseException):
            self._findings.add("words", f"{what} raises {conformance.words_of(came)}")
        elif wrong := wrong_sample(came):
            self._right = False
            self._findings.add(rule, f"{what} returns {wrong}")
        elif self._failing:
            self._findings.add("words", f"{what} returns {came}, though it can't measure")
        return True

    def _hear(self, what: str, words: str, rule: str) -> None:
        if not (words.strip() and words.isprintable() and len(words) <= MAX_FAILURE_LENGTH):
            self._findings.add("words", f"{what} says {words[: MAX_FAILURE_LENGTH + 1]!r}")
        if not self._failing:
            self._findings.add(rule, f"{what} can't measure: {words}")

    def _feel(self, gap_seconds: float) -> None:
        if gap_seconds > HOLD_SECONDS:
            self._findings.add("yields", f"a sample holds it for {gap_seconds:.2f} s")

    async def _cancel(self, act: Act, *, turns: int = 0, seconds: float = 0.0) -> None:
        """Begin something, and cancel it after a while."""
        task = asyncio.ensure_future(_caught(act))
        for _ in range(turns + 1):
            await asyncio.sleep(0)
        if seconds:
            await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            await self._end(task)

    async def _end(self, task: asyncio.Task[object]) -> None:
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=GRACE_SECONDS)
        came = task.result() if done and not task.cancelled() else None
        if not done:
            self._findings.add("cancelled", f"it goes on for more than {GRACE_SECONDS:g} s")
            self._own.add(task)
        elif isinstance(came, BaseException) and not isinstance(came, asyncio.CancelledError | SourceError):
            self._findings.add("cancelled", f"it raises {conformance.words_of(came)}")

    async def _look_around(self, when: str, files: Counter[str], programs: frozenset[int]) -> None:
        """Find what is left: what a source has only just let go of may need a moment."""
        deadline = time.monotonic() + GRACE_SECONDS
        while (left := self._left(files, programs)) and time.monotonic() < deadline:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(BEAT_SECONDS)
        for thing in left:
            self._findings.add("tidy", f"{when} there is {thing}")

    def _left(self, files: Counter[str], programs: frozenset[int]) -> list[str]:
        tasks = [f"the task {task.get_name()}" for task in asyncio.all_tasks() - self._own]
        opened = [f"{name}, open" for name in (open_files() - files).elements()]
        return [*tasks, *opened, *(f"the program {pid}" for pid in children() - programs)]


async def _caught(act: Act) -> object:
    """Return what comes of a coroutine of a plugin's, also what it raises."""
    try:
        return await act()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return error
    except BaseException as error:  # noqa: BLE001 - SystemExit, too, must not end the one who looks
        return error


def wrong_sample(came: object) -> str:
    """Return what is wrong with an answer, in words; "" where nothing is."""
    if not isinstance(came, Sample):
        return f"{came!r:.60}, which is no Sample"
    ratio: object = came.ratio  # a plugin may have made it of anything
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not is_ratio(ratio):
        return f"a ratio of {ratio!r:.60}"
    return ""
