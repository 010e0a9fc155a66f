"""How fast one member's error is to be followed: at once where it is new, slowly where it may be noise. Pure.

    T = clip(T0 + (age - 5 T0) / 3, T0, 400 s)        age: seconds since the member's error was last surprising

Whoever averages over all that has come since the last change knows most, and his gain falls as 1 / time: that of a
Kalman filter for a constant (Gelb, Applied Optimal Estimation, 1974, example 4.2-1). So a cluster that has settled
gets calmer by itself, until something changes: then the age goes back, and the loop is as fast as at its beginning.

What is surprising is told by block means over 4, 16, 64 and 256 s. Half the mean square of the difference between
neighbouring blocks is the variance that noise gives them (Allan's variance, Proc. IEEE 54, 1966); one block beyond
4.5 times its root, or two in a row beyond 2.5 times on one side, are no noise.
"""

import math
from dataclasses import dataclass

SCALES_SECONDS = (4.0, 16.0, 64.0, 256.0)
SLOWEST_SECONDS = 400.0
HASTE = 5.0  # times T0: until the error is e^-5 of what it was
AGES_PER_SECOND = 3.0  # of age, for each second that T grows
VARIANCE_SHARE = 0.08  # of the newest block in the mean of the squares
OUTLIER = 9.0  # times the variance: as much as one difference may count
ONE_BLOCK, TWO_BLOCKS = 4.5, 2.5
LEAST_ERROR = 0.02


@dataclass(slots=True)
class Blocks:
    """Means over spans of one length, and how much noise moves them."""

    seconds: float
    total: float = 0.0
    span: float = 0.0
    mean: float | None = None  # of the newest block
    variance: float | None = None
    surprise: float = 0.0  # the newest block's error, in standard deviations

    def add(self, value: float, span: float) -> bool:
        """Take a value that held for a span. Say whether a block is complete: then `mean` is its mean."""
        self.total += value * span
        self.span += span
        if self.span < self.seconds:
            return False
        mean = self.total / self.span
        if self.mean is not None:
            half_square = (mean - self.mean) ** 2 / 2.0
            if self.variance is None:
                self.variance = half_square
            else:
                half_square = min(half_square, OUTLIER * self.variance + 1e-6)
                self.variance += VARIANCE_SHARE * (half_square - self.variance)
        self.mean = mean
        self.total = self.span = 0.0
        return True

    def surprises(self, error: float) -> bool:
        """Say whether the newest block's error is more than noise."""
        if self.variance is None:
            return False
        before, self.surprise = self.surprise, error / (math.sqrt(self.variance) + 1e-6)
        twice = min(abs(before), abs(self.surprise)) if before * self.surprise > 0 else 0.0
        return abs(error) > LEAST_ERROR and (abs(self.surprise) > ONE_BLOCK or twice > TWO_BLOCKS)


class Evidence:
    """What is known of one member's error."""

    __slots__ = ("_age", "_fast_seconds", "_scales")

    def __init__(self, fast_seconds: float) -> None:
        self._fast_seconds = fast_seconds
        self._age = 0.0
        self._scales = [Blocks(seconds) for seconds in SCALES_SECONDS]

    def observe(self, step: float, log_ratio: float, error: float, trust: float) -> None:
        """Take one step's error, at the logarithm of the weight that the member has. `trust` is from 0 to 1.

        What is averaged is the logarithm that it should have: that does not move when the weight does.
        """
        self._age += step * trust
        value, span = log_ratio + error, step
        for blocks in self._scales:
            elapsed = blocks.span + span
            if not blocks.add(value, span):
                return
            value, span = blocks.mean or 0.0, elapsed
            if blocks.surprises(value - log_ratio):
                self._age = min(self._age, self._age_of(blocks.seconds))

    def follow_seconds(self) -> float:
        """Return the time constant with which the error is to be followed."""
        grown = self._fast_seconds + (self._age - HASTE * self._fast_seconds) / AGES_PER_SECOND
        return min(max(self._fast_seconds, grown), SLOWEST_SECONDS)

    def _age_of(self, seconds: float) -> float:
        """Return the age at which errors are followed with this time constant; 0 for the shortest."""
        slower = seconds - self._fast_seconds
        return HASTE * self._fast_seconds + AGES_PER_SECOND * slower if slower > 0.0 else 0.0
