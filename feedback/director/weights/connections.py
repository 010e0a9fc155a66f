"""What the table's counters say of connections: how long they last, and where weights are leading them. Pure.

    L = min over members of active / new per second                 Little's law; the least, since an overloaded
                                                                    server holds its connections up by itself
    f_i = ln(share of the weights * all active / active_i)          how much a member's connections have yet to grow
    F = ln(new / ended per second, of all)                          how much all connections have yet to grow together

Where connections last, load lags behind weight by as long, and an integrator that does not know it swings. What a
member's utilization will be, once old connections are gone, can be foreseen: what of it is not other work (`answer`)
goes with their number. (O. J. M. Smith, Closer control of loops with dead time, Chem. Eng. Progress 53, 1957.)

Where shares never match, as sessions are longer on a slower server, what lasts for several L is no transient and is
taken out again. A transient is not: as long as there is one, active_i grows by (f_i * active_i) / L, or shrinks.
"""

import math
from collections.abc import Mapping

from feedback.director.weights.answer import Answer
from feedback.director.weights.policy import Member
from feedback.director.weights.track import lag

MEAN_SECONDS = 30.0  # of the means that L is made of
LASTING_SECONDS = 5.0  # L from which connections count as lasting
WASH_OUT = 10.0  # times L
MAX_FORESIGHT = 1.5
MAX_GROWTH = 4.0
LEAST_FORESIGHT = 1e-6
LEAST_RATE = 0.01
EVIDENCE_SECONDS = 10.0  # new connections of so many seconds are evidence, beside those that are there
HALF_TRUST = 10.0  # connections by which a member's error is trusted by half


class Flow:
    """One member's connections.

    trust: from 0 to 1, how much a member's error says: one connection says little. power: of what chance single
    requests bring into it. Where nobody has ever counted connections these are 1 and 0. gain: how much of its
    utilization goes with its connections, as far as these last.
    """

    __slots__ = (
        "active",
        "answer",
        "counted",
        "foreseen",
        "gain",
        "grown",
        "growth",
        "mean_active",
        "mean_ended",
        "mean_rate",
        "power",
        "trust",
    )

    def __init__(self, active: float) -> None:
        self.active = active  # filtered as its utilization is
        self.answer = Answer()
        self.counted = active
        self.gain = 1.0
        self.growth = 0.0  # of `active`, per second
        self.mean_active = 0.0
        self.mean_rate = 0.0
        self.mean_ended = 0.0
        self.foreseen = 0.0  # what was foreseen, a mean over many L
        self.grown = 0.0  # what of that came true
        self.trust = 1.0
        self.power = 0.0

    @property
    def lasting(self) -> float:
        """Return what of the foresight is there to stay: what has not come true, and no more than there is of it."""
        rest = self.foreseen - self.grown
        return min(rest, self.foreseen, key=abs) if rest * self.foreseen > 0.0 else 0.0

    def weigh(self) -> None:
        """Judge what there is."""
        evidence = self.mean_active + self.mean_rate * EVIDENCE_SECONDS
        self.trust = evidence / (evidence + HALF_TRUST)
        self.power = 2.0 / self.mean_rate if self.mean_rate > LEAST_RATE else 2.0 / LEAST_RATE


class Connections:
    """Those of one service."""

    def __init__(self, filter_seconds: float, response: float) -> None:
        self._filter_seconds = filter_seconds
        self._response = response
        self._flows: dict[str, Flow] = {}
        self._counted = False
        self._ended = 0.0
        self._rate = 0.0
        self._seconds = 0.0

    def follow(self, step: float, members: Mapping[str, Member]) -> None:
        """Take one step's counters."""
        slow, fast = lag(step, MEAN_SECONDS), lag(step, self._filter_seconds)
        per_second = 1.0 / step if step else 0.0
        # Over a quarter of L, as a single connection that ends is chance
        all_way, all_new, all_ended = lag(step, self._seconds / 4.0), 0.0, 0.0
        flows: dict[str, Flow] = {}
        for name, member in members.items():
            active, new = member.active_connections, member.new_connections
            flow = flows[name] = self._flows.get(name) or Flow(active)
            ended = new - active + flow.counted
            flow.mean_ended += slow * (ended * per_second - flow.mean_ended)
            flow.mean_rate += slow * (new * per_second - flow.mean_rate)
            all_new += new
            all_ended += ended
            flow.counted = active
            flow.growth = fast * (active - flow.active) * per_second
            flow.active += fast * (active - flow.active)
            flow.mean_active += slow * (active - flow.mean_active)
        self._flows = flows
        self._rate += all_way * (all_new * per_second - self._rate)
        self._ended += all_way * (all_ended * per_second - self._ended)
        self._counted = self._counted or any(flow.mean_rate or flow.active for flow in flows.values())
        if self._counted:
            for flow in flows.values():
                flow.weigh()
        lengths = [
            flow.mean_active / flow.mean_ended if flow.mean_ended > LEAST_RATE else flow.mean_active / LEAST_RATE
            for flow in flows.values()
            if flow.mean_rate > LEAST_RATE
        ]
        self._seconds = min(lengths, default=0.0)

    def seconds(self) -> float:
        """Return L; 0 where nobody has counted."""
        return self._seconds

    def of(self, name: str) -> Flow:
        """Return those of one member."""
        return self._flows[name]

    def foresee(self, step: float, members: Mapping[str, Member], busy: Mapping[str, float]) -> dict[str, float]:
        """Return f + F of each that is so busy, f without what lasts; nothing where connections are short."""
        weights = sum(members[name].weight for name in busy)
        if self._seconds < LASTING_SECONDS or not weights:
            return {}
        active = sum(self._flows[name].active for name in busy)
        growth = sum(self._flows[name].growth for name in busy)
        common = self._common()
        foreseen: dict[str, float] = {}
        for name, utilization in busy.items():
            flow, share = self._flows[name], members[name].weight / weights
            flow.answer.observe(step, flow.active, utilization, self._seconds)
            flow.gain = flow.answer.gain(utilization)
            own = foresight(share * active, flow.active)
            self._wash_out(step, flow, own, due=share * active, own_growth=flow.growth - share * growth)
            foreseen[name] = own - flow.lasting + common
        return foreseen

    def _common(self) -> float:
        """Return F."""
        grown = math.log(max(self._rate, LEAST_RATE) / max(self._ended, LEAST_RATE))
        return min(max(grown, -MAX_GROWTH), MAX_GROWTH)

    def _wash_out(self, step: float, flow: Flow, own: float, *, due: float, own_growth: float) -> None:
        """Learn what of a member's foresight comes true, as its connections grow, and what does not."""
        way = lag(step, WASH_OUT * max(self._seconds, self._response))
        mean = (due - flow.active) / own if abs(own) > LEAST_FORESIGHT else due + 1.0  # the logarithmic one
        flow.foreseen += way * (own - flow.foreseen)
        flow.grown += way * (self._seconds * own_growth / mean - flow.grown)


def foresight(due: float, active: float) -> float:
    """Return the logarithm by which connections have yet to grow."""
    return min(max(math.log((due + 1.0) / (active + 1.0)), -MAX_FORESIGHT), MAX_FORESIGHT)
