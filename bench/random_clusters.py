"""Random clusters, what happens to them, and what holds for a weight policy whatever they are.

A cluster is disturbed and noisy for a while; then nothing changes any more, and reports are exact. `findings` says what
was wrong: in every step a weight outside its bounds or at 0; in the end weights that still move to and fro, or servers
that are not equally busy although weights within the bounds would make them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from random import Random

import msgspec
from hypothesis import strategies as st
from judge import equal_utilization

from feedback.director.config import WeightsConfig
from feedback.director.weights import make_policy
from feedback.simulator.fluid import FluidCluster
from feedback.simulator.scenario import Amount, Event, Reports, Scenario, ServerSpec, Stream

SHARES = ("wlc", "wrr", "sed", "nq", "twos")
SCHEDULERS = (*SHARES, "sh", "mh", "lblc", "lblcr", "rr", "lc", "dh", "fo", "ovf")
LENGTHS_SECONDS = (0.05, 2.0, 20.0, 60.0, 300.0, 3600.0)
STILL_SHARE = 0.25
"""Of the calm part, its end: there weights don't move to and fro."""
MOVED_RATIO = 0.01
FEWEST_TURNS = 3


class RandomCluster(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster with what happens to it: the time of an event is the number of a step."""

    servers: tuple[ServerSpec, ...]
    events: tuple[Event, ...] = ()
    load_ratio: float = 0.6
    scheduler: str = "wlc"
    response_seconds: float = 10.0
    floor: float = 0.05
    ceiling: float = 10.0
    slow_start_seconds: float = 0.0
    length_seconds: float = 0.05
    connections_per_speed: float = 100.0
    reports: Reports = Reports()
    uneven_steps: bool = False
    disturbed_steps: int = 0
    seed: int = 1

    def scenario(self) -> Scenario:
        """Return it as a scenario without events."""
        demand = 1.0 / self.connections_per_speed
        held = Stream(kind="connection", duration=Amount(mean=self.length_seconds), demand=demand)
        return Scenario(
            name="random",
            scheduler=self.scheduler,
            servers={f"rs{place}": server for place, server in enumerate(self.servers)},
            streams={"held": held},
            load_ratio=self.load_ratio,
            weights=WeightsConfig(policy="", response_seconds=self.response_seconds),
            reports=self.reports,
            seed=self.seed,
        )

    def calm_seconds(self) -> float:
        """Return how long it is left alone: until the slowest of its loops has settled."""
        return (
            (800.0 if self.scheduler in SHARES else 2000.0) + 20.0 * self.response_seconds + 8.0 * self.length_seconds
        )

    def calm_step_seconds(self) -> float:
        """Return the length of a step meanwhile: longer than the director's, to save time where all is slow."""
        return 4.0 if self.response_seconds >= 30.0 or self.length_seconds >= 60.0 else 2.0


def ratios(low: float, high: float) -> st.SearchStrategy[float]:
    """Return ratios that are spread evenly in their logarithms, to three digits."""
    exponents = st.floats(math.log(low), math.log(high))
    return exponents.map(lambda exponent: float(f"{min(max(math.exp(exponent), low), high):.3g}"))


@st.composite
def _events(draw: st.DrawFn, servers: int, steps: int) -> Event:
    """Draw what happens at a step, which stands for the time."""
    at, server = float(draw(st.integers(0, steps - 1))), f"rs{draw(st.integers(0, servers - 1))}"
    match draw(st.sampled_from(("alive", "reports", "speed", "background", "load"))):
        case "alive":
            return Event(at_seconds=at, server=server, alive=draw(st.booleans()))
        case "reports":
            return Event(at_seconds=at, server=server, reports=draw(st.booleans()))
        case "speed":
            return Event(at_seconds=at, server=server, speed=draw(ratios(0.1, 10.0)))
        case "background":
            return Event(at_seconds=at, server=server, background_ratio=draw(st.sampled_from((0.0, 0.2, 0.5, 0.9))))
        case _:
            return Event(at_seconds=at, load_ratio=draw(st.sampled_from((0.0, 0.1, 0.5, 0.9, 1.5))))


@st.composite
def random_servers(draw: st.DrawFn, mild: bool) -> ServerSpec:
    """Draw a server."""
    return ServerSpec(
        speed=draw(ratios(0.3, 3.0) if mild else ratios(0.1, 10.0)),
        base_weight=100 if mild else draw(st.one_of(st.just(100), st.integers(1, 1000))),
        background_ratio=draw(st.sampled_from((0.0, 0.0, 0.0, 0.1, 0.3, 0.5))),
    )


@st.composite
def random_clusters(draw: st.DrawFn, *, mildness: float = 0.5, most: int = 40) -> RandomCluster:
    """Draw a cluster. As many as `mildness` says are mild: for these, weights within the bounds may make all equal."""
    mild, steps = draw(st.floats(0.0, 1.0)) <= mildness, draw(st.sampled_from((0, 60, 200)))
    servers = draw(st.lists(random_servers(mild), min_size=1, max_size=most))
    return RandomCluster(
        servers=tuple(servers),
        events=tuple(draw(st.lists(_events(len(servers), steps), max_size=6))) if steps else (),
        load_ratio=draw(ratios(0.3, 0.8) if mild else ratios(0.05, 1.5)),
        scheduler=draw(st.sampled_from(SCHEDULERS if not mild else (*SHARES, "sh", "mh"))),
        response_seconds=draw(st.sampled_from((10.0, 2.0, 5.0, 30.0, 120.0))),
        floor=0.05 if mild else draw(st.sampled_from((0.05, 0.0, 0.01, 0.3, 1.0))),
        ceiling=10.0 if mild else draw(st.sampled_from((10.0, 1.0, 2.0, 50.0))),
        slow_start_seconds=draw(st.sampled_from((0.0, 0.0, 30.0))),
        length_seconds=draw(st.sampled_from(LENGTHS_SECONDS)),
        connections_per_speed=1000.0 if mild else draw(ratios(1.0, 1000.0)),
        reports=Reports(
            delay_seconds=draw(st.sampled_from((0.0, 1.0, 5.0))),
            loss_ratio=draw(st.sampled_from((0.0, 0.2))),
            noise=draw(st.sampled_from((0.0, 0.02, 0.1))),
        ),
        uneven_steps=draw(st.booleans()),
        disturbed_steps=steps,
        seed=draw(st.integers(0, 1000)),
    )


class Trial:
    """One cluster under one policy, step by step."""

    def __init__(self, case: RandomCluster, policy: str) -> None:
        self._case = case
        self._random = Random(case.seed)
        made = make_policy(
            policy,
            scheduler=case.scheduler,
            response=case.response_seconds,
            floor=case.floor,
            ceiling=case.ceiling,
            slow_start=case.slow_start_seconds,
        )
        self.cluster = FluidCluster(case.scenario(), made)
        self._load_ratio = case.load_ratio

    def disturbed(self) -> Iterator[str]:
        """Let everything happen; yield weights that are wrong meanwhile."""
        for step in range(self._case.disturbed_steps):
            self._happen(step)
            yield from self._step(self._random.uniform(0.1, 3.0) if self._case.uneven_steps else 1.0)

    def findings(self) -> Iterator[str]:
        """Let everything happen, and then nothing for long; yield what is wrong."""
        yield from self.disturbed()
        self.cluster.hush()
        path, seconds = [], self._case.calm_step_seconds()
        for _ in range(round(self._case.calm_seconds() / seconds)):
            yield from self._step(seconds)
            path.append(self.cluster.weights())
        yield from turns(path[-round(len(path) * STILL_SHARE) :])
        yield from self._imbalance()

    def _happen(self, step: int) -> None:
        for event in self._case.events:
            if event.at_seconds == step:
                self.cluster.happen(event)
                self._load_ratio = self._load_ratio if event.load_ratio is None else event.load_ratio

    def _step(self, seconds: float) -> Iterator[str]:
        cluster, case = self.cluster, self._case
        for name, weight in cluster.step(seconds).items():
            flow = cluster.flows[name]
            low = max(1, math.ceil(flow.base_weight * case.floor - 1e-9))
            high = max(low, math.floor(flow.base_weight * case.ceiling + 1e-9))
            if cluster.now - flow.usable_since < case.slow_start_seconds:
                low = 1
            if not low <= weight <= high:
                yield f"{name} weighs {weight} at {cluster.now:.1f} s, which is not within {low} and {high}"

    def _imbalance(self) -> Iterator[str]:
        """Yield servers that are off the others although weights within the bounds would mend it."""
        case = self._case
        wanted = self.reachable()
        if wanted is None:
            return
        flows = self.cluster.flows
        busy = {name: value for name, value in self.cluster.utilization().items() if flows[name].up}
        mean = math.exp(sum(math.log(value) for value in busy.values()) / len(busy))
        grain = max(wanted.values()) / 50.0 / 2.0 if case.scheduler == "wrr" else 0.5
        for name, value in busy.items():
            allowed = 0.06 + (0.1 if case.scheduler not in SHARES else 0.0) + 1.5 * grain / wanted[name]
            if abs(math.log(value / mean)) > allowed:
                yield f"{name} is {value / mean:.3f} times as busy as the others' mean; {1 + allowed:.3f} is allowed"

    def reachable(self) -> Mapping[str, float] | None:
        """Return the weights that make all equally busy, None if there are none well within the bounds."""
        case = self._case
        up = {name: flow for name, flow in self.cluster.flows.items() if flow.up and flow.reports}
        if len(up) < sum(flow.up for flow in self.cluster.flows.values()) or len(up) < 2:
            return None
        if case.scheduler in {"rr", "lc", "dh", "fo", "ovf"}:
            return None
        speeds = {name: flow.speed for name, flow in up.items()}
        used = {name: flow.background_ratio for name, flow in up.items()}
        work = self._load_ratio * case.scenario().capacity()
        wanted = equal_utilization(speeds, used, work)
        level = (work + sum(speeds[name] * used[name] for name in up)) / sum(speeds.values())
        if not 0.15 <= level <= 0.9 or min(wanted.values()) <= 0.0:
            return None
        if min(flow.connections for flow in up.values()) < 20.0:
            return None
        logs = {name: math.log(wanted[name] / flow.base_weight) for name, flow in up.items()}
        centre = sum(logs.values()) / len(logs)
        low, high = math.log(max(case.floor, 1e-3)) + 0.3, math.log(case.ceiling) - 0.3
        if not all(low <= log - centre <= high for log in logs.values()):
            return None
        return {name: flow.base_weight * math.exp(logs[name] - centre) for name, flow in up.items()}


def turns(path: Sequence[Mapping[str, int]]) -> Iterator[str]:
    """Yield the weights that go up and down again and again, by more than a hundredth."""
    for name in path[0]:
        weights = [weights[name] for weights in path]
        moves = [after > before for before, after in pairwise(weights) if after != before]
        turned = sum(before != after for before, after in pairwise(moves))
        if turned >= FEWEST_TURNS and max(weights) > min(weights) * (1.0 + MOVED_RATIO):
            yield f"{name} turns {turned} times in the end, between {min(weights)} and {max(weights)}"


def findings(case: RandomCluster, policy: str) -> list[str]:
    """Return what is wrong with a policy on a cluster; nothing if all is well."""
    return list(Trial(case, policy).findings())
