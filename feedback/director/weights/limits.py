"""Holds the ratios themselves within the bounds of weights: what can't be written is not integrated. Pure.

As only ratios count, all can go down together for one that is above its ceiling, or up for one below its floor: shares
are the same then, and whoever is slow to follow, as its own error is small, is not waited for.
"""

import math
from collections.abc import Collection, Mapping
from functools import lru_cache
from statistics import fmean
from typing import NamedTuple

from feedback.director.weights.balance import MAX_ERROR, Reach, room_of
from feedback.director.weights.policy import Member
from feedback.director.weights.track import Track
from feedback.director.weights.writing import bounds

GIVE_WAY = 1.1  # of a logarithm: for one at a bound, the others go up or down together as far as threefold


class Range(NamedTuple):
    """The lowest and the highest weight, and the ratios that these are to the base weight."""

    low: int
    high: int
    least: float
    most: float


class Place(NamedTuple):
    """Where a member is between its bounds."""

    name: str
    track: Track
    least: float
    most: float


class Limits:
    """Those of one service's members."""

    def __init__(self, floor: float, ceiling: float, fast_seconds: float) -> None:
        self._floor = floor
        self._ceiling = ceiling
        self._fast_seconds = fast_seconds
        self.range_of = lru_cache(maxsize=1024)(self._range_of)  # many members have the same base weight
        self.reach = Reach()

    def hold(
        self, step: float, members: Mapping[str, Member], tracks: Mapping[str, Track], followed: Collection[str]
    ) -> None:
        """Lead ratios back within the bounds, and take notice of who is at one. `followed`: who has an error."""
        for name, track in tracks.items():
            _, _, least, most = self.range_of(members[name].base_weight)
            if not least < track.ratio < most:
                break
        else:
            self.reach = Reach()
            return
        places = [Place(name, track, *self.range_of(members[name].base_weight)[2:]) for name, track in tracks.items()]
        self._give_way(step, [place for place in places if place.name in followed], tracks)
        self.reach = _held(places)

    def _give_way(self, step: float, followed: Collection[Place], tracks: Mapping[str, Track]) -> None:
        """Let all go down or up together, if there is room, and no further than one step's error can bring."""
        under = max([place.least / place.track.ratio for place in followed], default=1.0)
        over = max([place.track.ratio / place.most for place in followed], default=1.0)
        if (over > 1.0) == (under > 1.0):
            return
        most = MAX_ERROR * step / self._fast_seconds
        if under > 1.0:
            way = math.exp(min(math.log(under), most) * room_of(self.reach.above))
        else:
            way = math.exp(-min(math.log(over), most) * room_of(self.reach.below))
        for track in tracks.values():
            track.ratio *= way

    def _range_of(self, base_weight: int) -> Range:
        low, high = bounds(base_weight, self._floor, self._ceiling)
        return Range(low, high, low / base_weight, high / base_weight)


def _held(places: Collection[Place]) -> Reach:
    """Bring each ratio back to its bound; return who is at one, and how far the others are from theirs."""
    at_floor, at_ceiling = set(), set()
    for name, track, least, most in places:
        if track.ratio <= least:
            track.ratio = least
            at_floor.add(name)
        elif track.ratio >= most:
            track.ratio = most
            at_ceiling.add(name)
    free = [math.log(place.track.ratio) for place in places if place.name not in at_floor | at_ceiling]
    lift = fmean(free) if free else 0.0
    below = [math.log(place.track.ratio / place.least) for place in places if place.name not in at_floor]
    above = [math.log(place.most / place.track.ratio) for place in places if place.name not in at_ceiling]
    return Reach(at_floor, at_ceiling, below=min([GIVE_WAY + lift, *below]), above=min([GIVE_WAY - lift, *above]))
