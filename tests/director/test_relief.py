"""What a service does about overload, with its policy, in a closed loop."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from feedback.director.config import OverflowConfig, OverloadConfig, ServiceConfig, WeightsConfig
from feedback.director.controller import Facts, ServiceController
from feedback.model import Counters, Destination, Endpoint, Forwarding, Health, ServiceState, VirtualService
from tests.director.fluid import OVERFLOW, SPARE, Fluid
from tests.director.world import WEB, at, destinations, service

POLICIES = st.sampled_from(["static", "availability", "equalize"])
SPEEDS = st.lists(st.floats(0.5, 4.0), min_size=1, max_size=5)


def named(speeds: list[float]) -> dict[str, float]:
    return {f"rs{number}": speed for number, speed in enumerate(speeds, 1)}


def configured(speeds: Mapping[str, float], policy: str = "equalize", **fields: Any) -> ServiceConfig:
    plain: dict[str, Any] = {
        "overflow": OVERFLOW,
        "checks": (),
        "weights": WeightsConfig(policy=policy),
        "destinations": destinations(*range(1, len(speeds) + 1)),
    }
    return service(**(plain | fields))


def cluster(*speeds: float, policy: str = "equalize", **fields: Any) -> Fluid:
    return Fluid(configured(named(list(speeds)), policy, **fields), named(list(speeds)))


@settings(max_examples=25, deadline=None)
@given(
    demand=st.floats(0.5, 3.0),
    speeds=SPEEDS,
    policy=POLICIES,
    scheduler=st.sampled_from(["wlc", "wrr", "rr", "mh"]),
    capped=st.booleans(),
)
@example(demand=2.0, speeds=[1.0, 1.0, 2.0], policy="equalize", scheduler="mh", capped=True)
def test_the_overflow_comes_once_and_goes_once_whatever_the_demand(
    demand: float, speeds: list[float], policy: str, scheduler: str, capped: bool
) -> None:
    assume((policy, scheduler) != ("availability", "mh"))  # that swings by itself: from full to idle in a pace
    fluid = Fluid(configured(named(speeds), policy, scheduler=scheduler), named(speeds), capped=capped)
    fluid.run(60)
    fluid.demand = demand
    fluid.run(900)
    assert fluid.comings_and_goings() <= 1
    fluid.demand = 0.4
    fluid.run(300)
    assert fluid.comings_and_goings() in {0, 2}
    assert fluid.spare is None
    assert not fluid.desired.burden.overloaded


@settings(max_examples=20, deadline=None)
@given(demand=st.floats(1.1, 3.0), speeds=SPEEDS, scheduler=st.sampled_from(["wlc", "wrr"]), capped=st.booleans())
def test_it_takes_so_much_that_the_destinations_are_below_their_limit(
    demand: float, speeds: list[float], scheduler: str, capped: bool
) -> None:
    fluid = Fluid(configured(named(speeds), scheduler=scheduler), named(speeds), capped=capped)
    fluid.run(60)
    fluid.demand = demand
    fluid.run(600)
    means = []
    for _ in range(100):
        fluid.step()
        means.append(fmean(fluid.load().values()))
    assert 0.85 < min(means) <= max(means) < 0.95


@pytest.mark.parametrize("scheduler", ["wlc", "wrr"])
@pytest.mark.parametrize("demand", [1.1, 1.5, 2.375, 3.0])
def test_a_share_that_is_right_is_not_written_again(demand: float, scheduler: str) -> None:
    fluid = cluster(2.02, 0.625, scheduler=scheduler)
    fluid.demand = demand
    fluid.run(1500)
    spare = fluid.spare
    for _ in range(200):
        fluid.step()
        assert fluid.spare == spare


@settings(max_examples=30, deadline=None)
@given(demand=st.floats(1.0, 3.0), policy=POLICIES)
def test_weights_of_one_still_settle(demand: float, policy: str) -> None:
    """The overflow's least share is a quarter then, as much as everyone."""
    small = destinations(1, 2, 3, base_weight=1)
    speeds = named([1.0, 1.0, 1.0])
    fluid = Fluid(configured(speeds, policy, destinations=small), speeds)
    fluid.run(60)
    fluid.demand = demand
    fluid.run(900)
    assert fluid.comings_and_goings() == 1


@pytest.mark.parametrize(("demand", "seconds"), [(1.2, 60), (2.0, 75), (3.0, 90)])
def test_it_is_there_in_time(demand: float, seconds: int) -> None:
    fluid = cluster(1.0, 1.0, 2.0)
    fluid.run(300)
    fluid.demand = demand
    fluid.run(seconds)
    assert fmean(fluid.load().values()) < 0.95


def test_without_an_overflow_overload_is_said_and_the_weights_stay() -> None:
    fluid = cluster(1.0, 1.0, 2.0, overflow=None)
    fluid.run(400)
    before = fluid.weights
    fluid.demand = 2.0
    fluid.run(300)
    assert fluid.desired.burden.overloaded
    assert fluid.weights == before
    fluid.demand = 0.5
    fluid.run(60)
    assert not fluid.desired.burden.overloaded


def test_the_limits_are_the_services_own() -> None:
    fluid = cluster(1.0, 1.0, overload=OverloadConfig(above=0.7, below=0.6))
    fluid.run(60)
    fluid.demand = 0.8
    fluid.run(300)
    assert fmean(fluid.load().values()) == pytest.approx(0.65, abs=0.03)


def test_the_overflow_leaves_when_its_last_connection_is_gone() -> None:
    fluid = cluster(1.0, 1.0)
    fluid.demand, fluid.connections = 2.0, 3
    fluid.run(200)
    assert fluid.spare is not None
    assert fluid.spare > 150
    fluid.demand = 0.5
    fluid.run(100)
    assert fluid.spare == 0
    fluid.connections = 0
    fluid.step()
    fluid.step()
    assert fluid.spare is None


def test_or_when_drain_timeout_is_over() -> None:
    fluid = cluster(1.0, 1.0, drain_timeout_seconds=30.0)
    fluid.demand, fluid.connections = 2.0, 3
    fluid.run(200)
    fluid.demand = 0.5
    fluid.run(150)
    assert fluid.spare is None


def test_without_a_usable_destination_the_overflow_leaves_and_the_fallback_serves() -> None:
    sorry = Endpoint("10.2.0.98", 8080)
    fluid = cluster(1.0, 1.0, fallback=sorry)
    fluid.demand, fluid.connections = 2.0, 3
    fluid.run(200)
    fluid.down = {"rs1", "rs2"}
    fluid.step()
    assert fluid.state is not None
    assert {key: one.weight for key, one in fluid.state.destinations.items()} == {sorry: 1, SPARE: 0}


def test_one_server_may_be_overflow_and_fallback() -> None:
    fluid = cluster(1.0, 1.0, fallback=SPARE)
    fluid.demand, fluid.connections = 2.0, 3
    fluid.run(200)
    fluid.down = {"rs1", "rs2"}
    fluid.step()
    assert fluid.spare == 1
    fluid.down, fluid.demand = set(), 0.5
    fluid.run(60)
    assert (fluid.spare, fluid.desired.fallback) == (0, False)


def test_a_restarted_director_goes_on_from_the_overflows_share() -> None:
    fluid = cluster(1.0, 1.0)
    fluid.demand = 2.0
    fluid.run(300)
    before = fluid.spare
    fluid.controller = ServiceController(fluid.config)
    fluid._reports = {}
    fluid.step()
    assert fluid.spare == before
    fluid.run(100)
    assert fluid.comings_and_goings() == 1
    assert fmean(fluid.load().values()) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("weights", [{1: 100, 99: 0}, {1: 0, 99: 50}, {1: 100}])
def test_an_overflow_that_takes_nothing_at_the_start_is_not_gone_on_with(weights: dict[int, int]) -> None:
    controller = ServiceController(configured({"rs1": 1.0}))
    found = {at(number): Destination(at(number), Forwarding.MASQUERADE, weight) for number, weight in weights.items()}
    seen = ServiceState(VirtualService(WEB, "wlc"), found, {SPARE: Counters(active_connections=1)})
    desired = controller.step(0.0, {"rs1": Facts(health=Health.UP)}, seen)
    assert not desired.burden.overloaded
    assert not any(one.weight for key, one in desired.state.destinations.items() if key == SPARE)


def test_a_reload_that_takes_the_overflow_away_takes_it_out_of_the_table_and_the_overload_stays() -> None:
    fluid = cluster(1.0, 1.0)
    fluid.demand = 2.0
    fluid.run(200)
    fluid.config = configured(fluid.speeds, overflow=None)
    fluid.controller.configure(fluid.config)
    fluid.run(100)
    assert fluid.spare is None
    assert fluid.desired.burden.overloaded
    fluid.config = configured(fluid.speeds)
    fluid.controller.configure(fluid.config)
    fluid.run(1)
    assert fluid.spare is not None


def test_who_is_let_in_slowly_is_no_sign_of_room() -> None:
    weights = WeightsConfig(policy="static", slow_start_seconds=60.0)
    fluid = cluster(1.0, 1.0, 1.0, weights=weights, overflow=None)
    fluid.down = {"rs3"}
    fluid.demand = 2.0
    fluid.run(60)
    assert fluid.desired.burden.overloaded
    fluid.down = set()
    fluid.run(15)
    assert fluid.load()["rs3"] < 0.9
    assert fluid.desired.burden.overloaded


def test_the_overflow_has_its_own_forwarding_and_no_limit_of_connections() -> None:
    overflow = OverflowConfig(key=SPARE, forwarding=Forwarding.TUNNEL)
    limited = destinations(1, 2, upper_threshold=200, lower_threshold=150)
    fluid = cluster(1.0, 1.0, overflow=overflow, destinations=limited)
    fluid.demand = 2.0
    fluid.run(200)
    assert fluid.state is not None
    there = fluid.state.destinations[SPARE]
    assert (there.forwarding, there.upper_threshold, there.lower_threshold) == (Forwarding.TUNNEL, 0, 0)
    first = fluid.state.destinations[at(1)]
    assert (first.upper_threshold, first.lower_threshold) == (200, 150)
