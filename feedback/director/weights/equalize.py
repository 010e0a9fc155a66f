"""Every destination equally busy: integral control of the logarithm of the weight.

    l_i = ln(u_i + U0)                         how busy, filtered with the time constant response / 8
    e_i = center(l) - l_i                      how much less busy than the service's (geometric) mean
    d/dt ln w_i = shrink(e_i, deadband) / T_i  T_i: max(response, 4 L) * slope while the error is news, far more later

Under a scheduler that shares out by weight, u_i is proportional to w_i / speed_i, so that in logarithms the plant is a
plain sum and the loop the simplest there is: each l_i goes to the mean with the time constant T, whatever the speeds
and however large the load (integral control with a first-order lag: Astrom and Murray, Feedback Systems, 2nd edition,
chapter 11). With a lag L in the loop the damping is sqrt(T / L) / 2, hence 4 L and no overshoot.

Chance: `evidence` makes T_i long where an error may be chance, and a member with few connections is trusted little.
Connections that last: `connections` foresees what is yet to come, and an error counts only as far as what is and what
will be agree, so that nothing is done twice while old connections live on; what of u_i does not go with them, as
`answer` tells, needs that much more weight. Connections that are remembered: `inverse` gives the weight under which a
share is given although the scheduler goes by its memory, and `echo` a mean in which that does not show. Who is full, or
busy with other work, hardly answers to its weight: `slope` makes up for it.

The errors' sum is zero, so the weights have no drift of their own; where the bounds or a change of members leave the
mean of ln(w / base) off zero, it goes back slowly.
"""

import math
from collections.abc import Mapping
from statistics import fmean

from feedback.director.weights.balance import errors
from feedback.director.weights.connections import LASTING_SECONDS, Connections
from feedback.director.weights.echo import Echo
from feedback.director.weights.evidence import ALARM, Evidence
from feedback.director.weights.inverse import Given, Inverse
from feedback.director.weights.levels import (
    Course,
    agreed,
    aims_of,
    beside,
    by_weight,
    fair_level,
    level_of,
    rise_of,
    shrink,
)
from feedback.director.weights.limits import Limits
from feedback.director.weights.policy import Bound, Member, Policy, Terms
from feedback.director.weights.slope import LEAST_LASTING, Lags, Slope
from feedback.director.weights.slow_start import ramp
from feedback.director.weights.track import RETURN_SECONDS, Clock, Track, Tracks, lag
from feedback.director.weights.writing import FINEST_RATIO, TOLERANCE_RATIO, Wanted, Writer

HELD = 0.25  # of what is wanted and not written: counts as if it were
IDLE_RATIO = 0.05
CENTRE = 0.25
MEAN_SECONDS = 60.0
REPORT_LAG_SECONDS = 1.0
LEAST_TRUST = 1e-6


class EqualizePolicy(Policy, name="equalize"):
    """Move weights until every destination is as busy as the service's mean."""

    _alarm = ALARM

    def __post_init__(self) -> None:
        self._clock = Clock()
        self._tracks = Tracks()
        self._writer = Writer(self.scheduler)
        self._filter_seconds = self.response / 8.0
        lag_seconds = self._filter_seconds + REPORT_LAG_SECONDS + self._writer.pace_seconds / 2.0  # a hold's mean age
        self._fast_seconds = max(self.response, 4.0 * lag_seconds)
        self._connections = Connections(self._filter_seconds, self.response)
        self._echo = Echo(self.scheduler, 4.0 * self._filter_seconds)  # the kernel tells its counters every 2 s
        self._inverse = Inverse(self.scheduler, self._echo.totals)
        self._evidence: dict[str, Evidence] = {}
        self._slopes: dict[str, Slope] = {}  # of those about whom there is something new
        self._settle_seconds = 3.0 * self._filter_seconds + REPORT_LAG_SECONDS
        self._limits = Limits(self.floor, self.ceiling, self._fast_seconds)
        self._course = Course()
        self._idle = 0.0  # from 0 to 1: how much all are too idle to learn from
        self._last: tuple[Mapping[str, Member], Mapping[str, Track]] = {}, {}

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return the weights at `now`."""
        step = self._clock.advance(now)
        tracks = self._tracks.follow(self._clock.seconds, members)
        busy = self._hear(step, members, tracks)
        self._connections.follow(step, members)
        self._integrate(step, members, tracks, busy)
        self._centre(step, tracks)
        self._limits.hold(step, members, tracks, self._course.followed)
        weights = self._weights(members, tracks)
        self._inverse.follow(step, members, weights, self._slopes)
        self._last = members, tracks
        return self._write(members, tracks, self._wanted(members, weights))

    def _write(
        self, members: Mapping[str, Member], tracks: Mapping[str, Track], wanted: Mapping[str, Wanted]
    ) -> dict[str, int]:
        """Return the weights to be written."""
        del tracks
        return self._writer.write(self._clock.seconds, members, wanted)

    def terms(self) -> dict[str, Terms]:
        """Return what the last step's weights are made of."""
        members, tracks = self._last
        aims = aims_of(self._course)
        return {
            name: self._writer.explain(
                name,
                self._bound(name, members[name], track),
                utilization=self._course.busy.get(name, track.utilization),
                aim=aims.get(name),
                error=self._course.followed.get(name),
                follow_seconds=self._follow_seconds(name),
            )
            for name, track in tracks.items()
        }

    def _follow_seconds(self, name: str) -> float | None:
        """Return T over how much a member is trusted; None where it is followed by nothing."""
        if name not in self._course.busy or not (trust := self._connections.of(name).trust):
            return None
        return self._evidence[name].follow_seconds * self._slope_of(name) / trust

    def _bound(self, name: str, member: Member, track: Track) -> Bound:
        """Return what kept a member's ratio from following its load in the last step."""
        if member.usable_seconds < self.slow_start:
            return "slow_start"
        if track.utilization is None or not track.is_fresh(self._clock.seconds):
            return "no_report"
        if name not in self._course.busy:
            return "settling"
        error, reach = self._course.followed[name], self._limits.reach
        if name in reach.at_floor and error <= 0.0:
            return "floor"
        if name in reach.at_ceiling and error >= 0.0:
            return "ceiling"
        return "idle" if self._idle else ""

    def _hear(self, step: float, members: Mapping[str, Member], tracks: Mapping[str, Track]) -> dict[str, float]:
        """Take the newest reports. Return how busy those are whose utilization tells something."""
        now, way, mean_way = self._clock.seconds, lag(step, self._filter_seconds), lag(step, MEAN_SECONDS)
        busy: dict[str, float] = {}
        for name, track in tracks.items():
            member = members[name]
            if not track.filter(now, member.utilization, way, mean_way):
                track.return_to_base(now, step)
            if track.utilization is not None and self._is_settled(member, track):
                busy[name] = track.utilization
        return busy

    def _integrate(
        self, step: float, members: Mapping[str, Member], tracks: Mapping[str, Track], busy: Mapping[str, float]
    ) -> None:
        """Move the ratios of those whose utilization tells something."""
        if self._evidence.keys() != busy.keys():
            self._evidence = {
                name: self._evidence.get(name) or Evidence(self._fast_seconds, self._alarm) for name in busy
            }
            self._slopes = {name: slope for name, slope in self._slopes.items() if name in busy}
        self._echo.follow(self._clock.seconds, step, members, busy)
        self._course, self._idle = Course(), 0.0
        if not busy:
            return
        self._idle = max(0.0, 1.0 - fmean(busy.values()) / IDLE_RATIO)
        back = self._idle * lag(step, RETURN_SECONDS)
        weights = {name: members[name].base_weight * tracks[name].ratio for name in busy}
        followed, told = self._errors(step, members, tracks, busy, weights)
        given = self._given(weights)
        total = sum([member.weight for member in members.values()]) or 1
        lags = Lags(step, late=lag(step, self._fast_seconds / 2.0), mean=lag(step, self._fast_seconds))
        for name, error in followed.items():
            track, has = tracks[name], given.get(name)
            if track.is_fresh(self._clock.seconds):
                share = has.share if has else (members[name].weight or 1) / total
                seconds = self._take(lags, name, track, told[name], share)
                if has and has.is_late_for(error):
                    continue
                band = self._writer.resolution(members[name].base_weight * track.ratio)
                track.ratio *= math.exp(shrink(error, band) * step / seconds)
        for name in followed if back else ():
            tracks[name].ratio += back * (1.0 - tracks[name].ratio)

    def _given(self, weights: Mapping[str, float]) -> dict[str, Given]:
        """Return what those are given who are on the way to their shares, which these weights stand for."""
        names = weights.keys() & self._inverse.factors.keys()
        if not (names and (shares := self._echo.shares(weights))):
            return {}
        total = sum(weights.values())
        return {name: Given(shares[name], weights[name] / total) for name in names & shares.keys()}

    def _errors(
        self,
        step: float,
        members: Mapping[str, Member],
        tracks: Mapping[str, Track],
        busy: Mapping[str, float],
        weights: Mapping[str, float],
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return e as far as it is to be followed, and what may be news: whatever has not been written yet is none."""
        aims = self._aims(step, members, busy)
        level = beside(self._levels(tracks, busy), aims)
        remembered = self._echo.means(busy)
        calm = {name: mean for name, mean in remembered.items() if self._is_calm(name)}
        course = Course({**busy, **calm}, level | beside({name: level_of(mean) for name, mean in calm.items()}, aims))
        reach = self._limits.reach
        owed, held = {}, {}
        for name, wanted in {**weights, **self._inverse.of(weights)}.items():
            ahead = math.log(wanted / (members[name].weight or 1))
            owed[name], held[name] = level[name] + ahead, course.level[name] + HELD * ahead
        followed = errors(held, reach)
        if remembered:
            bursts = self._echo.bursts(weights)
            told = errors({name: level[name] - bursts[name] for name in busy}, reach)
        else:
            told = errors(owed, reach)
            if foreseen := self._connections.foresee(step, members, busy):
                gains = {name: self._connections.of(name).gain for name in busy}
                rise = {name: rise_of(busy[name], gains[name], foreseen[name]) for name in busy}
                followed = agreed(followed, errors({name: held[name] + rise[name] for name in busy}, reach))
                told = agreed(told, errors({name: owed[name] + rise[name] for name in busy}, reach))
                if min(gains.values()) < 1.0:
                    followed = {name: by_weight(error, gains[name]) for name, error in followed.items()}
                    told = {name: by_weight(error, gains[name]) for name, error in told.items()}
        self._course = course._replace(followed=followed, reach=reach)
        return followed, told

    def _levels(self, tracks: Mapping[str, Track], busy: Mapping[str, float]) -> dict[str, float]:
        """Return l of each: a fair one where nothing is new, as there means count."""
        return {
            name: level_of(utilization) if self._evidence[name].is_news else fair_level(utilization, tracks[name].mean)
            for name, utilization in busy.items()
        }

    def _aims(self, step: float, members: Mapping[str, Member], busy: Mapping[str, float]) -> Mapping[str, float]:
        """Return how busy each is to be, in logarithms, beside the others: here all alike."""
        del step, members, busy
        return {}

    def _is_calm(self, name: str) -> bool:
        """Say whether a member is followed as slowly as a mean over the scheduler's memory needs."""
        return self._evidence[name].follow_seconds >= self._echo.seconds() / 2.0

    def _take(self, lags: Lags, name: str, track: Track, told: float, share: float) -> float:
        """Take an error as far as it may be news. Return how fast to follow: T, over how much a member is trusted."""
        evidence, flow, memory = self._evidence[name], self._connections.of(name), self._connections.seconds()
        reach = self._limits.reach
        is_stuck = (reach.at_floor or reach.at_ceiling) and reach.is_stuck(name, told)
        news = 0.0 if is_stuck else told  # it stays so whatever is done
        evidence.observe(
            lags.step, math.log(track.ratio), news, trust=flow.trust, power=flow.power, memory_seconds=memory
        )
        seconds = evidence.follow_seconds / max(flow.trust, LEAST_TRUST)
        if evidence.is_news:
            self._learn(lags, name, math.log(share))
            return seconds * self._slope_of(name)
        self._slopes.pop(name, None)
        return seconds

    def _learn(self, lags: Lags, name: str, log_share: float) -> None:
        """Take what a member's share shows of how much it answers to its weight."""
        slope = self._slopes.get(name)
        if slope is None:
            slope = self._slopes[name] = Slope(log_share)
        slope.observe(lags, log_share, self._course.busy[name], self._course.level[name])

    def _slope_of(self, name: str) -> float:
        """Return how much a member answers to its weight, as far as that is to be made up for."""
        slope = self._slopes.get(name)
        if slope is None:
            return 1.0
        return max(slope.value, LEAST_LASTING) if self._connections.seconds() >= LASTING_SECONDS else slope.value

    def _is_settled(self, member: Member, track: Track) -> bool:
        """Say whether a member's load is the answer to its weight, and not yet to its coming in."""
        if member.usable_seconds < self.slow_start:
            return False
        return track.joined is None or self._clock.seconds - track.joined >= self._settle_seconds

    def _centre(self, step: float, tracks: Mapping[str, Track]) -> None:
        """Lead the mean ratio back to 1 from far away: shares don't change by it, while nobody is at a bound."""
        reach = self._limits.reach
        if not tracks or reach.at_floor or reach.at_ceiling:
            return
        mean = fmean([math.log(track.ratio) for track in tracks.values()])
        if abs(mean) > CENTRE:
            pull = math.exp(-lag(step, RETURN_SECONDS) * math.copysign(abs(mean) - CENTRE, mean))
            for track in tracks.values():
                track.ratio *= pull

    def _weights(self, members: Mapping[str, Member], tracks: Mapping[str, Track]) -> dict[str, float]:
        """Return the weights that stand for the shares: for who has just come in, some of it."""
        weights = {name: members[name].base_weight * track.ratio for name, track in tracks.items()}
        if self.slow_start:
            for name in weights:
                weights[name] *= ramp(members[name].usable_seconds, self.slow_start)
        return weights

    def _wanted(self, members: Mapping[str, Member], weights: Mapping[str, float]) -> dict[str, Wanted]:
        """Return what is to be written."""
        wanted: dict[str, Wanted] = {}
        now = self._inverse.of(weights)
        for name, weight in weights.items():
            member, evidence = members[name], self._evidence.get(name)
            low, high, _, _ = self._limits.range_of(member.base_weight)
            if member.usable_seconds < self.slow_start:
                low = 1
            if name in now:
                wanted[name] = Wanted(now[name], low, high, FINEST_RATIO)
            else:
                wanted[name] = Wanted(weight, low, high, evidence.tolerance if evidence else TOLERANCE_RATIO)
        return wanted
