"""Never a cascade: who leaves or is starved leaves the others no more than they have to bear, and load ends nobody."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback.director.config import WeightsConfig
from feedback.director.controller import Facts, ServiceController
from feedback.model import Health
from tests.director.fluid import OVERFLOW, Fluid
from tests.director.world import destinations, service

SPEEDS = st.lists(st.floats(0.5, 4.0), min_size=2, max_size=6)
UTILIZATION = st.none() | st.floats(0.0, 5.0)
SLACK = 1.08
"""The tolerances of two written weights, of which one is too high and the other too low, and the deadband."""


def fluid(speeds: list[float], policy: str, **fields: object) -> Fluid:
    plain = {
        "checks": (),
        "weights": WeightsConfig(policy=policy),
        "destinations": destinations(*range(1, len(speeds) + 1)),
    }
    return Fluid(service(**(plain | fields)), {f"rs{number}": speed for number, speed in enumerate(speeds, 1)})


@settings(max_examples=60, deadline=None)
@given(
    speeds=SPEEDS,
    policy=st.sampled_from(["static", "equalize"]),
    scheduler=st.sampled_from(["wlc", "wrr", "mh"]),
    demand=st.floats(0.3, 2.0),
    capped=st.booleans(),
    settled=st.sampled_from([5, 60, 300]),
    data=st.data(),
)
def test_who_leaves_gives_each_other_its_part_and_no_one_more_than_that(
    *, speeds: list[float], policy: str, scheduler: str, demand: float, capped: bool, settled: int, data: st.DataObject
) -> None:
    cluster = fluid(speeds, policy, scheduler=scheduler)
    cluster.demand, cluster.capped = demand, capped
    cluster.run(settled)
    leaves = data.draw(st.sampled_from(sorted(cluster.speeds)))
    before = cluster.weights
    cluster.down = {leaves}
    cluster.step()
    part = {name: weight for name, weight in before.items() if name != leaves}
    first = cluster.weights
    total, total_before = sum(first.values()), sum(part.values())
    for name, weight in part.items():
        assert first[name] / total == pytest.approx(weight / total_before, rel=0.15)
    limit = max(cluster.load().values()) * SLACK
    for _ in range(300):
        cluster.step()
        assert max(cluster.load().values()) <= limit


@settings(max_examples=25, deadline=None)
@given(speeds=st.lists(st.floats(0.7, 1.4), min_size=2, max_size=5), demand=st.floats(0.3, 2.0))
def test_one_that_is_starved_is_no_worse_for_the_others_than_one_that_leaves(
    speeds: list[float], demand: float
) -> None:
    """One host is full of work of its own, and `equalize` takes its weight down as far as the floor."""
    cluster = fluid(speeds, "equalize")
    cluster.demand = demand
    cluster.run(300)
    total, starved = sum(cluster.weights.values()), cluster.weights["rs1"]
    others = [load for name, load in cluster.load().items() if name != "rs1"]
    limit = max(others) * total / (total - starved) * SLACK
    cluster.overrides["rs1"] = 1.0
    for _ in range(300):
        cluster.step()
        assert max(load for name, load in cluster.load().items() if name != "rs1") <= limit
    assert cluster.weights["rs1"] >= 5


@settings(max_examples=60, deadline=None)
@given(
    policy=st.sampled_from(["static", "availability", "equalize"]),
    floor=st.sampled_from([0.05, 0.2, 0.5]),
    scheduler=st.sampled_from(["wlc", "wrr", "mh", "rr"]),
    reports=st.lists(st.tuples(UTILIZATION, UTILIZATION, UTILIZATION), min_size=1, max_size=40),
    spare=st.booleans(),
)
def test_load_takes_nobody_out_and_the_floor_holds(
    policy: str,
    floor: float,
    scheduler: str,
    reports: list[tuple[float | None, float | None, float | None]],
    spare: bool,
) -> None:
    config = service(
        scheduler=scheduler,
        weights=WeightsConfig(policy=policy, floor_ratio=floor),
        destinations=destinations(1, 2, 3),
        overflow=OVERFLOW if spare else None,
    )
    controller = ServiceController(config)
    state = None
    for now, utilizations in enumerate(reports):
        facts = {f"rs{n}": Facts(health=Health.UP, utilization=value) for n, value in enumerate(utilizations, 1)}
        for second in range(5):
            desired = controller.step(5.0 * now + second, facts, state)
            state = desired.state
            weights = [state.destinations[one.key].weight for one in config.destinations.values()]
            assert min(weights) >= math.ceil(100 * floor)
            assert desired.usable == set(config.destinations)


@settings(max_examples=60, deadline=None)
@given(
    min_healthy=st.sampled_from([0.25, 0.5, 0.75, 1.0]),
    failing=st.lists(st.sets(st.sampled_from(["rs1", "rs2", "rs3", "rs4"])), min_size=1, max_size=20),
    demand=st.floats(0.5, 3.0),
)
def test_in_overload_too_min_healthy_holds_whoever_fails(
    min_healthy: float, failing: list[set[str]], demand: float
) -> None:
    cluster = fluid([1.0, 1.0, 1.0, 1.0], "equalize", overflow=OVERFLOW, min_healthy_ratio=min_healthy)
    cluster.demand = demand
    cluster.run(100)
    for down in failing:
        cluster.down = down
        for _ in range(3):
            assert len(cluster.step().usable) >= min_healthy * 4
