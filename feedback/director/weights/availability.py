"""The base weight times what the host has left: what an agent that answers `60%` gets from other balancers.

    w_i = base_i * clamp(1 - u_i, floor, 1),  filtered with the time constant `response`

The law is HAProxy's agent-check's, whose agents answer with their idle share of the CPU; the filter is ours. Without
it the loop around this law gains u / (1 - u), nine at 90 % load, and swings.
"""

from collections.abc import Mapping

from feedback.director.weights.policy import Member, Policy
from feedback.director.weights.slow_start import ramp
from feedback.director.weights.track import Clock, Track, Tracks, lag
from feedback.director.weights.writing import Wanted, Writer, bounds


class AvailabilityPolicy(Policy, name="availability"):
    """Give every destination the idle share of its base weight."""

    def __post_init__(self) -> None:
        self._clock = Clock()
        self._tracks = Tracks()
        self._writer = Writer(self.scheduler)

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return the weights at `now`."""
        step = self._clock.advance(now)
        tracks = self._tracks.follow(self._clock.seconds, members)
        wanted = {name: self._weigh(members[name], track, step) for name, track in tracks.items()}
        return self._writer.write(self._clock.seconds, members, wanted)

    def _weigh(self, member: Member, track: Track, step: float) -> Wanted:
        track.filter(self._clock.seconds, member.utilization, 1.0)
        if track.is_fresh(self._clock.seconds) and track.utilization is not None:
            idle = min(max(1.0 - track.utilization, self.floor), 1.0)
            track.ratio += lag(step, self.response) * (idle - track.ratio)
        else:
            track.return_to_base(self._clock.seconds, step)
        share = ramp(member.usable_seconds, self.slow_start)
        low, _ = bounds(member.base_weight, self.floor, 1.0)
        return Wanted(member.base_weight * track.ratio * share, low if share == 1.0 else 1, member.base_weight)
