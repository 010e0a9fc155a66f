"""What the table's counters say of connections: how long they last, and where weights are leading them. Pure.

    L = min over members of active / new per second                 Little's law; the least, since an overloaded
                                                                    server holds its connections up by itself
    f_i = ln(share of the weights * all active / active_i)          how much a member's connections have yet to grow

Where connections last, load lags behind weight by as long, and an integrator that does not know it swings. What a
member's utilization will be, once old connections are gone, can be foreseen: it goes with their number. (O. J. M.
Smith, Closer control of loops with dead time, Chem. Eng. Progress 53, 1957.) Where shares never match, as sessions
are longer on a slower server, what lasts for several L is no transient and is taken out again.
"""

import math
from collections.abc import Iterable, Mapping

from feedback.director.weights.policy import Member
from feedback.director.weights.track import lag

MEAN_SECONDS = 30.0  # of the means that L is made of
LASTING_SECONDS = 5.0  # L from which connections count as lasting
WASH_OUT = 10.0  # times L
MAX_FORESIGHT = 1.5
LEAST_RATE = 0.01
EVIDENCE_SECONDS = 10.0  # new connections of so many seconds are evidence, beside those that are there
HALF_TRUST = 10.0  # connections by which a member's error is trusted by half


class Flow:
    """One member's connections.

    trust: from 0 to 1, how much a member's error says: one connection says little. power: of what chance single
    requests bring into it. Where nobody has ever counted connections these are 1 and 0.
    """

    __slots__ = ("active", "counted", "lasting", "mean_active", "mean_ended", "mean_rate", "power", "trust")

    def __init__(self, active: float) -> None:
        self.active = active  # filtered as its utilization is
        self.counted = active
        self.mean_active = 0.0
        self.mean_rate = 0.0
        self.mean_ended = 0.0
        self.lasting = 0.0  # what of the foresight is there to stay
        self.trust = 1.0
        self.power = 0.0

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
        self._seconds = 0.0

    def follow(self, step: float, members: Mapping[str, Member]) -> None:
        """Take one step's counters."""
        slow, fast = lag(step, MEAN_SECONDS), lag(step, self._filter_seconds)
        per_second = 1.0 / step if step else 0.0
        flows: dict[str, Flow] = {}
        for name, member in members.items():
            active, new = member.active_connections, member.new_connections
            flow = flows[name] = self._flows.get(name) or Flow(active)
            flow.mean_ended += slow * ((new - active + flow.counted) * per_second - flow.mean_ended)
            flow.mean_rate += slow * (new * per_second - flow.mean_rate)
            flow.counted = active
            flow.active += fast * (active - flow.active)
            flow.mean_active += slow * (active - flow.mean_active)
        self._flows = flows
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

    def foresee(self, step: float, members: Mapping[str, Member], names: Iterable[str]) -> dict[str, float]:
        """Return f of each name, without what lasts; nothing where connections are short."""
        if self._seconds < LASTING_SECONDS:
            return {}
        names = list(names)
        weights = sum(members[name].weight for name in names)
        active = sum(self._flows[name].active for name in names)
        if not weights:
            return {}
        way = lag(step, WASH_OUT * max(self._seconds, self._response))
        foreseen: dict[str, float] = {}
        for name in names:
            flow = self._flows[name]
            due = members[name].weight / weights * active
            found = math.log((due + 1.0) / (flow.active + 1.0))
            foresight = min(max(found, -MAX_FORESIGHT), MAX_FORESIGHT)
            flow.lasting += way * (foresight - flow.lasting)
            foreseen[name] = foresight - flow.lasting
        return foreseen
