"""The weight under which a scheduler that remembers connections gives a member its share now. Pure.

`wlc` keeps what it counts in proportion to the weights, and of short connections that is what has come in the last two
minutes (`echo`). So whose weight is halved gets nothing for a minute; two minutes after each change there is an echo of
it; and who comes in, with nothing remembered, is given all that comes.

    dn_i/dt = r_i - x_i             n_i: what is remembered; r_i: what is given; x_i: what is forgotten, as is counted
    dd_i/dt = s_i R - x_i           d_i: what n_i has to be for r_i to be s_i R, its share of all that comes
    v_i = (d_i + 256 a_i) / level   the weight for it; level: what is counted over the weight, the same for all others

After two minutes d_i is s_i of all there is, and v_i the weight that stands for s_i: v_i is needed for who has moved
far, or has come in, and until the two are alike. (Feedforward by the inverse of a plant: Devasia, Chen and Paden,
Nonlinear inversion-based output tracking, IEEE Transactions on Automatic Control 41, 1996.)

What the scheduler does of its own accord is not made up for: a server that is full gets nothing until its queue is
short. So d_i stays near n_i, and of a queue counts no more than thrice what is usual.
"""

import math
from collections.abc import Collection, Mapping
from statistics import median
from typing import NamedTuple

from feedback.director.weights.echo import ACTIVE_COUNTS, LEAST_RATE, MEAN_SECONDS
from feedback.director.weights.policy import Member
from feedback.director.weights.track import lag

INVERTED = frozenset({"wlc"})  # of those that remember, who may be told every second
ENDED_RATIO = 0.7  # of what comes, what is forgotten: before that there is little to come back
FEWEST = 10.0  # remembered connections of a member, on the mean
MOVED = 0.06  # of a logarithm: what is less is no matter
ALIKE = 0.02
LATE = 0.1
SLACK_RATIO, SLACK_SECONDS = 0.02, 1.0  # of n_i and of s_i R: how far d_i may be off n_i
USUAL_QUEUES = 3.0
ACTIVE_SECONDS = 10.0
LEAST_FACTOR = 1e-3


class Given(NamedTuple):
    """What share a member is given, and which is due to it."""

    share: float
    due: float

    def is_late_for(self, error: float) -> bool:
        """Say whether what is given is far behind what is due already, and this error asks for more of the same."""
        behind = math.log(self.due / self.share)
        return abs(behind) > LATE and behind * error > 0.0


class Way:
    """One member's way to its share.

    due: d. counted: its connections at the last step. active: a, filtered.
    """

    __slots__ = ("active", "counted", "due")

    def __init__(self, member: Member, ended: float, active: float) -> None:
        self.due = float(member.inactive_connections)
        self.counted = member.inactive_connections + member.active_connections - member.new_connections + ended
        self.active = max(active, member.active_connections)

    def follow(self, step: float, member: Member, given: float, rate: float) -> None:
        """Take one step's counters. given: s R. rate: the same per second."""
        counted = member.inactive_connections + member.active_connections
        ended = member.new_connections - counted + self.counted
        self.counted = counted
        self.active += lag(step, ACTIVE_SECONDS) * (member.active_connections - self.active)
        there = member.inactive_connections
        slack = SLACK_RATIO * there + SLACK_SECONDS * rate
        self.due = max(0.0, min(max(self.due + given - ended, there - slack), there + slack))


class Inverse:
    """That of one service.

    factors: v over the weight that stands for the share, for each member on its way.
    """

    def __init__(self, scheduler: str) -> None:
        self._is_inverted = scheduler in INVERTED
        self._inactive = self._active = self._rate = self._ended = 0.0
        self._counted = 0
        self._ways: dict[str, Way] = {}
        self._known: dict[str, float] = {}  # the logarithms of weights, as means over what is remembered
        self._names: Collection[str] = ()
        self.factors: dict[str, float] = {}

    def follow(
        self, step: float, members: Mapping[str, Member], weights: Mapping[str, float], news: Collection[str]
    ) -> None:
        """Take one step's counters.

        weights: those that stand for the shares. news: of whom there is something new.
        """
        if not (self._is_inverted and step):
            return
        new = self._count(step, members)
        self.factors = {}
        if self._is_worth_it(len(members)):
            self._start(step, members, weights, news)
            if self._ways:
                self._go_on(step, members, weights, new)
        else:
            self._ways, self._known = {}, {}
        self._names = weights.keys()

    def of(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Return v for those of these weights whose members are on their way."""
        return {name: weights[name] * factor for name, factor in self.factors.items() if name in weights}

    def _count(self, step: float, members: Mapping[str, Member]) -> int:
        """Take what all have together; return how many connections are new."""
        inactive = sum([member.inactive_connections for member in members.values()])
        active = sum([member.active_connections for member in members.values()])
        new = sum([member.new_connections for member in members.values()])
        ended = max(0, new - (inactive + active - self._counted))  # a member that was away brings some with it
        self._counted = inactive + active
        way = lag(step, MEAN_SECONDS)
        self._inactive += way * (inactive - self._inactive)
        self._active += lag(step, ACTIVE_SECONDS) * (active - self._active)
        self._rate += way * (new / step - self._rate)
        self._ended += way * (ended / step - self._ended)
        return new

    def _is_worth_it(self, count: int) -> bool:
        """Say whether what is remembered is most of what counts, and enough of it, and comes to an end again."""
        return (
            self._rate >= LEAST_RATE
            and self._ended >= ENDED_RATIO * self._rate
            and self._inactive >= max(FEWEST * count, ACTIVE_COUNTS * self._active)
        )

    def _start(
        self, step: float, members: Mapping[str, Member], weights: Mapping[str, float], news: Collection[str]
    ) -> None:
        """Let those go their way who have moved far from the others, and those who have come in."""
        seconds = self._inactive / self._rate
        way = lag(step, seconds / 2.0)
        known, moved = self._known, {}
        self._known = {}
        for name, weight in weights.items():
            log = math.log(weight)
            before = known.get(name, log)
            moved[name] = log - before
            self._known[name] = before + way * moved[name]
        common = median(moved.values()) if news else 0.0
        names = {name for name in news if abs(moved[name] - common) > MOVED}
        for name in (names | weights.keys() - self._names) - self._ways.keys():
            member, active = members[name], self._active * weights[name] / sum(weights.values())
            self._ways[name] = Way(member, member.inactive_connections * step / seconds, active)

    def _go_on(self, step: float, members: Mapping[str, Member], weights: Mapping[str, float], new: int) -> None:
        """Lead those who are on their way, and let go of those who are there."""
        self._ways = {name: way for name, way in self._ways.items() if name in weights}
        total = sum(weights.values())
        active = ACTIVE_COUNTS * self._active / total  # of a weight
        wanted: dict[str, float] = {}
        for name, way in self._ways.items():
            share = weights[name] / total
            way.follow(step, members[name], share * new, share * self._rate)
            wanted[name] = way.due + min(ACTIVE_COUNTS * way.active, USUAL_QUEUES * active * weights[name])
        level = self._level(members, weights, active) or sum(wanted.values()) / sum(weights[name] for name in wanted)
        for name, count in wanted.items():
            factor = max(count / level / weights[name], LEAST_FACTOR)
            if abs(math.log(factor)) > ALIKE:
                self.factors[name] = factor
            else:
                del self._ways[name]
                self._known[name] = math.log(weights[name])

    def _level(self, members: Mapping[str, Member], weights: Mapping[str, float], active: float) -> float:
        """Return what is counted over the weights in the table, of those who are where they should be; 0 for nobody."""
        others = weights.keys() - self._ways.keys()
        counted = sum([members[name].inactive_connections + active * weights[name] for name in others])
        return counted / max(1, sum([members[name].weight for name in others]))
