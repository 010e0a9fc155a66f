"""The weight under which a scheduler that remembers connections gives a member its share now. Pure.

`wlc` keeps what it counts in proportion to the weights, and of short connections that is what has come in the last two
minutes (`echo`). So whose weight is halved gets nothing for a minute; two minutes after each change there is an echo of
it; and who comes in, with nothing remembered, is given all that comes.

    dn_i/dt = r_i - x_i             n_i: what is remembered; r_i: what is given; x_i: what is forgotten, as is counted
    dd_i/dt = s_i R - x_i           d_i: what n_i has to be for r_i to be s_i R, its share of all that comes
    v_i = d_i / level               the weight for it; level: n over the weight, the same for all others

After two minutes d_i is s_i of all there is, and v_i the weight that stands for s_i: v_i is needed for who has moved
far, or has come in, and until the two are alike. (Feedforward by the inverse of a plant: Devasia, Chen and Paden,
Nonlinear inversion-based output tracking, IEEE Transactions on Automatic Control 41, 1996.)

What the scheduler does of its own accord is not made up for: a server that is full gets nothing until its queue is
short. So d_i stays near n_i: no further off than one active connection counts, and a little.
"""

import math
from collections.abc import Collection, Mapping
from statistics import median
from typing import NamedTuple

from feedback.director.weights.echo import ACTIVE_COUNTS, LEAST_RATE, Totals
from feedback.director.weights.policy import Member
from feedback.director.weights.track import lag
from feedback.director.weights.writing import ROUNDED_OFF

INVERTED = frozenset({"wlc"})  # of those that remember, who may be told every second
ENDED_RATIO = 0.7  # of what comes, what is forgotten: before that there is little to come back
MOSTLY = 3.0  # times what active connections count: below that, these share out by themselves
FEWEST = 10.0  # remembered connections of a member, on the mean
FINE = 25  # the base weight from which whole numbers are fine enough
MOVED = 0.06  # of a logarithm: what is less is no matter
ALIKE = 0.02
LATE = 0.15
SLACK_RATIO = 0.02
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

    due: d. counted: its connections at the last step.
    """

    __slots__ = ("counted", "due")

    def __init__(self, member: Member, ended: float) -> None:
        self.due = float(member.inactive_connections)
        self.counted = member.inactive_connections + member.active_connections - member.new_connections + ended

    def follow(self, member: Member, given: float) -> None:
        """Take one step's counters. given: s R."""
        counted = member.inactive_connections + member.active_connections
        ended = member.new_connections - counted + self.counted
        self.counted = counted
        slack = SLACK_RATIO * member.inactive_connections + ACTIVE_COUNTS
        off = self.due + given - ended - member.inactive_connections
        self.due = max(0.0, member.inactive_connections + min(max(off, -slack), slack))


class Inverse:
    """That of one service, whose totals somebody else follows.

    factors: v over the weight that stands for the share, for each member on its way.
    """

    def __init__(self, scheduler: str, totals: Totals) -> None:
        self._is_inverted = scheduler in INVERTED
        self._totals = totals
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
        self.factors = {}
        if self._is_worth_it(len(members)):
            self._start(step, members, weights, news)
            if self._ways:
                self._go_on(members, weights)
        else:
            self._ways, self._known = {}, {}
        self._names = weights.keys()

    def of(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Return v for those of these weights whose members are on their way."""
        return {name: weights[name] * factor for name, factor in self.factors.items() if name in weights}

    def _is_worth_it(self, count: int) -> bool:
        """Say whether what is remembered is most of what counts, and enough of it, and comes to an end again."""
        totals = self._totals
        return (
            totals.rate >= LEAST_RATE
            and totals.ended >= ENDED_RATIO * totals.rate
            and totals.inactive >= max(FEWEST * count, MOSTLY * ACTIVE_COUNTS * totals.active)
        )

    def _start(
        self, step: float, members: Mapping[str, Member], weights: Mapping[str, float], news: Collection[str]
    ) -> None:
        """Let those go their way who have moved far from the others, and those who have come in."""
        seconds = self._totals.inactive / self._totals.rate
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
            if members[name].base_weight >= FINE:
                self._ways[name] = Way(members[name], members[name].inactive_connections * step / seconds)

    def _go_on(self, members: Mapping[str, Member], weights: Mapping[str, float]) -> None:
        """Lead those who are on their way, and let go of those who are there."""
        ways = {name: way for name, way in self._ways.items() if name in weights}
        level, total = _level(members, weights, ways), sum(weights.values())
        self._ways = {}
        for name, way in ways.items():
            weight = weights[name]
            way.follow(members[name], self._totals.new * weight / total)
            if abs(way.due / level - weight) > max(ALIKE * weight, ROUNDED_OFF):
                self._ways[name] = way
                self.factors[name] = max(way.due / level / weight, LEAST_FACTOR)
            else:
                self._known[name] = math.log(weight)


def _level(members: Mapping[str, Member], weights: Mapping[str, float], ways: Collection[str]) -> float:
    """Return what is remembered over the weights in the table, of those who are where they should be, or of all."""
    others = (weights.keys() - set(ways)) or weights.keys()
    remembered = sum([members[name].inactive_connections for name in others])
    return max(1, remembered) / max(1, sum([members[name].weight for name in others]))
