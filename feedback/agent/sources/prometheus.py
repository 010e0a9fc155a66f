"""A series of any exporter that Prometheus could scrape."""

import asyncio
import time
from typing import Annotated, Literal

import msgspec

from feedback.agent.exposition import Series, parse_series, values_of
from feedback.agent.scrape import HttpSource
from feedback.agent.source import Sample, SourceError
from feedback.agent.window import FIRST_WINDOW_SECONDS
from feedback.options import Unit

SeriesOption = Annotated[Series, Unit("series", parse_series)]
Limit = Annotated[float, msgspec.Meta(gt=0)]


class Scraped(msgspec.Struct, frozen=True):
    """What a counter said, and when, in monotonic seconds."""

    value: float
    at: float


class PrometheusSource(HttpSource, name="prometheus"):
    """A series of an exporter, divided by a limit or by another series.

    Labels match as in Prometheus: `=`, `!=`, and `=~` and `!~` with a regular expression for the whole value. Several
    series that match are added up, or with `combine: max` the largest counts. With `rate` the series is a counter, and
    what it grows by in a second counts.

    Example:

        workers:
          source: prometheus
          url: http://127.0.0.1:9253/metrics
          series: phpfpm_active_processes{pool="www"}
          over: phpfpm_max_children{pool="www"}
        requests:
          source: prometheus
          url: http://127.0.0.1:9113/metrics
          series: nginx_http_requests_total
          rate: true
          limit: 5000
    """

    series: Annotated[SeriesOption, "which series: a name, and labels in braces where there are several"]
    combine: Annotated[Literal["sum", "max"], "what becomes of several that match"] = "sum"
    rate: Annotated[bool, "it is a counter: take what it grows by in a second"] = False
    limit: Annotated[Limit | None, "value that means full, by default 1"] = None
    over: Annotated[SeriesOption | None, "series whose value means full, instead of a limit"] = None
    free: Annotated[bool, "the series says what is left: full is when it is 0"] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.limit is not None and self.over is not None:
            raise ValueError("limit: can't stand beside over: either means full")
        if self.rate and self.free:
            raise ValueError("free: can't stand beside rate: of a counter nothing is left")
        self._last: Scraped | None = None

    async def sample(self) -> Sample:
        """Ask once, the first time of a counter twice, and return the share."""
        if self.rate and self._last is None:
            self._last = (await self._scrape())[0]
            await asyncio.sleep(FIRST_WINDOW_SECONDS)
        before, (now, full) = self._last, await self._scrape()
        self._last = now
        value = per_second(before, now) if self.rate and before is not None else now.value
        return Sample(share(value, full, free=self.free))

    async def _scrape(self) -> tuple[Scraped, float]:
        """Return the series, and what means full."""
        body = (await self.ask()).body
        at = time.monotonic()
        try:
            full = self.limit or 1.0 if self.over is None else combined(values_of(body, self.over), self.combine)
            return Scraped(combined(values_of(body, self.series), self.combine), at), full
        except SourceError as error:
            raise SourceError(f"{self.url}: {error}") from None


def combined(values: list[float], combine: str) -> float:
    """Return one number of several."""
    return max(values) if combine == "max" else sum(values)


def per_second(before: Scraped, after: Scraped) -> float:
    """Return what a counter grew by in a second. One that went back has begun anew from 0, as Prometheus takes it."""
    grown = after.value - before.value if after.value >= before.value else after.value
    return grown / max(after.at - before.at, 1e-9)


def share(value: float, full: float, *, free: bool) -> float:
    """Return the share in use. A gauge below 0 is idle."""
    if not full > 0:
        raise SourceError(f"what means full is {full:g}, must be more than 0")
    return max(0.0, 1 - value / full if free else value / full)
