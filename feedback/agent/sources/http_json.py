"""A number in any JSON document, or an ORCA load report, at a URL."""

import math
from typing import Annotated

import msgspec

from feedback.agent.http import Answer
from feedback.agent.scrape import HttpSource
from feedback.agent.source import Sample, SourceError
from feedback.checks.codecs import json_pointer
from feedback.errors import CheckFailed
from feedback.options import Unit
from feedback.orca import OrcaError, parse_orca

UTILIZATIONS = ("application_utilization", "cpu_utilization", "mem_utilization")
"""What decides in a load report, the first that is there and above 0.

gRPC's A58 and Envoy's client-side weighted round robin take the first two in this order.
"""

Limit = Annotated[float, msgspec.Meta(gt=0)]


def _parse_pointer(value: object) -> str:
    text = value if isinstance(value, str) else "?"
    json_pointer.parse_pointer(text)
    return text


Pointer = Annotated[str, Unit("JSON pointer", _parse_pointer)]
"""RFC 6901: `/queue/length`."""


class HttpJsonSource(HttpSource, name="http_json"):
    """A number in a JSON document at a URL, divided by a limit; or what a load report there says.

    Without a pointer the document is a load report as services make them for Envoy and gRPC (ORCA): its
    `application_utilization` counts, or where that is 0 or missing its `cpu_utilization`, or else its
    `mem_utilization`. It may stand in the header `endpoint-load-metrics` as well, where Envoy looks for it. A pointer
    picks any other value of the document, like /named_metrics/queue or /rps_fractional.

    Example:

        application: {source: http_json, url: "http://127.0.0.1:8080/load"}
        jobs: {source: http_json, url: "http://127.0.0.1:8080/stats", pointer: /queue/length, limit: 500}
    """

    pointer: Annotated[Pointer | None, "where the number stands (RFC 6901), like /queue/length"] = None
    limit: Annotated[Limit, "value that means full"] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._steps = None if self.pointer is None else json_pointer.parse_pointer(self.pointer)

    async def sample(self) -> Sample:
        """Ask once, and return the share."""
        answer = await self.ask()
        try:
            value = utilization(report_in(answer)) if self._steps is None else self._pointed(answer.body, self._steps)
        except SourceError as error:
            raise SourceError(f"{self.url}: {error}") from None
        return Sample(value / self.limit)

    def _pointed(self, body: bytes, steps: tuple[str, ...]) -> float:
        return number_at(body, steps, self.pointer or "the top")


def report_in(answer: Answer) -> bytes:
    """Return the text of the load report: the header's, or without one the body."""
    header = next(iter(answer.head.values("endpoint-load-metrics")), None)
    return answer.body if header is None else header.encode()


def utilization(body: bytes) -> float:
    """Return the utilization that a load report says of the whole service. Raises SourceError."""
    try:
        said = parse_orca(body)
    except OrcaError as error:
        raise SourceError(f"{error}; give a pointer where it is no load report") from None
    values = [said[name] for name in UTILIZATIONS if name in said]
    if not values:
        raise SourceError(f"the load report has none of {', '.join(UTILIZATIONS)}: give a pointer, like /eps")
    return next((value for value in values if value > 0), 0.0)


def number_at(body: bytes, steps: tuple[str, ...], where: str) -> float:
    """Return the number at a pointer's end, `where` in words, 1 and 0 for true and false. Raises SourceError."""
    try:
        value = json_pointer.find(json_pointer.decode(body), steps)
    except CheckFailed as error:
        raise SourceError(error.detail) from None
    except LookupError:
        raise SourceError(f"there is nothing at {where}") from None
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise SourceError(f"at {where} there is {json_pointer.show(value)}, must be a number from 0")
    return number
