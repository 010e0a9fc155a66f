"""Sample every source at its own interval, and report what is known of all of them at the agent's.

A sample that is due runs as a task of its own with its own deadline, so that a slow or hanging source delays no
other and no report; it is not started again before it has ended.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from feedback.agent.config import MetricConfig
from feedback.agent.readings import Reading, combine, failed, measured
from feedback.agent.source import SourceError
from feedback.report import Report

log = logging.getLogger(__name__)

FIRST_REPORT_SECONDS = 0.25
"""How long the first report waits for the slowest source: rates need a moment between two readings."""

TICK_SLACK_SECONDS = 0.005
"""What is due this soon is done now: intervals that fall together are one wake-up."""


class Collector:
    """The sources of one agent, and the latest readings of them."""

    def __init__(
        self, metrics: Iterable[MetricConfig], interval_seconds: float, publish: Callable[[Report], None]
    ) -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        self._readings = {name: Reading(name, metric.interval_seconds) for name, metric in self._metrics.items()}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._interval_seconds = interval_seconds
        self._publish = publish
        self._sequence = 0

    async def run(self) -> None:
        """Collect and publish until cancelled."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            await self._first(group)
            start = loop.time()
            due = {name: start + metric.interval_seconds for name, metric in self._metrics.items()}
            report_due = start + self._interval_seconds
            while True:
                await asyncio.sleep(min((report_due, *due.values())) - loop.time())
                now = loop.time() + TICK_SLACK_SECONDS
                self._start_due(group, due, now)
                if report_due <= now:
                    report_due = following(report_due, self._interval_seconds, now)
                    await asyncio.sleep(0)  # the samples just started run first; most need no more than this
                    self._publish(self._combine(asyncio.get_running_loop().time()))

    async def once(self) -> Report:
        """Sample every source once, each within its timeout, and return the report."""
        start = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for metric in self._metrics.values():
                self._start(group, metric)
        return self._combine(start)  # not a moment later: what was measured first is not stale yet

    async def _first(self, group: asyncio.TaskGroup) -> None:
        """Sample everything, and report as soon as all have answered, or those that are quick."""
        for metric in self._metrics.values():
            self._start(group, metric)
        if self._running:
            await asyncio.wait(self._running.values(), timeout=FIRST_REPORT_SECONDS)
        self._publish(self._combine(asyncio.get_running_loop().time()))

    def _start_due(self, group: asyncio.TaskGroup, due: dict[str, float], now: float) -> None:
        for name, metric in self._metrics.items():
            if due[name] <= now:
                due[name] = following(due[name], metric.interval_seconds, now)
                self._start(group, metric)

    def _start(self, group: asyncio.TaskGroup, metric: MetricConfig) -> None:
        """Start a sample, unless the one before has not ended."""
        running = self._running.get(metric.name)
        if running is None or running.done():
            self._running[metric.name] = group.create_task(self._sample(metric), name=f"sample {metric.name}")

    async def _sample(self, metric: MetricConfig) -> None:
        """Sample once, and note what came of it."""
        reading = self._readings[metric.name]
        deadline = asyncio.timeout(metric.timeout_seconds)
        try:
            async with deadline:
                sample = await metric.source.sample()
            reading = measured(reading, sample.ratio, asyncio.get_running_loop().time())
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            reading = failed(reading, "the source cancelled itself")
        except SourceError as error:
            reading = failed(reading, str(error))
        except (Exception, SystemExit) as error:
            if isinstance(error, TimeoutError) and deadline.expired():
                reading = failed(reading, f"no answer within {metric.timeout_seconds:g} s")
            else:
                reading = failed(reading, f"{type(error).__name__}: {error}")
                log.debug("source raised metric=%s", metric.name, exc_info=True)
        self._note(reading)

    def _note(self, reading: Reading) -> None:
        """Keep a reading, and log when a metric begins or ceases to fail."""
        before = self._readings[reading.name].failure
        self._readings[reading.name] = reading
        if reading.failure and reading.failure != before:
            log.warning('metric failed metric=%s reason="%s"', reading.name, reading.failure)
        elif before and not reading.failure:
            log.info("metric is back metric=%s", reading.name)

    def _combine(self, now: float) -> Report:
        self._sequence += 1
        return combine(self._readings.values(), now, self._sequence, time.time())


def following(due: float, interval_seconds: float, now: float) -> float:
    """Return when a thing is due next, in its rhythm; after a long pause, an interval from now."""
    following_due = due + interval_seconds
    return following_due if following_due > now else now + interval_seconds


def being_cancelled() -> bool:
    """Tell whether someone wants the running task to end, or whether a CancelledError came from within."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
