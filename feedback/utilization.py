"""From a load report to one number: how much of its limit a realserver uses. Pure."""

from collections.abc import Mapping


def utilization(metrics: Mapping[str, float], load: Mapping[str, float]) -> float | None:
    """Return max(factor * metric): whichever resource runs out first decides.

    `load` maps a metric to its factor; empty, every reported metric counts as it is. Metrics that are not reported
    are left out; None when none is left.
    """
    if not load:
        return max(metrics.values(), default=None)
    return max((factor * metrics[name] for name, factor in load.items() if name in metrics), default=None)
