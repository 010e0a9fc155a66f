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
WASH_OUT = 4.0  # times L
MAX_FORESIGHT = 1.5
LEAST_RATE = 0.01
EVIDENCE_SECONDS = 10.0  # new connections of so many seconds are evidence, beside those that are there
HALF_TRUST = 10.0  # connections by which a member's error is trusted by half


class Flow:
    """One member's connections."""

    __slots__ = ("active", "lasting", "mean_active", "mean_rate")

    def __init__(self, active: float) -> None:
        self.active = active  # filtered as its utilization is
        self.mean_active = 0.0
        self.mean_rate = 0.0
        self.lasting = 0.0  # what of the foresight is there to stay


class Connections:
    """Those of one service."""

    def __init__(self, filter_seconds: float, response: float) -> None:
        self._filter_seconds = filter_seconds
        self._response = response
        self._flows: dict[str, Flow] = {}
        self._counted = False

    def follow(self, step: float, members: Mapping[str, Member]) -> None:
        """Take one step's counters."""
        slow, fast = lag(step, MEAN_SECONDS), lag(step, self._filter_seconds)
        flows: dict[str, Flow] = {}
        for name, member in members.items():
            flow = flows[name] = self._flows.get(name) or Flow(member.active_connections)
            flow.active += fast * (member.active_connections - flow.active)
            flow.mean_active += slow * (member.active_connections - flow.mean_active)
            if step:
                flow.mean_rate += slow * (member.new_connections / step - flow.mean_rate)
        self._flows = flows
        self._counted = self._counted or any(flow.mean_rate or flow.active for flow in flows.values())

    def seconds(self) -> float:
        """Return L; 0 where nobody has counted."""
        return min(
            (flow.mean_active / flow.mean_rate for flow in self._flows.values() if flow.mean_rate > LEAST_RATE),
            default=0.0,
        )

    def trust(self, name: str) -> float:
        """Return from 0 to 1 how much a member's error says: one connection says little. 1 where nobody has counted."""
        if not self._counted:
            return 1.0
        flow = self._flows[name]
        evidence = flow.mean_active + flow.mean_rate * EVIDENCE_SECONDS
        return evidence / (evidence + HALF_TRUST)

    def foresee(self, step: float, members: Mapping[str, Member], names: Iterable[str]) -> dict[str, float]:
        """Return f of each name, without what lasts; nothing where connections are short."""
        seconds = self.seconds()
        if seconds < LASTING_SECONDS:
            return {}
        names = list(names)
        weights = sum(members[name].weight for name in names)
        active = sum(self._flows[name].active for name in names)
        if not weights:
            return {}
        way = lag(step, WASH_OUT * max(seconds, self._response))
        foreseen: dict[str, float] = {}
        for name in names:
            flow = self._flows[name]
            due = members[name].weight / weights * active
            found = math.log((due + 1.0) / (flow.active + 1.0))
            foresight = min(max(found, -MAX_FORESIGHT), MAX_FORESIGHT)
            flow.lasting += way * (foresight - flow.lasting)
            foreseen[name] = foresight - flow.lasting
        return foreseen
