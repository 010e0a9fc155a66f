"""Every destination equally busy: integral control of the logarithm of the weight.

    l_i = ln(u_i + U0)                         how busy, filtered with the time constant response / 8
    e_i = mean(l) - l_i                        how much less busy than the service's (geometric) mean
    d/dt ln w_i = shrink(e_i, deadband) / T_i  T_i: max(response, 4 L) while the error is news, up to 400 s later

Under a scheduler that shares out by weight, u_i is proportional to w_i / speed_i, so that in logarithms the plant is a
plain sum and the loop the simplest there is: each l_i goes to the mean with the time constant T, whatever the speeds
and however large the load (integral control with a first-order lag: Astrom and Murray, Feedback Systems, 2nd edition,
chapter 11). With a lag L in the loop the damping is sqrt(T / L) / 2, hence 4 L and no overshoot.

Noise: `evidence` makes T_i long where an error may be chance, and a member with few connections is trusted little.
Connections that last: `connections` foresees what is yet to come, and an error counts only as far as what is and what
will be agree, so that nothing is done twice while old connections live on.

U0 keeps the noise of an idle cluster from counting as imbalance. The errors' sum is zero, so the weights have no drift
of their own; where the bounds or a change of members leave the mean of ln(w / base) off zero, it goes back slowly.
"""

import math
from collections.abc import Mapping
from statistics import fmean

from feedback.director.weights.connections import Connections
from feedback.director.weights.evidence import Evidence
from feedback.director.weights.policy import Member, Policy
from feedback.director.weights.slow_start import ramp
from feedback.director.weights.track import RETURN_SECONDS, Clock, Track, Tracks, lag
from feedback.director.weights.writing import TOLERANCE_RATIO, Wanted, Writer, bounds

U0 = 0.02
DEADBAND = 0.015
MAX_ERROR = 1.0
IDLE_RATIO = 0.05
CENTRE = 0.25
REPORT_LAG_SECONDS = 1.0


class EqualizePolicy(Policy, name="equalize"):
    """Move weights until every destination is as busy as the service's mean."""

    def __post_init__(self) -> None:
        self._clock = Clock()
        self._tracks = Tracks()
        self._writer = Writer(self.scheduler, TOLERANCE_RATIO)
        self._filter_seconds = self.response / 8.0
        lag_seconds = self._filter_seconds + REPORT_LAG_SECONDS + self._writer.pace_seconds / 2.0  # a hold's mean age
        self._fast_seconds = max(self.response, 4.0 * lag_seconds)
        self._connections = Connections(self._filter_seconds, self.response)
        self._evidence: dict[str, Evidence] = {}
        self._settle_seconds = 3.0 * self._filter_seconds + REPORT_LAG_SECONDS

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return the weights at `now`."""
        step = self._clock.advance(now)
        tracks = self._tracks.follow(self._clock.seconds, members)
        for name, track in tracks.items():
            track.filter(self._clock.seconds, members[name].utilization, lag(step, self._filter_seconds))
            track.return_to_base(self._clock.seconds, step)
        self._connections.follow(step, members)
        self._integrate(step, members, tracks)
        self._centre(step, tracks)
        wanted = {name: self._limit(members[name], track) for name, track in tracks.items()}
        return self._writer.write(self._clock.seconds, members, wanted)

    def _integrate(self, step: float, members: Mapping[str, Member], tracks: Mapping[str, Track]) -> None:
        """Move the ratios of those whose utilization tells something."""
        busy = {
            name: track.utilization
            for name, track in tracks.items()
            if track.utilization is not None and self._is_settled(members[name], track)
        }
        self._evidence = {name: self._evidence.get(name) or Evidence(self._fast_seconds) for name in busy}
        if not busy:
            return
        idle = max(0.0, 1.0 - fmean(busy.values()) / IDLE_RATIO)
        for name, error in self._errors(step, members, busy).items():
            track = tracks[name]
            if track.is_fresh(self._clock.seconds):
                self._follow(step, name, track, members[name].base_weight, error)
            track.ratio += idle * lag(step, RETURN_SECONDS) * (1.0 - track.ratio)

    def _errors(self, step: float, members: Mapping[str, Member], busy: Mapping[str, float]) -> dict[str, float]:
        """Return e, as far as what is and what is to be foreseen agree."""
        levels = {name: math.log(utilization + U0) for name, utilization in busy.items()}
        mean = fmean(levels.values())
        foreseen = self._connections.foresee(step, members, busy)
        if not foreseen:
            return {name: mean - level for name, level in levels.items()}
        mean_foreseen = mean + fmean(foreseen.values())
        return {name: agreed(mean - level, mean_foreseen - level - foreseen[name]) for name, level in levels.items()}

    def _follow(self, step: float, name: str, track: Track, base_weight: int, error: float) -> None:
        """Move a ratio by its error: fast where that is news, slowly where it may be noise."""
        evidence, trust = self._evidence[name], self._connections.trust(name)
        evidence.observe(step, math.log(track.ratio), error, trust)
        band = max(DEADBAND, 0.6 * self._writer.resolution(base_weight * track.ratio))
        track.ratio *= math.exp(shrink(error, band) * trust * step / evidence.follow_seconds())

    def _is_settled(self, member: Member, track: Track) -> bool:
        """Say whether a member's load is the answer to its weight, and not yet to its coming in."""
        if member.usable_seconds < self.slow_start:
            return False
        return track.joined is None or self._clock.seconds - track.joined >= self._settle_seconds

    def _centre(self, step: float, tracks: Mapping[str, Track]) -> None:
        """Lead the mean ratio back to 1 from far away; shares don't change by it."""
        if not tracks:
            return
        mean = fmean(math.log(track.ratio) for track in tracks.values())
        pull = math.exp(-lag(step, RETURN_SECONDS) * math.copysign(max(0.0, abs(mean) - CENTRE), mean))
        for track in tracks.values():
            track.ratio *= pull

    def _limit(self, member: Member, track: Track) -> Wanted:
        """Hold the ratio itself within the bounds: what can't be written is not integrated either (anti-windup)."""
        low, high = bounds(member.base_weight, self.floor, self.ceiling)
        track.ratio = min(max(track.ratio, low / member.base_weight), high / member.base_weight)
        share = ramp(member.usable_seconds, self.slow_start)
        return Wanted(member.base_weight * track.ratio * share, low if share == 1.0 else 1, high)


def agreed(seen: float, foreseen: float) -> float:
    """Return the smaller of two errors on the same side; 0 where they are on two."""
    if seen * foreseen <= 0.0:
        return 0.0
    return min(seen, foreseen, key=abs)


def shrink(error: float, band: float) -> float:
    """Return the error beyond the deadband, at most `MAX_ERROR` either way."""
    return math.copysign(min(max(0.0, abs(error) - band), MAX_ERROR), error)
