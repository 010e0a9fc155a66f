"""How much of a move of a member's weight shows in its load, as its newest moves tell. Pure.

    a = (cov(ln w, l) + k a0) / (var(ln w) + k)       from 0.2 to 1; a0: 1, and 0 for who is full

Where other work makes most of a member's load, or it has more to do than it can, how busy it is changes by far less
than its weight does: to be rid of 30 % of its load it may have to be given a fifth. The loop's gain is divided by a,
the slope of the one over the other in logarithms, so that T stays what it is meant to be. A weight that has not moved
shows no slope: k is the variance of ln w at which what is seen counts as much as what is expected (ridge regression:
Hoerl and Kennard, Technometrics 12, 1970). Below 0.2 no slope is told from chance.

w is looked at as late as by half of T0: who answers late, as its reports are slow, would seem to answer little, and the
loop would swing. Half of T0 keeps the margins that the loop has without all this.
"""

from typing import NamedTuple

from feedback.director.weights.track import between

EXPECTED = 0.1**2  # k
LEAST = 0.2
LEAST_LASTING = 0.5  # where connections last, load is late by itself, and late reports leave no room for more
FULL = (0.95, 1.0)  # utilization from which and at which a member may have more to do than it shows


class Lags(NamedTuple):
    """The seconds of a step, and the `lag` in it of the weight that is looked at and of the means."""

    step: float
    late: float
    mean: float


class Slope:
    """That of one member, since there is something new about it."""

    __slots__ = ("_behind", "_covariance", "_level", "_seconds", "_variance", "_weight", "value")

    def __init__(self, log_weight: float) -> None:
        self._behind = log_weight
        self._seconds = self._weight = self._level = self._variance = self._covariance = 0.0
        self.value = 1.0

    def observe(self, lags: Lags, log_weight: float, utilization: float, level: float) -> None:
        """Take the weight in the table, and how busy the member is."""
        self._behind += lags.late * (log_weight - self._behind)
        self._seconds += lags.step
        way = max(lags.mean, lags.step / self._seconds) if lags.step else 0.0
        off, above = self._behind - self._weight, level - self._level
        self._weight += way * off
        self._level += way * above
        stay = 1.0 - way
        self._variance = stay * (self._variance + way * off * off)
        self._covariance = stay * (self._covariance + way * off * above)
        expected = 1.0 if utilization <= FULL[0] else 1.0 - between(utilization, *FULL)
        found = (self._covariance + EXPECTED * expected) / (self._variance + EXPECTED)
        self.value = 1.0 if found >= 1.0 else max(found, LEAST)
