"""One metric of a running agent, and how its source is sampled: whatever that does is a reading, and harms nothing."""

import asyncio
import logging
import math

from feedback.agent.config import MetricConfig
from feedback.agent.readings import Reading, failed, measured
from feedback.agent.source import Sample, SourceError

log = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 30.0
"""A source that has a bug, or never answers in time, is asked less and less often, down to this."""


class Gauge:
    """One metric: what is known of it, and the task of a sample that has not ended."""

    def __init__(self, metric: MetricConfig) -> None:
        self.metric = metric
        self.reading = Reading(metric.name, metric.interval_seconds, metric.from_ratio)
        self.task: asyncio.Task[None] | None = None
        self._strikes = 0  # in a row
        self._resumes_at = -math.inf

    def rests(self, now: float) -> bool:
        """Tell whether the source is left alone for now, because of what it did when it was sampled before."""
        return now < self._resumes_at

    def look(self, now: float) -> Reading | None:
        """Sample at once and return what came of it; None where the source has to wait for something."""
        try:
            sample = self.metric.source.look()
            return None if sample is None else self._measured(sample, now)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it is told
            return self._failed(error, now)

    async def ask(self) -> Reading:
        """Sample and return what came of it, within the metric's timeout."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.metric.timeout_seconds):
                return await self._sample(loop)
        except TimeoutError:
            self._strike(loop.time())
            return failed(self.reading, f"no answer within {self.metric.timeout_seconds:g} s")

    async def _sample(self, loop: asyncio.AbstractEventLoop) -> Reading:
        """Sample. Only the deadline or the collector's end cancels it."""
        try:
            sample = await self.metric.source.sample()
            return self._measured(sample, loop.time())
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            self._strike(loop.time())
            return failed(self.reading, "the source cancelled itself")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it is told
            return self._failed(error, loop.time())

    def _measured(self, sample: Sample, now: float) -> Reading:
        reading = measured(self.reading, sample.ratio, now)
        if reading.failure:
            self._strike(now)
        elif self._strikes:
            self._strikes = 0
        return reading

    def _strike(self, now: float) -> None:
        """Leave the source alone, from the second time in a row on: for two intervals, then twice as long each time."""
        interval = self.metric.interval_seconds
        if self._strikes:
            pause = max(interval, min(interval * 2.0**self._strikes, LONGEST_PAUSE_SECONDS))
            self._resumes_at = now + pause - interval / 2  # no rhythm is so exact
        self._strikes = min(self._strikes + 1, 16)

    def _failed(self, error: BaseException, now: float) -> Reading:
        if isinstance(error, SourceError):
            self._strikes = 0
            return failed(self.reading, str(error))
        self._strike(now)
        log.debug("source raised metric=%s", self.metric.name, exc_info=error)
        return failed(self.reading, f"{type(error).__name__}: {error}")


def being_cancelled() -> bool:
    """Tell whether someone wants the running task to end, or whether a CancelledError came from within."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
