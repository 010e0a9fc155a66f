"""Weight laws of others, from what their authors have published, to measure ours against. No director offers them.

They get what our own policies get, and write what they want at every step: no deadband, no coarser numbers.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from feedback.director.weights import Member, Policy
from feedback.simulator.scenario import Scenario

Make = Callable[[Scenario], Policy]

MOST_UNITS = 1000
CAPACITY_TOLERANCE = 0.002


def _whole(members: Mapping[str, Member], weights: Mapping[str, float]) -> dict[str, int]:
    return {name: max(1, round(weights.get(name, member.base_weight))) for name, member in members.items()}


class Yardstick(Policy):
    """A law that nobody's floor and ceiling hold back."""

    floor: float = 0.0
    ceiling: float = 1000.0


class Wensong(Yardstick):
    """The dynamic feedback of LVS's author: every 5 s w += A * cbrt(0.95 - load), within base .. 10 * base; A = 5.

    Wensong Zhang, "Linux Virtual Server: dynamic feedback load balancing" (linuxvirtualserver.org).
    """

    EVERY_SECONDS = 5.0
    AIM = 0.95
    FACTOR = 5.0
    SCALE = 10.0

    def __post_init__(self) -> None:
        self._weights: dict[str, float] = {}
        self._stepped = -math.inf

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return the weights at `now`."""
        if now - self._stepped >= self.EVERY_SECONDS:
            self._stepped = now
            for name, member in members.items():
                before = self._weights.get(name, float(member.base_weight))
                if member.utilization is not None:
                    before += self.FACTOR * math.cbrt(self.AIM - member.utilization)
                self._weights[name] = min(max(before, member.base_weight), self.SCALE * member.base_weight)
        return _whole(members, self._weights)


class AgentCheck(Yardstick):
    """HAProxy's agent-check with an agent that answers its idle share: w = base * (1 - load), as it is reported.

    filter_seconds: the time constant of a filter that HAProxy does not have.
    """

    filter_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._idle: dict[str, float] = {}
        self._before = -math.inf

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return the weights at `now`."""
        way = 1.0 - math.exp(-(now - self._before) / self.filter_seconds) if self.filter_seconds else 1.0
        self._before = now
        for name, member in members.items():
            if member.utilization is not None:
                idle = self._idle.get(name, 1.0 - member.utilization)
                self._idle[name] = idle + way * (1.0 - member.utilization - idle)
        return _whole(members, {name: members[name].base_weight * idle for name, idle in self._idle.items()})


class WeightedRoundRobin(Yardstick):
    """gRPC's weighted_round_robin: weight = requests per second / utilization, over 10 s.

    gRFC A58, client-side weighted round robin. Its per-report counts are the table's new connections here.
    """

    OVER_SECONDS = 10.0
    SCALE = 100.0

    def __post_init__(self) -> None:
        self._rate: dict[str, float] = {}
        self._load: dict[str, float] = {}
        self._before: float | None = None

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return the weights at `now`."""
        elapsed = now - self._before if self._before is not None else 0.0
        self._before = now
        way = 1.0 - math.exp(-elapsed / self.OVER_SECONDS)
        wanted: dict[str, float] = {}
        for name, member in members.items():
            if member.utilization is None or not elapsed:
                continue
            rate = member.new_connections / elapsed
            self._rate[name] = self._rate.get(name, rate) + way * (rate - self._rate.get(name, rate))
            load = self._load.get(name, member.utilization)
            self._load[name] = load + way * (member.utilization - load)
            if self._rate[name] > 0.0 and self._load[name] > 0.0:
                wanted[name] = self._rate[name] / self._load[name]
        mean = fmean(wanted.values()) if wanted else 1.0  # its scale means nothing: its own picker has no whole numbers
        return _whole(members, {name: members[name].base_weight * value / mean for name, value in wanted.items()})


class Robinhood(Yardstick):
    """Dropbox's: an integral controller for each server leads its utilization to the mean of all.

    "Robinhood: Dropbox's in-house load balancing service" (dropbox.tech, 2024): w += w * k * (mean - u).
    """

    GAIN = 0.1  # for each second

    def __post_init__(self) -> None:
        self._weights: dict[str, float] = {}
        self._before: float | None = None

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return the weights at `now`."""
        elapsed = now - self._before if self._before is not None else 0.0
        self._before = now
        loads = {name: member.utilization for name, member in members.items() if member.utilization is not None}
        mean = fmean(loads.values()) if loads else 0.0
        for name, load in loads.items():
            weight = self._weights.get(name, float(members[name].base_weight))
            self._weights[name] = max(1.0, weight * (1.0 + self.GAIN * elapsed * (mean - load)))
        return _whole(members, self._weights)


class LogIntegral(Yardstick):
    """The plain integral of the logarithm: d/dt ln w = 0.1 * (mean of ln u - ln u), every second."""

    GAIN = 0.1

    def __post_init__(self) -> None:
        self._logs: dict[str, float] = {}
        self._before: float | None = None

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return the weights at `now`."""
        elapsed = now - self._before if self._before is not None else 0.0
        self._before = now
        levels = {name: math.log(max(m.utilization, 0.01)) for name, m in members.items() if m.utilization is not None}
        mean = fmean(levels.values()) if levels else 0.0
        for name, level in levels.items():
            self._logs[name] = self._logs.get(name, 0.0) + self.GAIN * elapsed * (mean - level)
        return _whole(members, {name: members[name].base_weight * math.exp(log) for name, log in self._logs.items()})


class Fixed(Yardstick):
    """The same weights always, or from a time on: what nobody knows but the simulation. `weights`: (since, weights)."""

    weights: Sequence[tuple[float, Mapping[str, int]]]

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return the newest weights."""
        newest = [weights for since, weights in self.weights if now >= since][-1]
        return {name: newest[name] for name in members}


def whole_numbers(shares: Mapping[str, float], tolerance: float) -> dict[str, int]:
    """Return the smallest whole numbers in these proportions, true to within a ratio: `wrr` serves such in short turns.

    A share of 0 gets 1. Where none up to `MOST_UNITS` are true enough, the truest are taken.
    """
    largest = max(shares.values())
    truest, found = math.inf, dict.fromkeys(shares, 1)
    for units in range(1, MOST_UNITS + 1):
        scaled = {name: share * units / largest for name, share in shares.items()}
        numbers = {name: max(1, round(value)) for name, value in scaled.items()}
        error = max(abs(numbers[name] / value - 1.0) for name, value in scaled.items() if value)
        if error < truest:
            truest, found = error, numbers
        if truest <= tolerance:
            break
    return found


def _capacity(scenario: Scenario) -> Policy:
    """Return weights in proportion to what other work leaves of each server."""
    left = {name: spec.speed * (1.0 - spec.background_ratio) for name, spec in scenario.servers.items()}
    return Fixed(scheduler=scenario.scheduler, weights=((-math.inf, whole_numbers(left, CAPACITY_TOLERANCE)),))


YARDSTICKS: Mapping[str, Make] = {
    "wensong": lambda scenario: Wensong(scheduler=scenario.scheduler),
    "agent": lambda scenario: AgentCheck(scheduler=scenario.scheduler),
    "agent-10s": lambda scenario: AgentCheck(scheduler=scenario.scheduler, filter_seconds=10.0),
    "grpc": lambda scenario: WeightedRoundRobin(scheduler=scenario.scheduler),
    "robinhood": lambda scenario: Robinhood(scheduler=scenario.scheduler),
    "log-integral": lambda scenario: LogIntegral(scheduler=scenario.scheduler),
    "capacity": _capacity,
}
