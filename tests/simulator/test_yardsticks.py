import math

import pytest

from feedback.director.stepping import wrong_weights
from feedback.director.weights import Member, Policy
from feedback.simulator.scenario import Scenario, ServerSpec
from feedback.simulator.yardsticks import MOST_UNITS, YARDSTICKS, Fixed, whole_numbers

SCENARIO = Scenario(name="two", servers={"a": ServerSpec(speed=1.0), "b": ServerSpec(speed=4.0, background_ratio=0.5)})


def member(utilization: float | None, new_connections: int = 0) -> Member:
    return Member(base_weight=100, weight=100, utilization=utilization, new_connections=new_connections)


def make(name: str) -> Policy:
    return YARDSTICKS[name](SCENARIO)


def test_wensong_adds_by_the_cube_root_of_what_is_left_every_five_seconds() -> None:
    policy = make("wensong")
    first = policy.step(0.0, {"a": member(0.95), "b": member(0.823)})
    assert first == {"a": 100, "b": round(100 + 5 * math.cbrt(0.127))}
    assert policy.step(4.0, {"a": member(0.1), "b": member(0.1)}) == first
    assert policy.step(5.0, {"a": member(0.0), "b": member(None)})["a"] == round(100 + 5 * math.cbrt(0.95))


def test_wensong_never_goes_below_the_base_weight() -> None:
    assert make("wensong").step(0.0, {"a": member(1.0)}) == {"a": 100}


def test_the_agent_s_weight_is_its_idle_share_at_once_and_at_least_1() -> None:
    policy = make("agent")
    assert policy.step(0.0, {"a": member(0.25), "b": member(1.0)}) == {"a": 75, "b": 1}
    assert policy.step(1.0, {"a": member(0.75), "b": member(None)}) == {"a": 25, "b": 1}


def test_the_filtered_agent_goes_63_percent_of_the_way_in_ten_seconds() -> None:
    policy = make("agent-10s")
    policy.step(0.0, {"a": member(0.0)})
    assert policy.step(10.0, {"a": member(1.0)}) == {"a": round(100 * math.exp(-1))}


def test_grpc_gives_requests_per_utilization() -> None:
    policy = make("grpc")
    members = {"a": member(0.8, 10), "b": member(0.2, 10), "c": member(None), "d": member(0.5)}
    assert policy.step(0.0, members) == dict.fromkeys("abcd", 100)
    weights = policy.step(1.0, members)
    assert weights["b"] / weights["a"] == pytest.approx(4.0, rel=0.02)
    assert weights["c"] == weights["d"] == 100


def test_grpc_without_any_report_leaves_the_base_weights() -> None:
    policy = make("grpc")
    policy.step(0.0, {"a": member(None)})
    assert policy.step(1.0, {"a": member(None)}) == {"a": 100}


@pytest.mark.parametrize("name", ["robinhood", "log-integral"])
def test_integrators_lead_the_busy_down_and_the_idle_up_and_rest_at_the_mean(name: str) -> None:
    policy = make(name)
    members = {"a": member(0.8), "b": member(0.2)}
    assert policy.step(0.0, members) == {"a": 100, "b": 100}
    weights = policy.step(1.0, members)
    assert weights["a"] < 100 < weights["b"]
    assert policy.step(2.0, {"a": member(0.5), "b": member(0.5)}) == weights
    assert policy.step(3.0, {"a": member(None), "b": member(None)}) == weights


def test_capacity_knows_what_nobody_knows() -> None:
    assert make("capacity").step(0.0, {"a": member(None), "b": member(None)}) == {"a": 1, "b": 2}


def test_whole_numbers_are_the_smallest_that_are_true_enough_and_at_least_1() -> None:
    assert whole_numbers({"a": 0.5, "b": 1.5, "c": 0.0}, 0.001) == {"a": 1, "b": 3, "c": 1}
    assert whole_numbers({"a": 1.0, "b": 1.01}, 0.02) == {"a": 1, "b": 1}
    assert whole_numbers({"a": 1.0, "b": 1.01}, 0.001) == {"a": 91, "b": 92}


def test_where_none_are_true_enough_the_truest_are_taken() -> None:
    numbers = whole_numbers({"a": 1.0, "b": math.pi}, 0.0)
    assert numbers["b"] / numbers["a"] == pytest.approx(math.pi, rel=1e-6)
    assert numbers["b"] <= MOST_UNITS


def test_fixed_weights_change_when_they_are_to() -> None:
    policy = Fixed(weights=((-math.inf, {"a": 1, "b": 2}), (10.0, {"a": 3, "b": 4})))
    assert policy.step(9.0, {"a": member(0.5)}) == {"a": 1}
    assert policy.step(10.0, {"a": member(0.5), "b": member(0.5)}) == {"a": 3, "b": 4}


@pytest.mark.parametrize("name", YARDSTICKS)
def test_no_floor_and_no_ceiling_holds_them_back(name: str) -> None:
    """A director would refuse what goes beyond those of its configuration."""
    policy = make(name)
    assert wrong_weights({"a": 1, "b": 90_000}, {"a": member(0.1), "b": member(0.9)}, policy) == ""
