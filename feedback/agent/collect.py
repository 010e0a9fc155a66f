"""Sample every source at its own interval, and report what is known of all of them at the agent's.

Most sources only read a file. Those that are due together are looked at one after the other, and reported, in one go:
an agent that mostly sleeps finds nothing of itself in the CPU's caches, and pays for every step. A source that has to
wait gets a task of its own, and a deadline. So a slow or hanging source delays no other and no report; it is not
started again before it has ended.

What a metric or a watch finds of the host itself does not wait for the interval: it is reported at once.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec

from feedback.agent.acting import Board, Sighting
from feedback.agent.config import MetricConfig, WatchConfig
from feedback.agent.gauge import Gauge
from feedback.agent.readings import Reading, combine
from feedback.agent.rhythm import Rhythm
from feedback.agent.source import Source
from feedback.agent.watches.attend import attend, look
from feedback.report import HostState, Report

log = logging.getLogger(__name__)

FIRST_REPORT_SECONDS = 0.25
"""How long the first report waits for the slowest source: rates need a moment between two readings."""

MIN_CHANGE_SECONDS = 0.1
"""A source that changes all the time is not sampled more often than this."""


class Round(msgspec.Struct, frozen=True):
    """What has the same interval: metrics, and perhaps the reports."""

    interval_seconds: float
    gauges: tuple[Gauge, ...]
    reports: bool = False


class Collector:
    """The sources of one agent, the latest readings of them, and what it watches."""

    def __init__(
        self,
        metrics: Iterable[MetricConfig],
        interval_seconds: float,
        publish: Callable[[Report], None],
        watches: Sequence[WatchConfig] = (),
    ) -> None:
        self._gauges = tuple(Gauge(metric) for metric in metrics)
        self._rhythm = Rhythm(rounds(self._gauges, interval_seconds), self._tick)
        self._watches = {config.trigger.name: config.watch for config in watches}
        thresholds = [threshold for gauge in self._gauges for threshold in gauge.metric.thresholds]
        self._board = Board(thresholds, (config.trigger for config in watches))
        self._acts = bool(thresholds or watches)
        self._state = HostState.READY
        self._publish = publish
        self._sequence = 0

    async def run(self) -> None:
        """Collect and publish until cancelled."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as self._group:
            for name, watch in self._watches.items():
                self._group.create_task(attend(watch, partial(self._notice, name)), name=f"watch {name}")
            await asyncio.sleep(0)  # until then each has looked
            for gauge in self._gauges:
                if type(gauge.metric.source).change is not Source.change:
                    self._group.create_task(self._heed(gauge), name=f"heed {gauge.metric.name}")
            await self._first()
            await self._rhythm.run()

    async def once(self) -> Report:
        """Sample every source once, each within its timeout, look at what is watched, and return the report."""
        self._loop = asyncio.get_running_loop()
        start = self._loop.time()
        for name, watch in self._watches.items():
            self._notice(name, look(watch))
            watch.close()
        async with asyncio.TaskGroup() as self._group:
            self._sample(self._gauges, start)
        return self._combine(start)  # not a moment later: what was measured first is not stale yet

    def late_seconds(self, now: float) -> float:
        """Return for how long something should have been sampled or reported that has not been; negative: in time."""
        return self._rhythm.late_seconds(now)

    async def _first(self) -> None:
        """Sample everything, and report as soon as all have answered, or those that are quick."""
        self._sample(self._gauges, self._loop.time())
        if tasks := [gauge.task for gauge in self._gauges if gauge.task is not None]:
            await asyncio.wait(tasks, timeout=FIRST_REPORT_SECONDS)
        self._report()

    async def _heed(self, gauge: Gauge) -> None:
        """Sample a source whenever it says that something has changed, until cancelled."""
        while True:
            try:
                await gauge.metric.source.change()
            except Exception as error:
                log.debug("source can't tell of changes metric=%s", gauge.metric.name, exc_info=error)
                await asyncio.sleep(gauge.metric.interval_seconds)
            else:
                self._sample([gauge], self._loop.time())
                await asyncio.sleep(MIN_CHANGE_SECONDS)

    def _tick(self, due: Sequence[Round], now: float) -> None:
        """Sample what is due, and then report, if that is."""
        waits = [self._sample(round_.gauges, now) for round_ in due]
        if not any(round_.reports for round_ in due):
            return
        if any(waits):
            self._loop.call_soon(self._report)  # what has been begun and does not wait after all, is over by then
        else:
            self._report()

    def _sample(self, gauges: Iterable[Gauge], now: float) -> bool:
        """Sample those whose sample before has ended. Return whether one of them needs a task for it."""
        waits = False
        for gauge in gauges:
            if gauge.task is None and not gauge.rests(now):
                reading = gauge.look(now)
                if reading is None:
                    gauge.task = self._group.create_task(self._ask(gauge), name=f"sample {gauge.metric.name}")
                    waits = True
                else:
                    self._note(gauge, reading, now)
        return waits

    async def _ask(self, gauge: Gauge) -> None:
        """Sample one metric that may have to wait."""
        try:
            reading = await gauge.ask()
        finally:
            gauge.task = None
        self._note(gauge, reading, self._loop.time())

    def _note(self, gauge: Gauge, reading: Reading, now: float) -> None:
        """Keep a reading, and log when a metric begins or ceases to fail."""
        before, gauge.reading = gauge.reading.failure, reading
        if reading.failure != before:
            if reading.failure:
                log.warning('metric failed metric=%s reason="%s"', reading.name, reading.failure)
            else:
                log.info("metric is back metric=%s", reading.name)
        if self._acts:
            self._board.measured(reading.name, None if reading.failure else reading.ratio, now)
            self._publish_change(now)

    def _notice(self, watch: str, seen: Sighting | str) -> None:
        """Take what a watch has seen, or why it can see nothing."""
        now = self._loop.time()
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

    def _report(self) -> None:
        self._publish(self._combine(self._loop.time()))

    def _combine(self, now: float) -> Report:
        self._sequence += 1
        report = combine((gauge.reading for gauge in self._gauges), now, self._sequence, time.time())
        return self._with_state(report, now) if self._acts else report

    def _with_state(self, report: Report, now: float) -> Report:
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


def rounds(gauges: Sequence[Gauge], report_seconds: float) -> list[Round]:
    """Return what is sampled together, and reported, by their intervals."""
    return [
        Round(
            interval_seconds,
            tuple(gauge for gauge in gauges if gauge.metric.interval_seconds == interval_seconds),
            reports=interval_seconds == report_seconds,
        )
        for interval_seconds in {report_seconds, *(gauge.metric.interval_seconds for gauge in gauges)}
    ]
