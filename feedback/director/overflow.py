"""The overflow's weight in the table: what its share asks for, told as seldom as the scheduler needs. Pure.

    weight = sum of the destinations' weights * s / (1 - s)

It is 1 under rr, lc and dh, which look at no weights, so that the overflow gets as much as everyone; and under fo and
ovf, where it then comes last in rank.

It leaves as a drained destination does: at weight 0, until its last connection is gone or `drain_timeout` is over. The
hash schedulers go on refusing those whose place is at a weight of 0, so under them it leaves at once.
"""

import math
from collections.abc import Collection

from feedback.director.config import ServiceConfig
from feedback.director.config_rules import BLIND_SCHEDULERS, HASH_SCHEDULERS
from feedback.director.weights.writing import NO_SHARES, PACE_SECONDS, TOLD_SELDOM

TOLERANCE_RATIO = 0.05
SELDOM_TOLERANCE_RATIO = 0.1
MAX_WEIGHT = 65535


def pace_seconds(scheduler: str) -> float:
    """Return how seldom the scheduler is told of another weight."""
    return PACE_SECONDS if scheduler in TOLD_SELDOM else 0.0


def share_of(scheduler: str, weight: int, weights: Collection[int]) -> float:
    """Return the share of what comes in that goes to an overflow of this weight, beside destinations of `weights`."""
    serving = sum(other > 0 for other in weights)
    if not weight or not serving:
        return 0.0
    if scheduler in BLIND_SCHEDULERS:
        return 1.0 / (1.0 + serving)
    return 0.0 if scheduler in NO_SHARES else weight / (weight + sum(weights))


def grain_of(scheduler: str, weights: Collection[int]) -> int:
    """Return what the weight is a multiple of: under wrr a divisor of the others', so that they have no long bursts."""
    divisor = math.gcd(*weights)
    if scheduler != "wrr" or not divisor:
        return 1
    most = TOLERANCE_RATIO * sum(weights)
    return max((one for one in range(1, divisor + 1) if divisor % one == 0 and one <= most), default=1)


class Overflow:
    """One service's overflow, from step to step."""

    def __init__(self) -> None:
        self._weight: int | None = None  # None while it is not needed
        self._written_at = -math.inf
        self._beside = 0  # the sum of the others' weights then
        self._left_at: float | None = None

    def serve(self, now: float, scheduler: str, share: float, weights: Collection[int]) -> int:
        """Return the weight at a share above 0, beside destinations of `weights`, of which one at least is above 0."""
        self._left_at = None
        if scheduler in NO_SHARES:
            self._weight = 1
            return 1
        grain = grain_of(scheduler, weights)
        beside = sum(weights)
        wanted = min(beside * share / (1.0 - share), MAX_WEIGHT)
        # Where the others' weights change, clients are moved about anyway
        due = beside != self._beside or now - self._written_at >= pace_seconds(scheduler)
        if not self._weight or (due and self._has_moved(scheduler, wanted, grain)):
            self._weight = max(1, round(wanted / grain)) * grain
            self._written_at, self._beside = now, beside
        return self._weight

    def is_gone(self, now: float, config: ServiceConfig, weight: int, connections: int) -> bool:
        """Say whether one that is not needed may leave the table, where it has this weight and so many connections."""
        self._weight = None
        if self._left_at is None:
            self._left_at = now
        is_over = now - self._left_at >= config.drain_timeout_seconds
        return is_over or config.scheduler in HASH_SCHEDULERS or (weight == 0 and not connections)

    def _has_moved(self, scheduler: str, wanted: float, grain: int) -> bool:
        written = self._weight or 0
        tolerance = SELDOM_TOLERANCE_RATIO if scheduler in TOLD_SELDOM else TOLERANCE_RATIO
        return abs(wanted - written) > max(tolerance * written, 0.6 * grain)
