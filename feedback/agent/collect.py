"""Sample every source at its own interval, and report what is known of all of them at the agent's.

Most sources only read a file. What is due together is sampled by one task, one source after the other, until one
has to wait: that one keeps the task, gets a deadline, and the rest go on in another. So a slow or hanging source
delays no other and no report; it is not started again before it has ended.

What a metric or a watch finds of the host itself does not wait for the interval: it is reported at once.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec

from feedback.agent.acting import Board, Sighting
from feedback.agent.config import MetricConfig, WatchConfig
from feedback.agent.readings import Reading, combine, failed, measured
from feedback.agent.source import Source, SourceError
from feedback.agent.watches.attend import attend, look
from feedback.report import HostState, Report

log = logging.getLogger(__name__)

FIRST_REPORT_SECONDS = 0.25
"""How long the first report waits for the slowest source: rates need a moment between two readings."""

MIN_CHANGE_SECONDS = 0.1
"""A source that changes all the time is not sampled more often than this."""

TICK_SLACK_SECONDS = 0.005
"""What is due this soon is done now: intervals that fall together are one wake-up."""


class Collector:
    """The sources of one agent, the latest readings of them, and what it watches."""

    def __init__(
        self,
        metrics: Iterable[MetricConfig],
        interval_seconds: float,
        publish: Callable[[Report], None],
        watches: Sequence[WatchConfig] = (),
    ) -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        self._readings = {
            name: Reading(name, metric.interval_seconds, metric.from_ratio) for name, metric in self._metrics.items()
        }
        self._watches = {config.trigger.name: config.watch for config in watches}
        self._board = Board(
            (threshold for metric in self._metrics.values() for threshold in metric.thresholds),
            (config.trigger for config in watches),
        )
        self._state = HostState.READY
        self._begun: set[str] = set()  # metrics whose sample has not ended
        self._waiting: dict[str, asyncio.Task[None]] = {}  # the tasks of those that wait for something
        self._interval_seconds = interval_seconds
        self._publish = publish
        self._sequence = 0
        self._wake_due = math.inf  # when the rhythm goes on; before the first report there is none

    async def run(self) -> None:
        """Collect and publish until cancelled."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            for name, watch in self._watches.items():
                group.create_task(attend(watch, partial(self._notice, name)), name=f"watch {name}")
            await asyncio.sleep(0)  # until then each has looked
            for metric in self._metrics.values():
                if type(metric.source).change is not Source.change:
                    group.create_task(self._heed(group, metric), name=f"heed {metric.name}")
            await self._first(group)
            start = loop.time()
            due = {name: start + metric.interval_seconds for name, metric in self._metrics.items()}
            report_due = start + self._interval_seconds
            while True:
                self._wake_due = min((report_due, *due.values()))
                await asyncio.sleep(self._wake_due - loop.time())
                now = loop.time() + TICK_SLACK_SECONDS
                await self._sample(group, self._take_due(due, now))
                if report_due <= now:
                    report_due = following(report_due, self._interval_seconds, now)
                    self._publish(self._combine(asyncio.get_running_loop().time()))

    def late_seconds(self, now: float) -> float:
        """Return for how long something should have been sampled or reported that has not been; negative: in time."""
        return now - self._wake_due

    async def once(self) -> Report:
        """Sample every source once, each within its timeout, look at what is watched, and return the report."""
        start = asyncio.get_running_loop().time()
        for name, watch in self._watches.items():
            self._notice(name, look(watch))
            watch.close()
        async with asyncio.TaskGroup() as group:
            await self._sample(group, self._metrics.values())
        return self._combine(start)  # not a moment later: what was measured first is not stale yet

    async def _first(self, group: asyncio.TaskGroup) -> None:
        """Sample everything, and report as soon as all have answered, or those that are quick."""
        await self._sample(group, self._metrics.values())
        if self._waiting:
            await asyncio.wait(self._waiting.values(), timeout=FIRST_REPORT_SECONDS)
        self._publish(self._combine(asyncio.get_running_loop().time()))

    async def _heed(self, group: asyncio.TaskGroup, metric: MetricConfig) -> None:
        """Sample a source whenever it says that something has changed, until cancelled."""
        while True:
            try:
                await metric.source.change()
            except Exception as error:
                log.debug("source can't tell of changes metric=%s", metric.name, exc_info=error)
                await asyncio.sleep(metric.interval_seconds)
            else:
                await self._sample(group, [metric])
                await asyncio.sleep(MIN_CHANGE_SECONDS)

    def _take_due(self, due: dict[str, float], now: float) -> list[MetricConfig]:
        """Return what is due, and note when it is due again."""
        taken = [metric for name, metric in self._metrics.items() if due[name] <= now]
        for metric in taken:
            due[metric.name] = following(due[metric.name], metric.interval_seconds, now)
        return taken

    async def _sample(self, group: asyncio.TaskGroup, metrics: Iterable[MetricConfig]) -> None:
        """Sample those whose sample before has ended; return when each of them has ended or waits for something."""
        rest = [metric for metric in metrics if metric.name not in self._begun]
        self._begun.update(metric.name for metric in rest)
        while rest:
            turn = Turn(rest)
            task = group.create_task(self._take_turn(turn), name="sample")
            await asyncio.sleep(0)  # until then the task runs
            rest = turn.give_up_rest()
            if not task.done():
                self._waiting[turn.metric.name] = task
                turn.deadline.reschedule(asyncio.get_running_loop().time() + turn.metric.timeout_seconds)

    async def _take_turn(self, turn: "Turn") -> None:
        """Sample one metric after the other, and note what came of each."""
        try:
            async with turn.deadline:
                while turn.rest:
                    turn.metric = turn.rest.popleft()
                    self._note(await read(turn.metric.source, self._readings[turn.metric.name]))
                    self._begun.discard(turn.metric.name)
        except TimeoutError:
            why = f"no answer within {turn.metric.timeout_seconds:g} s"
            self._note(failed(self._readings[turn.metric.name], why))
        finally:
            self._begun.discard(turn.metric.name)
            self._waiting.pop(turn.metric.name, None)

    def _note(self, reading: Reading) -> None:
        """Keep a reading, and log when a metric begins or ceases to fail."""
        before = self._readings[reading.name].failure
        self._readings[reading.name] = reading
        if reading.failure and reading.failure != before:
            log.warning('metric failed metric=%s reason="%s"', reading.name, reading.failure)
        elif before and not reading.failure:
            log.info("metric is back metric=%s", reading.name)
        now = asyncio.get_running_loop().time()
        self._board.measured(reading.name, None if reading.failure else reading.ratio, now)
        self._publish_change(now)

    def _notice(self, watch: str, seen: Sighting | str) -> None:
        """Take what a watch has seen, or why it can see nothing."""
        now = asyncio.get_running_loop().time()
        failures = self._board.failures()
        if isinstance(seen, str):
            self._board.failed(watch, seen, now)
        else:
            self._board.sighted(watch, seen, now)
        for name, why in self._board.failures().items() - failures.items():
            log.warning('watch does not act watch=%s reason="%s"', name, why)
        self._publish_change(now)

    def _publish_change(self, now: float) -> None:
        """Report at once where the host's state has changed, once there has been a first report."""
        if self._sequence and self._board.state(now)[0] is not self._state:
            self._publish(self._combine(now))

    def _combine(self, now: float) -> Report:
        self._sequence += 1
        report = combine(self._readings.values(), now, self._sequence, time.time())
        state, why = self._board.state(now)
        if state is not self._state:
            if why:
                log.warning('state state=%s reason="%s"', state, why)
            else:
                log.info("state state=%s", state)
            self._state = state
        return msgspec.structs.replace(
            report, failures={**report.failures, **self._board.failures()}, state=state, why=why
        )


class Turn:
    """Metrics that one task samples, one after the other for as long as none of them waits."""

    def __init__(self, metrics: list[MetricConfig]) -> None:
        self.rest = deque(metrics)
        self.metric = metrics[0]  # the one being sampled
        self.deadline = asyncio.timeout(None)  # of the one that waits

    def give_up_rest(self) -> list[MetricConfig]:
        """Leave what has not been sampled to another task."""
        rest = list(self.rest)
        self.rest.clear()
        return rest


async def read(source: Source, reading: Reading) -> Reading:
    """Sample once, and return the reading with what came of it. Only a deadline or the collector's end cancels it."""
    try:
        sample = await source.sample()
        return measured(reading, sample.ratio, asyncio.get_running_loop().time())
    except asyncio.CancelledError:
        if being_cancelled():
            raise
        return failed(reading, "the source cancelled itself")
    except SourceError as error:
        return failed(reading, str(error))
    except (Exception, SystemExit) as error:
        log.debug("source raised metric=%s", reading.name, exc_info=True)
        return failed(reading, f"{type(error).__name__}: {error}")


def following(due: float, interval_seconds: float, now: float) -> float:
    """Return when a thing is due next, in its rhythm; after a long pause, an interval from now."""
    following_due = due + interval_seconds
    return following_due if following_due > now else now + interval_seconds


def being_cancelled() -> bool:
    """Tell whether someone wants the running task to end, or whether a CancelledError came from within."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
