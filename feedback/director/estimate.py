"""From a load report to one number: how much of its limit a realserver uses. Pure."""

from collections.abc import Mapping

STALE_AFTER_INTERVALS = 3
STALE_AFTER_SECONDS = 3.0


def utilization(metrics: Mapping[str, float], load: Mapping[str, float]) -> float | None:
    """Return max(factor * metric): whichever resource runs out first decides.

    `load` maps a metric to its factor; empty, every reported metric counts as it is. Metrics that are not reported
    are left out; None when none is left.
    """
    if not load:
        return max(metrics.values(), default=None)
    return max((factor * metrics[name] for name, factor in load.items() if name in metrics), default=None)


def fresh(arrived: float, now: float, interval_seconds: float) -> bool:
    """Say whether a report that arrived at `arrived` may still be used at `now`, both in monotonic seconds.

    Two lost reports in a row are forgiven, and three seconds always: an agent on a busy host is late, not gone.
    """
    return now - arrived <= max(STALE_AFTER_INTERVALS * interval_seconds, STALE_AFTER_SECONDS)
