"""The base weight times what the host has left: what an agent that answers `60%` gets from other balancers.

    w_i = base_i * clamp(1 - u_i, floor, 1),  filtered with the time constant `response`

The law is HAProxy's agent-check's, whose agents answer with their idle share of the CPU; the filter is ours. Without
it the loop around this law gains u / (1 - u), nine at 90 % load, and swings.
"""

import math
from collections.abc import Mapping

from feedback.director.weights.policy import Bound, Member, Policy, Terms
from feedback.director.weights.slow_start import ramp
from feedback.director.weights.track import Clock, Track, Tracks, lag
from feedback.director.weights.writing import Wanted, Writer, bounds


class AvailabilityPolicy(Policy, name="availability"):
    """Give every destination the idle share of its base weight."""

    def __post_init__(self) -> None:
        self._clock = Clock()
        self._tracks = Tracks()
        self._writer = Writer(self.scheduler)
        self._last: tuple[Mapping[str, Member], Mapping[str, Track]] = {}, {}

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return the weights at `now`."""
        step = self._clock.advance(now)
        tracks = self._tracks.follow(self._clock.seconds, members)
        wanted = {name: self._weigh(members[name], track, step) for name, track in tracks.items()}
        self._last = members, tracks
        return self._writer.write(self._clock.seconds, members, wanted)

    def terms(self) -> dict[str, Terms]:
        """Return what the last step's weights are made of."""
        members, tracks = self._last
        return {name: self._explain(name, members[name], track) for name, track in tracks.items()}

    def _explain(self, name: str, member: Member, track: Track) -> Terms:
        limit: Bound = "slow_start" if member.usable_seconds < self.slow_start else ""
        if track.utilization is None or not track.is_fresh(self._clock.seconds):
            return self._writer.explain(name, limit or "no_report", utilization=track.utilization)
        idle = self._idle(track.utilization)
        return self._writer.explain(
            name,
            limit or ("floor" if idle > 1.0 - track.utilization else ""),
            utilization=track.utilization,
            error=math.log(idle) - math.log(track.ratio) if idle and track.ratio else None,
            follow_seconds=self.response,
        )

    def _idle(self, utilization: float) -> float:
        """Return the ratio of the base weight that a utilization comes to."""
        return min(max(1.0 - utilization, self.floor), 1.0)

    def _weigh(self, member: Member, track: Track, step: float) -> Wanted:
        track.filter(self._clock.seconds, member.utilization, 1.0)
        if track.is_fresh(self._clock.seconds) and track.utilization is not None:
            track.ratio += lag(step, self.response) * (self._idle(track.utilization) - track.ratio)
        else:
            track.return_to_base(self._clock.seconds, step)
        share = ramp(member.usable_seconds, self.slow_start)
        low, _ = bounds(member.base_weight, self.floor, 1.0)
        return Wanted(member.base_weight * track.ratio * share, low if share == 1.0 else 1, member.base_weight)
