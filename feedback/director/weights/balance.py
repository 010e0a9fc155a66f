"""How far each member is off the others, when some of them can't do anything about it. Pure.

    e_i = c - l_i                              c: the mean of the levels

A member that is stuck at a bound, and would have to go beyond it, is no part of the mean that the others keep to: its
error would drive them on and on, all to their own bounds, and their shares among themselves would be lost. But as only
ratios count, the others can all give way together, which is as good as if it moved; they do as far as they have room.

No level counts for more than `MAX_ERROR` off the median: one report may be wrong.
"""

import math
from collections.abc import Collection, Mapping
from statistics import fmean, median

import msgspec

MAX_ERROR = 1.0
ROOM = 0.5  # of a logarithm: nearer to a bound, others give way for a stuck one ever less


class Reach(msgspec.Struct, frozen=True):
    """How far members can go: who is at the floor, who is at the ceiling, and how far the others are from both.

    below, above: how far, in logarithms, all that are not at that bound could still go down or up together.
    """

    at_floor: Collection[str] = ()
    at_ceiling: Collection[str] = ()
    below: float = math.inf
    above: float = math.inf

    def is_stuck(self, name: str, error: float) -> bool:
        """Say whether a member would have to go beyond a bound."""
        return (error < 0.0 and name in self.at_floor) or (error > 0.0 and name in self.at_ceiling)


def errors(levels: Mapping[str, float], reach: Reach) -> dict[str, float]:
    """Return how much each level is below the others' mean."""
    center = center_of(levels, reach)
    return {name: center - level for name, level in levels.items()}


def center_of(levels: Mapping[str, float], reach: Reach) -> float:
    """Return the mean of the levels, as far as members that are not stuck can go there."""
    near = near_median(levels)
    mean = fmean(near.values())
    if not (reach.at_floor or reach.at_ceiling):
        return mean
    free = [level for name, level in near.items() if not reach.is_stuck(name, mean - level)]
    if not free or len(free) == len(near):
        return mean
    own = fmean(free)
    room = reach.above if mean > own else reach.below
    return own + (mean - own) * room_of(room)


def room_of(distance: float) -> float:
    """Return from 0 to 1 how much others give way for a stuck one, as far from a bound as this."""
    return min(1.0, max(0.0, distance) / ROOM)


def near_median(levels: Mapping[str, float]) -> Mapping[str, float]:
    """Return levels of which none is further from the median than `MAX_ERROR`."""
    if max(levels.values()) - min(levels.values()) <= MAX_ERROR:
        return levels  # wherever the median is
    middle = median(levels.values())
    least, most = middle - MAX_ERROR, middle + MAX_ERROR
    too_low = {name: least for name, level in levels.items() if level < least}
    too_high = {name: most for name, level in levels.items() if level > most}
    return {**levels, **too_low, **too_high}
