"""How busy members are, in logarithms, in which a loop is as fast for every load. Pure.

    l = ln(u + U0)

U0 keeps the noise of an idle cluster from counting as imbalance.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from feedback.director.weights.balance import MAX_ERROR, Reach, center_of

U0 = 0.02
MOST_UNFAIR = 0.1  # where a utilization has changed, it is off its mean for another reason


class Course(NamedTuple):
    """What a step went by: how busy members were, their levels, the errors that were followed, and their reach."""

    busy: Mapping[str, float] = {}
    level: Mapping[str, float] = {}
    followed: Mapping[str, float] = {}
    reach: Reach = Reach()


def level_of(utilization: float) -> float:
    """Return l."""
    return math.log(utilization + U0)


def fair_level(utilization: float, mean: float) -> float:
    """Return l so that its mean is that of the mean utilization.

    A mean of logarithms is less than the logarithm of the mean, by half the variance as a ratio: whose load comes in
    bursts would be given more.
    """
    off = (utilization - mean) / (mean + U0)
    return level_of(utilization) + min(off * off / 2.0, MOST_UNFAIR)


def beside(levels: dict[str, float], aims: Mapping[str, float]) -> dict[str, float]:
    """Return levels without what they are to be, where that is not the same for all."""
    return {name: value - aims[name] for name, value in levels.items()} if aims else levels


def aims_of(course: Course) -> dict[str, float]:
    """Return the utilization that each member is led to: at it, its level is the mean that the others keep to."""
    if not course.level:
        return {}
    center = center_of(course.level, course.reach)
    off = {name: center - level for name, level in course.level.items()}
    return {name: max(0.0, (busy + U0) * math.exp(off[name]) - U0) for name, busy in course.busy.items()}


def rise_of(busy: float, gain: float, foreseen: float) -> float:
    """Return by how much a level rises, when what goes with connections, a ratio `gain` of it, grows as foreseen."""
    return math.log((busy * (1.0 + gain * (math.exp(foreseen) - 1.0)) + U0) / (busy + U0))


def by_weight(error: float, gain: float) -> float:
    """Return how much more weight an error asks for, in logarithms; no small one for more than `MAX_ERROR`."""
    return math.copysign(max(abs(error), min(abs(error) / gain, MAX_ERROR)), error)


def agreed(seen: Mapping[str, float], foreseen: Mapping[str, float]) -> dict[str, float]:
    """Return the smaller of two errors where they are on the same side; 0 where they are on two."""
    return {
        name: min(error, foreseen[name], key=abs) if error * foreseen[name] > 0.0 else 0.0
        for name, error in seen.items()
    }


def shrink(error: float, band: float) -> float:
    """Return the error beyond the deadband, at most `MAX_ERROR` either way."""
    if error > band:
        return min(error - band, MAX_ERROR)
    if error < -band:
        return max(error + band, -MAX_ERROR)
    return 0.0
