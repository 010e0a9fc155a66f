"""What came of a simulation: kept second by second, and summed up in figures to compare policies by. Pure."""

import itertools
import math
from array import array
from collections.abc import Mapping, Sequence

import msgspec


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One policy on one scenario, after the warm-up.

    max_over_avg: of the servers' mean utilizations, the largest over the mean. churn: how much a weight moved, up and
    down, as a sum of ratios (0.1: once by 10 %), for each destination and minute. swing: the standard deviation of
    a weight over its mean, of the worst destination. failed: connections that found no server, or a dead one, or died.
    """

    policy: str
    utilization: Mapping[str, float]
    max_over_avg: float
    mean_ms: float | None
    p50_ms: float | None
    p99_ms: float | None
    requests: int
    failed: int
    churn: float
    writes_per_hour: float
    swing: float


class Record:
    """What is kept while time passes. `names` are the servers'."""

    def __init__(self, names: Sequence[str], warm_up_seconds: float) -> None:
        self.names = tuple(names)
        self.times = array("d")
        self.utilization = [array("d") for _ in names]
        self.weights = [array("d") for _ in names]
        self.response_seconds = array("d")
        self.failed = 0
        self.writes = 0
        self._warm_up_seconds = warm_up_seconds

    def answer(self, began: float, now: float) -> None:
        """Keep the response time of a request that is over."""
        if began >= self._warm_up_seconds:
            self.response_seconds.append(now - began)

    def fail(self, now: float) -> None:
        """Count a connection that came to nothing."""
        if now >= self._warm_up_seconds:
            self.failed += 1

    def write(self, now: float, count: int) -> None:
        """Count weights that were written."""
        if now >= self._warm_up_seconds:
            self.writes += count

    def second(self, now: float, utilization: Sequence[float], weights: Sequence[int]) -> None:
        """Keep what each server did since the last second, and its weight."""
        self.times.append(now)
        for kept, value in zip(self.utilization, utilization, strict=True):
            kept.append(value)
        for kept, weight in zip(self.weights, weights, strict=True):
            kept.append(weight)

    def figures(self, policy: str) -> Figures:
        """Sum it up."""
        first = next((place for place, time in enumerate(self.times) if time > self._warm_up_seconds), 0)
        busy = [_mean(kept[first:]) for kept in self.utilization]
        minutes = max(self.times[-1] - self._warm_up_seconds, 1.0) / 60.0
        ordered = sorted(self.response_seconds)
        return Figures(
            policy=policy,
            utilization={name: round(value, 4) for name, value in zip(self.names, busy, strict=True)},
            max_over_avg=max(busy) / _mean(busy) if any(busy) else 1.0,
            mean_ms=_mean(ordered) * 1000.0 if ordered else None,
            p50_ms=_quantile(ordered, 0.5),
            p99_ms=_quantile(ordered, 0.99),
            requests=len(ordered),
            failed=self.failed,
            churn=_mean([_churn(kept[first:]) for kept in self.weights]) / minutes,
            writes_per_hour=self.writes / len(self.names) / minutes * 60.0,
            swing=max(_swing(kept[first:]) for kept in self.weights),
        )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return milliseconds."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000.0 if ordered else None


def _churn(weights: Sequence[float]) -> float:
    return math.fsum(abs(math.log(after / before)) for before, after in itertools.pairwise(weights) if before and after)


def _swing(weights: Sequence[float]) -> float:
    mean = _mean(weights)
    return math.sqrt(_mean([(weight - mean) ** 2 for weight in weights])) / mean if mean else 0.0
