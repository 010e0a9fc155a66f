"""Runs the simulations that the bars need, side by side and each only once."""

import math
import statistics
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Literal

import msgspec
from judge import Run, equal_utilization

from feedback.director.weights import Policy, make_policy
from feedback.registry import POLICIES
from feedback.simulator.cluster import Cluster
from feedback.simulator.fluid import run_fluid
from feedback.simulator.measure import Record
from feedback.simulator.scenario import Scenario
from feedback.simulator.yardsticks import YARDSTICKS, Fixed, Robinhood, whole_numbers

Model = Literal["events", "fluid"]
IDEAL = "ideal"
"""Fixed weights that make utilizations equal: what is left with them is chance."""
IDEAL_TOLERANCE = 0.001
CALIBRATION_SECONDS = 1200.0


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One simulation of a scenario under a contender: a policy, a yardstick, or `ideal`."""

    model: Model
    scenario: Scenario
    contender: str


class Runs:
    """Those of one task with several seeds."""

    def __init__(self, futures: Sequence[Future[Run]]) -> None:
        self._futures = futures

    def __call__(self) -> list[Run]:
        """Wait for them, and return them."""
        return [future.result() for future in self._futures]


class Lab:
    """Hands tasks to the processes of a pool."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self._known: dict[bytes, Future[Run]] = {}

    def runs(self, model: Model, scenario: Scenario, contender: str, seeds: int) -> Runs:
        """Begin a task with seeds from 1 on, where it has not begun yet."""
        return Runs([self._begin(model, scenario, contender, seed) for seed in range(1, seeds + 1)])

    def _begin(self, model: Model, scenario: Scenario, contender: str, seed: int) -> Future[Run]:
        seeded = msgspec.structs.replace(scenario, seed=seed)
        task = Task(model=model, scenario=seeded, contender=contender)
        key = msgspec.json.encode(task)
        if key not in self._known:
            self._known[key] = self._pool.submit(run, task)
        return self._known[key]


def run(task: Task) -> Run:
    """Simulate."""
    policy, scenario = made(task), task.scenario
    record = run_fluid(scenario, policy) if task.model == "fluid" else Cluster(scenario, policy).run()
    return Run(figures=record.figures(task.contender), utilization=record.utilization, weights=record.weights)


def made(task: Task) -> Policy:
    """Return the contender's policy."""
    scenario = task.scenario
    if task.contender == IDEAL:
        return Fixed(scheduler=scenario.scheduler, weights=ideal_weights(task))
    if task.contender in YARDSTICKS:
        return YARDSTICKS[task.contender](scenario)
    wanted = scenario.weights
    return make_policy(
        task.contender,
        scheduler=scenario.scheduler,
        response=wanted.response_seconds,
        floor=wanted.floor_ratio,
        ceiling=wanted.ceiling_ratio,
        slow_start=wanted.slow_start_seconds,
    )


def ours() -> list[str]:
    """Return those of the director's policies that follow load and are there."""
    return [name for name in ("equalize", "latency") if name in POLICIES.all()]


def ideal_weights(task: Task) -> list[tuple[float, dict[str, int]]]:
    """Return the weights that make all equally busy, from the start and from each change of other work on.

    Where single requests go to whoever has fewest, no formula knows them: then a long run of an integrator finds them.
    """
    scenario = task.scenario
    requests = any(stream.kind == "request" for stream in scenario.streams.values())
    if task.model == "events" and scenario.scheduler == "wlc" and requests and not scenario.events:
        return [(-math.inf, calibrated(scenario))]
    work = scenario.load_ratio * scenario.capacity()
    speeds = {name: spec.speed for name, spec in scenario.servers.items()}
    used = {name: spec.background_ratio for name, spec in scenario.servers.items()}
    weights = [(-math.inf, whole_numbers(equal_utilization(speeds, used, work), IDEAL_TOLERANCE))]
    for event in scenario.events:
        if event.server is not None and event.background_ratio is not None:
            used = used | {event.server: event.background_ratio}
            shares = equal_utilization(speeds, used, work)
            weights.append((event.at_seconds, whole_numbers(shares, IDEAL_TOLERANCE)))
    return weights


def calibrated(scenario: Scenario) -> dict[str, int]:
    """Return the mean weights of a long run, with chance of its own, that makes utilizations equal."""
    longer = msgspec.structs.replace(scenario, seed=scenario.seed + 1000, duration_seconds=CALIBRATION_SECONDS)
    record = Cluster(longer, Robinhood(scheduler=scenario.scheduler)).run()
    return whole_numbers(mean_weights(record), IDEAL_TOLERANCE)


def mean_weights(record: Record) -> dict[str, float]:
    """Return the geometric mean of each weight in the second half."""
    half = len(record.times) // 2
    return {
        name: math.exp(statistics.fmean(map(math.log, weights[half:])))
        for name, weights in zip(record.names, record.weights, strict=True)
    }
