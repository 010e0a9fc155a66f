from collections.abc import Mapping

import msgspec
import pytest

from feedback.director.weights import Member, make_policy
from feedback.director.weights.latency import LatencyPolicy, split
from feedback.simulator.compare import simulate
from feedback.simulator.scenario import Amount, Event, Scenario, ServerSpec, Stream

SCENARIO = Scenario(
    name="uneven",
    servers={"rs1": ServerSpec(speed=1.0), "rs2": ServerSpec(speed=1.0), "rs3": ServerSpec(speed=4.0)},
    streams={"requests": Stream(work=Amount(mean=0.06, distribution="lognormal"))},
    warm_up_seconds=130.0,
    duration_seconds=200.0,
)


def mean_ms(scenario: Scenario, policy: str) -> float:
    found = simulate(scenario, policy).figures(policy).mean_ms
    assert found is not None
    return found


@pytest.mark.parametrize(("scheduler", "load"), [("wlc", 0.3), ("wlc", 0.6), ("wrr", 0.3), ("wrr", 0.6)])
def test_unequal_servers_answer_sooner_than_if_they_were_equally_busy(scheduler: str, load: float) -> None:
    scenario = msgspec.structs.replace(SCENARIO, scheduler=scheduler, load_ratio=load)
    ours = mean_ms(scenario, "latency")
    assert ours < 0.97 * mean_ms(scenario, "equalize")
    assert ours < 1.05 * mean_ms(scenario, "capacity")  # which is told what servers can do


@pytest.mark.parametrize("scheduler", ["wlc", "wrr"])
def test_equal_servers_answer_no_later(scheduler: str) -> None:
    equal = {name: ServerSpec(speed=2.0) for name in SCENARIO.servers}
    scenario = msgspec.structs.replace(SCENARIO, scheduler=scheduler, servers=equal, load_ratio=0.6)
    assert mean_ms(scenario, "latency") < 1.02 * mean_ms(scenario, "equalize")


@pytest.mark.parametrize("scheduler", ["wlc", "wrr"])
def test_where_connections_last_it_does_as_equalize_does(scheduler: str) -> None:
    held = {"held": Stream(kind="connection", duration=Amount(mean=20.0), demand=0.01)}
    scenario = msgspec.structs.replace(SCENARIO, scheduler=scheduler, streams=held)
    ours, theirs = simulate(scenario, "latency"), simulate(scenario, "equalize")
    assert ours.weights == theirs.weights


def test_a_server_that_loses_much_of_its_speed_is_relieved() -> None:
    slower = (Event(at_seconds=180.0, server="rs3", background_ratio=0.6),)
    scenario = msgspec.structs.replace(SCENARIO, scheduler="wrr", load_ratio=0.4, events=slower)
    record = simulate(scenario, "latency")
    assert record.utilization[2][188] > 0.9
    assert sum(record.utilization[2][270:330]) / 60 < 0.9


def steady(policy: LatencyPolicy, members: Mapping[str, Member], seconds: int, now: float = 0.0) -> dict[str, int]:
    weights: dict[str, int] = {}
    for second in range(seconds):
        weights = policy.step(now + second, members)
        members = {name: msgspec.structs.replace(each, weight=weights[name]) for name, each in members.items()}
    return weights


def member(rate: int, utilization: float, base_weight: int = 100) -> Member:
    """Return a member whose requests are as many as it is busy."""
    return Member(
        base_weight=base_weight,
        weight=base_weight,
        utilization=utilization,
        active_connections=round(utilization / (1.0 - utilization)),
        new_connections=rate,
        usable_seconds=900.0,
    )


def made(scheduler: str = "wrr") -> LatencyPolicy:
    policy = make_policy("latency", scheduler=scheduler)
    assert isinstance(policy, LatencyPolicy)
    return policy


TWO = {"fast": member(100, 0.5), "slow": member(25, 0.5)}


def test_under_wrr_the_cycle_is_written_that_is_foretold_to_be_the_fastest_and_stays() -> None:
    policy = made()
    weights = steady(policy, TWO, 300)
    assert weights["fast"] / weights["slow"] > 5
    assert steady(policy, TWO, 300, now=300.0) == weights


def test_a_base_weight_of_0_stays_0() -> None:
    assert steady(made(), TWO | {"off": member(0, 0.0, base_weight=0)}, 300)["off"] == 0


def test_who_comes_in_is_no_part_of_a_cycle_until_it_is_known() -> None:
    policy = made()
    before = steady(policy, TWO, 300)
    three = TWO | {"new": member(50, 0.5)}
    assert policy.step(300.0, three)["new"] == 100
    known = steady(policy, three, 300, now=301.0)
    assert before["slow"] <= known["slow"] < known["new"] < known["fast"]


def test_where_all_are_full_no_cycle_is_foretold() -> None:
    full = {"fast": member(100, 0.99), "slow": member(25, 0.99)}
    policy = made()
    steady(policy, full, 300)
    assert max(policy.step(300.0, full).values()) < 1000


def test_who_reports_nothing_is_learned_from_what_it_reported_last() -> None:
    policy = made("wlc")
    steady(policy, TWO, 300)
    silent = {name: msgspec.structs.replace(each, utilization=None) for name, each in TWO.items()}
    assert set(policy.step(301.0, silent)) == set(TWO)


def test_without_turns_in_the_table_nobody_knows_how_they_come() -> None:
    nothing = {name: msgspec.structs.replace(each, weight=0) for name, each in TWO.items()}
    policy = made()
    for second in range(5):
        assert min(policy.step(float(second), nothing).values()) >= 5


def test_the_split_leaves_everyone_the_headroom_of_its_root_and_the_slow_something() -> None:
    rates = split({"a": 100.0, "b": 400.0}, 300.0)
    assert (400.0 - rates["b"]) / (100.0 - rates["a"]) == pytest.approx(2.0)
    assert sum(rates.values()) == pytest.approx(300.0)
    low = split({"a": 1.0, "b": 10_000.0}, 100.0)
    assert low["a"] == pytest.approx(0.5 * 100.0 / 10_001.0)
    assert sum(low.values()) == pytest.approx(100.0)
