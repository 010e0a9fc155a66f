"""One metric of a running agent, and how its source is sampled: whatever that does is a reading, and harms nothing."""

import asyncio
import logging

from feedback.agent.config import MetricConfig
from feedback.agent.readings import Reading, failed, measured
from feedback.agent.source import SourceError

log = logging.getLogger(__name__)


class Gauge:
    """One metric: what is known of it, and the task of a sample that has not ended."""

    def __init__(self, metric: MetricConfig) -> None:
        self.metric = metric
        self.reading = Reading(metric.name, metric.interval_seconds, metric.from_ratio)
        self.task: asyncio.Task[None] | None = None

    def look(self, now: float) -> Reading | None:
        """Sample at once and return what came of it; None where the source has to wait for something."""
        try:
            sample = self.metric.source.look()
            return None if sample is None else measured(self.reading, sample.ratio, now)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it is told
            return self._failed(error)

    async def ask(self) -> Reading:
        """Sample and return what came of it, within the metric's timeout."""
        try:
            async with asyncio.timeout(self.metric.timeout_seconds):
                return await self._sample()
        except TimeoutError:
            return failed(self.reading, f"no answer within {self.metric.timeout_seconds:g} s")

    async def _sample(self) -> Reading:
        """Sample. Only the deadline or the collector's end cancels it."""
        try:
            sample = await self.metric.source.sample()
            return measured(self.reading, sample.ratio, asyncio.get_running_loop().time())
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            return failed(self.reading, "the source cancelled itself")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it is told
            return self._failed(error)

    def _failed(self, error: BaseException) -> Reading:
        if isinstance(error, SourceError):
            return failed(self.reading, str(error))
        log.debug("source raised metric=%s", self.metric.name, exc_info=error)
        return failed(self.reading, f"{type(error).__name__}: {error}")


def being_cancelled() -> bool:
    """Tell whether someone wants the running task to end, or whether a CancelledError came from within."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
