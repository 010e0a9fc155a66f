"""Whether a service has more to do than all of its destinations can, and how much of it should go elsewhere. Pure.

    u_i  utilization of every usable destination with a fresh report, filtered over max(1 s, response / 4)
    v_i  u / (1 - s) of each report, filtered over response            s: the overflow's share of what comes in
    overloaded from min(v) > above until min(v) < below and s is at its least
    k    = -ln(1 - s)
    dk/dt = shrink(ln(mean(u) / target)) / T          target = (above + below) / 2,  T = max(response, 4 * lag)

While even the least busy one is above its limit, weights can't help: they only say who gets the excess.

Where traffic follows weight, u = demand * (1 - s) / speed, in logarithms ln(u) = ln(demand / speed) - k: so integral
control of k leads the mean to the target with the time constant T, whatever the demand. `equalize` moves differences
and this moves their sum; neither loop disturbs the other. v is what a destination would have to do without the
overflow: that the overflow gives relief is no reason to take it away again. Once min(v) is below `below` weights can
help again, and k falls even where the mean is above the target. v begins at the target at most, so that a first report
is a spike like any other.

A full server reports 1 however far it is over, so the error of a mean that is full counts as `FULL_ERROR` at least.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import msgspec

from feedback.director.weights.levels import shrink
from feedback.director.weights.track import HOLD_SECONDS, Clock, lag

REPORT_LAG_SECONDS = 1.0
LEAST_SHARE = 0.02
MAX_ERROR = 0.5
FULL_RATIO = 0.98
FULL_ERROR = 0.3
IDLE_RATIO = 0.01
LEAST_RELIEF = -math.log(1.0 - LEAST_SHARE)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """A service's settings. max_share: the most that the overflow may get of what comes in; 0 without one.

    pace_seconds: how seldom the scheduler may be told of another weight.
    """

    above: float
    below: float
    response_seconds: float
    max_share: float = 0.0
    pace_seconds: float = 0.0

    @property
    def target(self) -> float:
        """Where the mean utilization is to be while the overflow helps."""
        return (self.above + self.below) / 2.0

    @property
    def deadband(self) -> float:
        """How far from the target the mean may stay, as a logarithm: one step of a weight makes as much."""
        return math.log(self.above / self.below) / 4.0


class Burden(msgspec.Struct, frozen=True, kw_only=True):
    """How a service's destinations bear what comes in.

    least and mean: their filtered utilization, None while nobody reports. share: what the overflow should get of what
    comes in, 0 while there is no overload.
    """

    overloaded: bool = False
    least: float | None = None
    mean: float | None = None
    share: float = 0.0


@dataclass(slots=True)
class _Level:
    """One destination's u and v, and when its newest report came."""

    utilization: float
    alone: float
    heard: float

    def hear(self, now: float, utilization: float, alone: float, ways: tuple[float, float]) -> None:
        """Take a report; `ways` are the filters' lags in this step."""
        self.heard = now
        self.utilization += ways[0] * (utilization - self.utilization)
        self.alone += ways[1] * (alone - self.alone)


class Overload:
    """One service's overload, from step to step."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._levels: dict[str, _Level] = {}
        self._heard = 0.0
        self._relief: float | None = None  # k; None while there is no overload

    def adopt(self, share: float) -> None:
        """Go on from a share that the overflow has in the table already."""
        self._relief = max(LEAST_RELIEF, -math.log(1.0 - share))

    def step(self, now: float, limits: Limits, utilizations: Mapping[str, float | None], share: float) -> Burden:
        """Return the burden at `now`, in monotonic seconds.

        utilizations: the newest of each usable destination, None without a fresh report. share: what the overflow has
        got of what came in since the last step.
        """
        step = self._clock.advance(now)
        filter_seconds = max(1.0, limits.response_seconds / 4.0)
        lag_seconds = filter_seconds + REPORT_LAG_SECONDS + limits.pace_seconds / 2.0
        ratio = step / max(limits.response_seconds, 4.0 * lag_seconds)
        ways = lag(step, filter_seconds), lag(step, limits.response_seconds)
        self._listen(limits.target, utilizations, share, ways)
        if not self._levels:
            self._go_blind(ratio)
            return self._burden(limits, None, None)
        mean = fmean(level.utilization for level in self._levels.values())
        if self._heard == self._clock.seconds:
            self._decide(ratio, limits, min(level.alone for level in self._levels.values()), mean)
        return self._burden(limits, min(level.utilization for level in self._levels.values()), mean)

    def _listen(
        self, target: float, utilizations: Mapping[str, float | None], share: float, ways: tuple[float, float]
    ) -> None:
        """Take what is reported, and forget who has left or has been silent for long."""
        now, before = self._clock.seconds, self._levels
        self._levels = {}
        for name, utilization in utilizations.items():
            level = before.get(name)
            if utilization is not None and 0.0 <= utilization < math.inf:
                alone = utilization / (1.0 - share)
                level = level or _Level(utilization, min(alone, target), now)
                level.hear(now, utilization, alone, ways)
                self._heard = now
            if level is not None and now - level.heard <= HOLD_SECONDS:
                self._levels[name] = level

    def _burden(self, limits: Limits, least: float | None, mean: float | None) -> Burden:
        share = 0.0 if self._relief is None else min(1.0 - math.exp(-self._relief), limits.max_share)
        return Burden(overloaded=self._relief is not None, least=least, mean=mean, share=share)

    def _go_blind(self, ratio: float) -> None:
        """Unknown is no overload: hold for a while, then let the relief end slowly."""
        if self._relief is None or self._clock.seconds - self._heard <= HOLD_SECONDS:
            return
        self._relief -= MAX_ERROR * ratio
        if self._relief <= LEAST_RELIEF:
            self._relief = None

    def _decide(self, ratio: float, limits: Limits, alone: float, mean: float) -> None:
        """Begin, end, or move the relief. `alone`: what the least busy one would have to do without the overflow."""
        if self._relief is None:
            if alone > limits.above:
                self._relief = LEAST_RELIEF
        elif alone < limits.below and self._relief <= LEAST_RELIEF:
            self._relief = None
        else:
            most = max(LEAST_RELIEF, -math.log(1.0 - limits.max_share))
            moved = self._relief + ratio * error_of(limits, alone, mean)
            self._relief = min(max(moved, LEAST_RELIEF), most)


def error_of(limits: Limits, alone: float, mean: float) -> float:
    """Return how much more relief the destinations need, as a logarithm, at most `MAX_ERROR` either way."""
    error = shrink(math.log(max(mean, IDLE_RATIO) / limits.target), limits.deadband)
    if mean >= FULL_RATIO:
        error = max(error, FULL_ERROR)
    if alone < limits.below:
        error = min(error, math.log(max(alone, IDLE_RATIO) / limits.below))
    return min(max(error, -MAX_ERROR), MAX_ERROR)
