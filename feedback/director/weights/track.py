"""What the policies share: their own clock, filters and fades, and one track of load for each member."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from feedback.director.weights.policy import Member

MAX_STEP_SECONDS = 5.0
HOLD_SECONDS = 10.0
RETURN_SECONDS = 60.0
FORGET_SECONDS = 600.0


def lag(step_seconds: float, time_constant_seconds: float) -> float:
    """Return the share of its way to the input that a first-order lag goes in one step, however long the step is.

    1 - exp(-step / time constant): the exact solution for an input that is constant over the step.
    """
    return 1.0 - math.exp(-step_seconds / max(time_constant_seconds, 1e-3))


def between(value: float, low: float, high: float) -> float:
    """Return where a value is on the way from low, 0, to high, 1."""
    return min(max((value - low) / (high - low), 0.0), 1.0)


class Clock:
    """A policy's own time in seconds: it never goes back, and no gap counts for more than `MAX_STEP_SECONDS`.

    A director that was stopped for an hour has learned nothing in it, and must not act as if it had.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._before: float | None = None

    def advance(self, now: float) -> float:
        """Return the seconds since the last step, and count them."""
        gap = 0.0 if self._before is None else now - self._before
        self._before = now
        step = min(max(0.0, gap), MAX_STEP_SECONDS)
        self.seconds += step
        return step


@dataclass(slots=True)
class Track:
    """One member's ratio of its weight to its base weight, and what is known of its load. Times are the policy's own.

    utilization: filtered; None before the first fresh report. mean: of it, over about a minute. heard: when the newest
    one came. joined: when it was first seen, None for one that was there when the policy began. seen: when it was last
    there.
    """

    ratio: float
    heard: float
    seen: float
    joined: float | None = None
    utilization: float | None = None
    mean: float = 0.0

    def filter(self, now: float, utilization: float | None, way: float, mean_way: float = 1.0) -> bool:
        """Take the newest utilization, None without a fresh one. Say whether there was one.

        way, mean_way: the `lag` in this step of the filter, and of the mean.
        """
        if utilization is None or not 0.0 <= utilization < math.inf:
            return False
        self.heard = now
        if self.utilization is None:
            self.utilization = self.mean = utilization
        else:
            self.utilization += way * (utilization - self.utilization)
            self.mean += mean_way * (self.utilization - self.mean)
        return True

    def is_fresh(self, now: float) -> bool:
        """Say whether this very step brought a utilization."""
        return self.heard == now and self.utilization is not None

    def return_to_base(self, now: float, step: float) -> None:
        """Unknown is not down: hold the weight for a while, then go back to the base weight slowly."""
        if now - self.heard > HOLD_SECONDS:
            self.ratio += lag(step, RETURN_SECONDS) * (1.0 - self.ratio)
            self.utilization = None


class Tracks:
    """The members' tracks. A member that comes back soon is taken to be as fast as it was when it left."""

    def __init__(self) -> None:
        self._tracks: dict[str, Track] = {}
        self._before: float | None = None

    def follow(self, now: float, members: Mapping[str, Member]) -> dict[str, Track]:
        """Return a track for each member with a base weight; a new one goes on from the weight in the table."""
        followed = {name: self._track(name, member, now) for name, member in members.items() if member.base_weight > 0}
        if len(followed) < len(self._tracks):
            self._tracks = {name: kept for name, kept in self._tracks.items() if now - kept.seen <= FORGET_SECONDS}
        self._before = now
        return followed

    def _track(self, name: str, member: Member, now: float) -> Track:
        track = self._tracks.get(name)
        if track is None:
            ratio = member.weight / member.base_weight if member.weight > 0 else 1.0
            joined = None if self._before is None else now
            track = self._tracks[name] = Track(ratio, heard=now, seen=now, joined=joined)
        elif track.seen != self._before:  # it was away
            track.joined = track.heard = now
            track.utilization = None
        track.seen = now
        return track
