"""The memory of the schedulers that count connections: over how long they share out evenly, and what that hides. Pure.

wlc and its kin count an inactive connection as 1/256 of an active one, and TCP keeps it for two minutes more. So where
connections are short, shares are true to the weights over that time, and within it nothing is: whoever was given more
at once, as after a change of weight, is given less until then, and again more when those connections are forgotten.

    W = inactive connections / new connections per second       Little's law, of all members together

A mean over W, no more and no less, does not see this echo; and it answers to a change of weight at once, since the
burst that makes up the difference is within it. What it is too slow for, a server's own change, shows in how busy it
is for what it is given:

    ln u_i - ln(r_i / due_i)                                    r_i: new connections per second; due: by its weight
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping

from feedback.director.weights.policy import Member
from feedback.director.weights.track import lag

COUNTING = frozenset({"wlc", "lblc", "lblcr"})
ACTIVE_COUNTS = 256.0  # times as much as an inactive one (ip_vs_dest_conn_overhead)
MEAN_SECONDS = 30.0
LEAST_RATE = 0.01
LONGEST_SECONDS = 300.0
MAX_BURST = 2.0
RATE_OFFSET = 0.1  # new connections per second that keep the ratio of two small rates from meaning much


class Totals:
    """What the kernel counts of all members together: means, but for `new`, which is of the newest step."""

    def __init__(self) -> None:
        self.inactive = self.active = 0.0
        self.rate = self.ended = 0.0  # new connections and forgotten ones, per second
        self.new = 0
        self._counted = 0

    def follow(self, step: float, members: Mapping[str, Member]) -> None:
        """Take one step's counters."""
        inactive = sum([member.inactive_connections for member in members.values()])
        active = sum([member.active_connections for member in members.values()])
        self.new = sum([member.new_connections for member in members.values()])
        ended = max(0, self.new - (inactive + active - self._counted))  # a member that was away brings some with it
        self._counted = inactive + active
        way = lag(step, MEAN_SECONDS)
        self.inactive += way * (inactive - self.inactive)
        self.active += way * (active - self.active)
        self.rate += way * (self.new / step - self.rate)
        self.ended += way * (ended / step - self.ended)


class Echo:
    """That of one service."""

    def __init__(self, scheduler: str, rate_seconds: float) -> None:
        self._is_counting = scheduler in COUNTING
        self._rate_seconds = rate_seconds
        self.totals = Totals()
        self._rates: dict[str, float] = {}
        self._integrals: dict[str, deque[tuple[float, float]]] = {}  # of utilization over time: (now, until now)

    def follow(self, now: float, step: float, members: Mapping[str, Member], busy: Mapping[str, float]) -> None:
        """Take one step's counters and utilizations."""
        if not (self._is_counting and step):
            return
        fast = lag(step, self._rate_seconds)
        self.totals.follow(step, members)
        if self.totals.inactive <= self.totals.active:
            self._integrals = {}
            return
        rates: dict[str, float] = {}
        integrals: dict[str, deque[tuple[float, float]]] = {}
        for name, utilization in busy.items():
            rate = members[name].new_connections / step
            before = self._rates.get(name, rate)
            rates[name] = before + fast * (rate - before)
            history = integrals[name] = self._integrals.get(name) or deque([(now - step, 0.0)])
            history.append((now, history[-1][1] + utilization * step))
            while history[1][0] < now - LONGEST_SECONDS:
                history.popleft()
        self._rates, self._integrals = rates, integrals

    def seconds(self) -> float:
        """Return W; 0 where active connections count for more."""
        totals = self.totals
        if totals.rate < LEAST_RATE or totals.inactive < ACTIVE_COUNTS * totals.active:
            return 0.0
        return min(totals.inactive / totals.rate, LONGEST_SECONDS)

    def means(self, names: Iterable[str]) -> dict[str, float]:
        """Return the mean utilization of each name over W; nothing where not all can be looked back on for so long."""
        seconds = self.seconds()
        means: dict[str, float] = {}
        for name in names if seconds else ():
            history = self._integrals.get(name)
            if history is None or history[0][0] > history[-1][0] - seconds:
                return {}
            now, total = history[-1]
            begin = now - seconds
            since, before = next((at, until) for at, until in history if at >= begin)
            means[name] = (total - before) / (now - since) if now > since else 0.0
        return means

    def shares(self, names: Iterable[str]) -> dict[str, float]:
        """Return r_i of each name over that of all; nothing where little is remembered."""
        rates = {name: self._rates[name] + RATE_OFFSET for name in names if name in self._rates}
        total = sum(rates.values())
        return {name: rate / total for name, rate in rates.items()}

    def bursts(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Return ln(r_i / due_i) of each name: 0 for who is given its share by these weights."""
        total = sum(weights.values())
        rate = sum(self._rates[name] for name in weights)
        bursts: dict[str, float] = {}
        for name, weight in weights.items():
            found = math.log((self._rates[name] + RATE_OFFSET) / (weight / total * rate + RATE_OFFSET))
            bursts[name] = min(max(found, -MAX_BURST), MAX_BURST)
        return bursts
