"""What is known of each metric, and the report made of it. Pure: `now` is an argument, in monotonic seconds."""

import math
from collections.abc import Iterable

import msgspec

from feedback.report import MAX_RATIO, Report, failure_line, is_ratio

INTERVALS_TO_LIVE = 3
"""A value older than this many of its intervals says nothing about now, and is left out."""


class Reading(msgspec.Struct, frozen=True):
    """One metric: its last good value and when that was measured, and in words why there is no newer one.

    `ratio` is as it was measured; what is below `from_ratio` is reported as idle.
    """

    name: str
    interval_seconds: float
    from_ratio: float = 0.0
    ratio: float = 0.0
    measured_at: float = -math.inf
    failure: str = ""


def measured(reading: Reading, ratio: object, now: float) -> Reading:
    """Return the reading after a source has said `ratio`, which a plugin may have made of anything."""
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not is_ratio(ratio):
        return failed(reading, f"the source returned {ratio!r:.40}, must be a number from 0 to {MAX_RATIO:.0f}")
    return Reading(reading.name, reading.interval_seconds, reading.from_ratio, float(ratio), now)


def failed(reading: Reading, why: str) -> Reading:
    """Return the reading after its source failed. The last good value lives on until it is too old."""
    return msgspec.structs.replace(reading, failure=failure_line(why) or "failed without a word")


def knee(ratio: float, from_ratio: float) -> float:
    """Return 0 below `from_ratio`, and from there on a line to 1 at 1, and further."""
    return ratio if not from_ratio else max(0.0, (ratio - from_ratio) / (1.0 - from_ratio))


def is_fresh(reading: Reading, now: float) -> bool:
    """Tell whether the last good value still says something about now."""
    return now - reading.measured_at <= INTERVALS_TO_LIVE * reading.interval_seconds


def combine(readings: Iterable[Reading], now: float, sequence: int, sent_at: float) -> Report:
    """Return the report of this moment: the fresh values, and what could not be read."""
    metrics: dict[str, float] = {}
    failures: dict[str, str] = {}
    for reading in readings:
        if is_fresh(reading, now):
            metrics[reading.name] = min(MAX_RATIO, knee(reading.ratio, reading.from_ratio))
        elif not reading.failure and reading.measured_at > -math.inf:
            failures[reading.name] = f"no value for {now - reading.measured_at:.1f} s"
        if reading.failure:
            failures[reading.name] = reading.failure
    return Report(metrics=metrics, failures=failures, sequence=sequence, sent_at=sent_at)
