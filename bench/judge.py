"""What the bars of the weight policies measure: statistics of runs, made so that chance has little say in them. Pure.

A run is kept second by second. *Pooled* means that each server's utilization is averaged over a window and over the
runs of all seeds before anything is compared: chance shrinks with both, and what a law does every time stays.
"""

import math
import statistics
from array import array
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from feedback.simulator.measure import Figures


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One simulation: its figures, and utilization and weight of each server in each second. The first is second 1."""

    figures: Figures
    utilization: Sequence["array[float]"]
    weights: Sequence["array[float]"]


def pooled(runs: Sequence[Run], first: int, last: int) -> list[float]:
    """Return each server's mean utilization in the seconds from `first` up to `last`, over all runs."""
    servers = range(len(runs[0].utilization))
    return [
        statistics.fmean(statistics.fmean(run.utilization[server][first:last]) for run in runs) for server in servers
    ]


def spread(runs: Sequence[Run], first: int, last: int) -> float:
    """Return max/avg of the pooled utilizations: the busiest server's over the mean of all."""
    busy = pooled(runs, first, last)
    mean = statistics.fmean(busy)
    return max(busy) / mean if mean else 1.0


def windows(first: int, last: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield windows from `first` on that overlap by half; the last one ends at `last` at the latest."""
    for begin in range(first, last - width + 1, max(1, width // 2)):
        yield begin, begin + width


def settled_seconds(runs: Sequence[Run], since: int, last: int, width: int, bound: float) -> float:
    """Return the seconds from `since` until the pooled max/avg is within the bound in all windows that follow.

    Infinite where the last window is not.
    """
    settled = since
    for begin, end in windows(since, last, width):
        if spread(runs, begin, end) > bound:
            settled = end
    return math.inf if settled > last - max(1, width // 2) else float(settled - since)


def overshoot(runs: Sequence[Run], since: int, last: int, width: int, besides: int) -> float:
    """Return how far any pooled utilization but one rises after `since` above where it ends, as a ratio of that.

    Where it ends: its mean over the last third.
    """
    final = pooled(runs, last - (last - since) // 3, last)
    return max(
        busy / final[server] - 1.0
        for begin, end in windows(since, last, width)
        for server, busy in enumerate(pooled(runs, begin, end))
        if server != besides
    )


def excess(runs: Sequence[Run], others: Sequence[Run], since: int, last: int, width: int) -> float:
    """Return by how much the pooled max/avg is above the others' in the window where that is most."""
    return max(spread(runs, begin, end) - spread(others, begin, end) for begin, end in windows(since, last, width))


def swing(runs: Sequence[Run], first: int, last: int) -> float:
    """Return the standard deviation of the worst server's weight over its mean: the median over the runs."""
    return statistics.median(
        max(statistics.pstdev(weights[first:last]) / statistics.fmean(weights[first:last]) for weights in run.weights)
        for run in runs
    )


def median(runs: Sequence[Run], field: str) -> float:
    """Return the median of a figure over the runs."""
    return float(statistics.median(getattr(run.figures, field) for run in runs))


def equal_utilization(capacities: Mapping[str, float], used: Mapping[str, float], work: float) -> dict[str, float]:
    """Return what work each server must get for all to be as busy as they can be made: those beyond that get none.

    capacities: speeds. used: the ratio of each that other work takes. work: what comes in, in units of speed.
    """
    taken = dict(sorted(used.items(), key=lambda item: item[1]))
    level, speeds, busy = 0.0, 0.0, 0.0
    for name, ratio in taken.items():
        if speeds and level <= ratio:
            break
        speeds += capacities[name]
        busy += capacities[name] * ratio
        level = (work + busy) / speeds
    return {name: max(0.0, level - used[name]) * speed for name, speed in capacities.items()}
