"""A cluster as flows: load without single connections, so that what a policy does can be told from chance. Pure.

    dn_i/dt = share_i * arrivals - n_i / L           n_i: connections, L: how long they last
    u_i = background_i + demand * n_i / speed_i      at most 1

Under `wrr` and the hash schedulers share_i is weight_i over the sum of the weights. `wlc` and its like send what
arrives to whoever has fewest connections for its weight. `rr`, `lc`, `dh`, `fo` and `ovf` don't look at how large a
weight is: here all of them share out equally.
"""

import math
from collections import deque
from collections.abc import Sequence
from random import Random

from feedback.director import estimate
from feedback.director.weights import Member, Policy
from feedback.simulator.measure import Record
from feedback.simulator.scenario import Amount, Event, Scenario, ServerSpec
from feedback.simulator.workload import work_per_arrival

LEVELLING = frozenset({"wlc", "sed", "nq", "twos"})
EQUAL = frozenset({"rr", "lc", "dh", "fo", "ovf"})
LEAST_SPEED = 1e-6


class Flow:
    """One server and the connections that flow through it."""

    __slots__ = (
        "arrived",
        "background_ratio",
        "base_weight",
        "connections",
        "newest",
        "reports",
        "shown",
        "speed",
        "up",
        "usable_since",
        "weight",
    )

    def __init__(self, spec: ServerSpec) -> None:
        self.speed = spec.speed
        self.background_ratio = spec.background_ratio
        self.base_weight = self.weight = spec.base_weight
        self.connections = 0.0
        self.arrived = 0.0
        self.shown = 0  # of those arrived, by the last step
        self.up = True
        self.reports = True
        self.usable_since = -math.inf
        self.newest: tuple[float, float] | None = None  # when it arrived, and what it says


class FluidCluster:
    """One scenario, with one stream, under one policy. `step` lets time pass, and the policy have a look."""

    def __init__(self, scenario: Scenario, policy: Policy) -> None:
        self.now = 0.0
        self.flows = {name: Flow(spec) for name, spec in scenario.servers.items()}
        (stream,) = scenario.streams.values()
        length = stream.duration if stream.kind == "connection" else stream.work
        self._length_seconds = length.mean
        self._demand = work_per_arrival(stream) / length.mean
        self._full_rate = scenario.capacity() / work_per_arrival(stream)
        # Single requests make a second's utilization chance: the variance of a compound Poisson process
        self._chance_seconds = stream.work.mean * _dispersion(stream.work) if stream.kind == "request" else 0.0
        self._load_ratio = scenario.load_ratio
        self._scheduler = scenario.scheduler
        self._reports = scenario.reports
        self._policy = policy
        self._random = Random(scenario.seed)  # noqa: S311 - chance that can be repeated
        self._under_way: deque[tuple[float, Flow, float]] = deque()

    def happen(self, event: Event) -> None:
        """Change what an event changes."""
        if event.load_ratio is not None:
            self._load_ratio = event.load_ratio
        if event.server is None:
            return
        flow = self.flows[event.server]
        flow.speed = flow.speed if event.speed is None else max(event.speed, LEAST_SPEED)
        flow.background_ratio = flow.background_ratio if event.background_ratio is None else event.background_ratio
        flow.reports = flow.reports if event.reports is None else event.reports
        if event.alive is not None and event.alive != flow.up:
            flow.up = event.alive
            flow.connections, flow.weight, flow.usable_since = 0.0, 0, self.now

    def hush(self) -> None:
        """Let reports be exact from now on."""
        self._chance_seconds = 0.0
        self._reports = type(self._reports)(interval_seconds=self._reports.interval_seconds)

    def utilization(self) -> dict[str, float]:
        """Return how busy each server is at this moment, without any chance."""
        return {
            name: min(1.0, flow.background_ratio + self._demand * flow.connections / flow.speed) if flow.up else 0.0
            for name, flow in self.flows.items()
        }

    def weights(self) -> dict[str, int]:
        """Return the weights in the table."""
        return {name: flow.weight for name, flow in self.flows.items()}

    def step(self, seconds: float) -> dict[str, int]:
        """Let some seconds pass, then let the policy weigh; return what it wants."""
        self.now += seconds
        up = {name: flow for name, flow in self.flows.items() if flow.up}
        self._flow(seconds, list(up.values()))
        busy = self.utilization()
        for name, flow in up.items():
            self._report(flow, busy[name], seconds)
        while self._under_way and self._under_way[0][0] <= self.now:
            _, flow, value = self._under_way.popleft()
            flow.newest = self.now, value
        weights = self._policy.step(self.now, {name: self._member(flow) for name, flow in up.items()})
        for name, weight in weights.items():
            up[name].weight = weight
        return weights

    def _flow(self, seconds: float, up: Sequence[Flow]) -> None:
        """Let connections come and go."""
        stay = math.exp(-seconds / self._length_seconds)
        coming = self._full_rate * self._load_ratio
        settled = coming * self._length_seconds * (1.0 - stay)  # of those that came, how many are still there
        if self._scheduler in LEVELLING:
            for flow in up:
                flow.connections *= stay
            gains = poured(settled, [flow.connections for flow in up], [flow.weight for flow in up])
        else:
            shares = [1 if self._scheduler in EQUAL else flow.weight for flow in up]
            total = sum(shares) or 1
            gains = [settled * share / total for share in shares]
            for flow in up:
                flow.connections *= stay
        for flow, gain in zip(up, gains, strict=True):
            flow.connections += gain
            flow.arrived += coming * seconds * gain / settled if settled else 0.0

    def _report(self, flow: Flow, busy: float, seconds: float) -> None:
        """Send what the agent has measured, if it is not lost."""
        reports, draw = self._reports, self._random
        lost = reports.loss_ratio and draw.random() < reports.loss_ratio
        spread = math.hypot(reports.noise, math.sqrt(busy * self._chance_seconds / flow.speed / max(seconds, 0.1)))
        value = min(1.0, max(0.0, busy + draw.gauss(0.0, spread))) if spread else busy
        if flow.reports and not lost:
            self._under_way.append((self.now + reports.delay_seconds, flow, value))

    def _member(self, flow: Flow) -> Member:
        arrived, before = int(flow.arrived), flow.shown
        flow.shown = arrived
        fresh = flow.newest and estimate.fresh(flow.newest[0], self.now, self._reports.interval_seconds)
        return Member(
            base_weight=flow.base_weight,
            weight=flow.weight,
            utilization=flow.newest[1] if flow.newest and fresh else None,
            active_connections=round(flow.connections),
            new_connections=arrived - before,
            usable_seconds=self.now - flow.usable_since,
        )


def run_fluid(scenario: Scenario, policy: Policy) -> Record:
    """Let all of the scenario's time pass, second by second, and keep what a cluster of events would keep."""
    cluster = FluidCluster(scenario, policy)
    record = Record(list(scenario.servers), scenario.warm_up_seconds)
    events = deque(sorted(scenario.events, key=lambda event: event.at_seconds))
    while cluster.now < scenario.warm_up_seconds + scenario.duration_seconds:
        while events and events[0].at_seconds <= cluster.now:
            cluster.happen(events.popleft())
        before = cluster.weights()
        cluster.step(1.0)
        after = cluster.weights()
        record.write(cluster.now, sum(before[name] != after[name] for name in after))
        record.second(cluster.now, list(cluster.utilization().values()), list(after.values()))
    return record


def poured(amount: float, levels: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Return how an amount is shared out by who always gives to the lowest: level over width. No width, no share."""
    order = sorted(
        (level / width, width, place) for place, (level, width) in enumerate(zip(levels, widths, strict=True)) if width
    )
    gains = [0.0] * len(levels)
    height = breadth = held = 0.0
    for number, (lowest, width, _) in enumerate(order):
        breadth += width
        held += lowest * width
        height = (held + amount) / breadth
        if number + 1 == len(order) or height <= order[number + 1][0]:
            break
    for lowest, width, place in order:
        gains[place] = max(0.0, height - lowest) * width
    return gains


def _dispersion(work: Amount) -> float:
    """Return the mean of the square over the square of the mean."""
    match work.distribution:
        case "fixed":
            return 1.0
        case "exponential":
            return 2.0
        case "lognormal":
            return math.exp(work.shape**2)
        case _:
            return (work.shape - 1.0) ** 2 / (work.shape * (work.shape - 2.0)) if work.shape > 2.0 else 10.0
