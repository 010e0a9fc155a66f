"""How fast one member's error is to be followed: at once where it is new, slowly where it may be chance. Pure.

    T = clip(T0 + (age - 5 T0) / 3, T0, Tmax)         age: seconds since the member's error was last surprising
    Tmax = S / (2 * 0.015^2), from 60 s to an hour    S: the power of what chance does to the error, per hertz
    tolerance = 3 sqrt(S / 2T)                        what chance may do to a weight that follows the error so

Whoever averages over all that has come since the last change knows most, and his gain falls as 1 / time: that of a
Kalman filter for a constant (Gelb, Applied Optimal Estimation, 1974, example 4.2-1). So a cluster that has settled
gets calmer by itself, until something changes: then the age goes back, and the loop is as fast as at its beginning.
It need not get calmer than a weight can be of use: T stops where chance moves the weight by 1.5 %.

What is surprising is told by block means over 4, 16, 64 and 256 s. Half the mean square of the difference between
neighbouring blocks is the variance that chance gives them (Allan's variance, Proc. IEEE 54, 1966), once the first
error is gone. In standard deviations, and on either side, the errors of blocks are summed up as far as they are beyond
1.5; a sum of 5 is no chance (Page's cumulative sum, Biometrika 41, 1954): one error of 6.5, two of 4 or four of 2.75.
White noise of the power S has the variance S / block in such means, and S / 2T behind a first-order lag of T; single
requests have at least the power 2 / rate: their number in any time is Poisson's, and their sizes differ about as much.
"""

import math
from dataclasses import dataclass
from itertools import zip_longest

from feedback.director.weights.writing import TOLERANCE_RATIO

SCALES_SECONDS = (4.0, 16.0, 64.0, 256.0)
SLOWEST_SECONDS = (240.0, 3600.0)
CALM_RATIO = 0.015
LIKELY = 3.0  # standard deviations: what is off by less may be so by chance
TOLERANCE_RATIOS = (0.01, 0.045)
NEWS = 3.0  # times T0: followed in less than that it is no chance, and every move is meant
HASTE = 5.0  # times T0: until the error is e^-5 of what it was
AGES_PER_SECOND = 3.0  # of age, for each second that T grows
VARIANCE_SHARE = 0.03  # of the newest block in the mean of the squares, once there are as many
OUTLIER = 9.0  # times the variance: as much as one difference may count
DRIFT, ALARM = 1.5, 5.0  # standard deviations
WARY = 6.0  # instead of ALARM, where what members are led to is itself learned
LEAST_ERROR = 0.02


@dataclass(slots=True)
class Blocks:
    """Means over spans of one length, and how much chance moves them."""

    seconds: float
    total: float = 0.0
    span: float = 0.0
    mean: float = 0.0  # of the newest block
    length: float = 0.0  # of the newest block; 0 while there is none
    variance: float | None = None
    differences: int = 0  # that the variance is of
    power: float = 0.0  # of white noise that moves them so, as far as it is sure: the fewer differences the less
    above: float = 0.0  # by how many standard deviations errors have summed up beyond the drift
    below: float = 0.0

    def add(self, value: float, span: float) -> bool:
        """Take a value that held for a span. Say whether a block is complete: then it is the newest one."""
        self.total += value * span
        self.span += span
        if self.span < self.seconds:
            return False
        mean = self.total / self.span
        if self.length:
            self._learn((mean - self.mean) ** 2 / 2.0)
        self.mean, self.length = mean, self.span
        self.total = self.span = 0.0
        return True

    def _learn(self, half_square: float) -> None:
        self.differences += 1
        share = max(VARIANCE_SHARE, 1.0 / self.differences)
        if self.variance is None:
            self.variance = half_square
        else:
            half_square = min(half_square, OUTLIER * self.variance + 1e-6)
            self.variance += share * (half_square - self.variance)
        self.power = self.variance * self.seconds * (1.0 - math.sqrt(share))

    def surprises(self, error: float, variance: float, alarm: float) -> bool:
        """Say whether the errors of the newest blocks are more than chance of that variance."""
        if self.variance is None:
            return False
        surprise = error / (math.sqrt(variance) + 1e-6)
        self.above = max(0.0, self.above + surprise - DRIFT)
        self.below = max(0.0, self.below - surprise - DRIFT)
        if abs(error) <= LEAST_ERROR or max(self.above, self.below) <= alarm:
            return False
        self.above = self.below = 0.0
        return True


class Evidence:
    """What is known of one member's error.

    follow_seconds: T, the time constant with which the error is to be followed. is_news: whether something has changed
    lately: until its first error has gone, everything has. tolerance: the ratio by which chance may well have moved a
    weight that follows it so.
    """

    __slots__ = (
        "_age",
        "_alarm",
        "_fast_seconds",
        "_has_settled",
        "_hasty_seconds",
        "_scales",
        "follow_seconds",
        "is_news",
        "tolerance",
    )

    def __init__(self, fast_seconds: float, alarm: float = ALARM) -> None:
        self._fast_seconds = fast_seconds
        self._hasty_seconds = HASTE * fast_seconds
        self._alarm = alarm
        self._age = 0.0
        self._has_settled = False
        self._scales = [Blocks(seconds) for seconds in SCALES_SECONDS]
        self.follow_seconds = fast_seconds
        self.is_news = True
        self.tolerance = TOLERANCE_RATIO

    def observe(
        self, step: float, log_ratio: float, error: float, *, trust: float, power: float, memory_seconds: float
    ) -> None:
        """Take one step's error, at the logarithm of the weight that the member has.

        What is averaged is the logarithm that it should have: that does not move when the weight does.

        trust: from 0 to 1. power: S, as far as it comes from single requests. memory_seconds: how long connections
        last; over that time chance is evened out anyway.
        """
        self._age += step * trust
        if not self._has_settled:  # what happens until then is no chance, and tells nothing of it
            self._has_settled = self._age >= self._hasty_seconds
        elif self._scales[0].add(log_ratio + error, step):
            self._compare(log_ratio, power, memory_seconds)
            self._judge(max(power, *[blocks.power for blocks in self._scales]))

    def _judge(self, power: float) -> None:
        """Work out what follows from the age and the power: whenever a block is complete, as more often is no use."""
        grown = self._fast_seconds + (self._age - self._hasty_seconds) / AGES_PER_SECOND
        slowest = min(max(power / (2.0 * CALM_RATIO**2), SLOWEST_SECONDS[0]), SLOWEST_SECONDS[1])
        self.follow_seconds = max(self._fast_seconds, min(grown, slowest))
        likely = LIKELY * math.sqrt(power / (2.0 * self.follow_seconds))
        self.is_news = self.follow_seconds < NEWS * self._fast_seconds
        self.tolerance = TOLERANCE_RATIO if self.is_news else min(max(likely, TOLERANCE_RATIOS[0]), TOLERANCE_RATIOS[1])

    def _compare(self, log_ratio: float, power: float, memory_seconds: float) -> None:
        """Judge the block that is complete, and add it to those of the next scale; and so on."""
        for place, (blocks, longer) in enumerate(zip_longest(self._scales, self._scales[1:])):
            # The number of requests alone is half of what chance they bring, and sure
            counted = power / 2.0 / (blocks.seconds + memory_seconds)
            # Means over longer spans vary less, unless chance comes in waves that short ones don't see
            variance = max(counted, *[each.variance or 0.0 for each in self._scales[place:]])
            if blocks.surprises(blocks.mean - log_ratio, variance, self._alarm):
                self._age = min(self._age, self._age_of(blocks.seconds))
            if longer is not None and not longer.add(blocks.mean, blocks.length):
                break

    def _age_of(self, seconds: float) -> float:
        """Return the age at which errors are followed with this time constant; 0 for the shortest."""
        slower = seconds - self._fast_seconds
        return self._hasty_seconds + AGES_PER_SECOND * slower if slower > 0.0 else 0.0
