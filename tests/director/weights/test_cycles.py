import math
import random
from collections.abc import Mapping

import pytest

from feedback.director.weights.cycles import (
    MOST_TURNS,
    Search,
    bursts,
    gap_squares,
    least_headroom,
    mean_seconds,
    served,
)
from feedback.simulator.cluster import Cluster
from feedback.simulator.scenario import Scenario, ServerSpec
from feedback.simulator.yardsticks import Fixed

CAPACITIES = {"a": 30.0, "b": 60.0, "c": 120.0}


def test_a_cycle_is_served_as_the_kernel_serves_it() -> None:
    assert "".join(served({"a": 1, "b": 2, "c": 4})) == "ccbcabc"
    assert "".join(served({"a": 1, "b": 1})) == "ab"


def test_gaps_are_counted_around_the_cycle() -> None:
    assert gap_squares({"a": 1, "b": 2, "c": 4}) == {"a": 49, "b": 3**2 + 4**2, "c": 1 + 4 + 9 + 1}


def test_one_turn_in_many_comes_evenly_and_many_in_a_row_in_a_burst() -> None:
    even = bursts(dict.fromkeys("abcd", 1))
    assert even == pytest.approx(dict.fromkeys("abcd", 0.625))  # of four exponential times: ca2 = 1/4
    assert bursts({"a": 1, "b": 9})["b"] == pytest.approx((0.9 + 12 * 0.81 / 9) / 2)
    many = bursts(dict.fromkeys("abcdefgh", 1) | {"z": 20})
    assert many["z"] > 1.5
    assert many["a"] < 0.6


def test_alone_it_is_a_queue_that_shares_its_processor() -> None:
    assert mean_seconds({"a": 1}, {"a": 10.0}, 5.0) == pytest.approx(0.2)


def test_a_full_server_has_no_mean() -> None:
    assert math.isinf(mean_seconds({"a": 1, "b": 1}, {"a": 10.0, "b": 100.0}, 25.0))


@pytest.mark.parametrize("turns", [{"a": 1, "b": 2, "c": 4}, {"a": 1, "b": 4, "c": 10}, {"a": 5, "b": 9, "c": 19}])
def test_a_simulated_cluster_takes_as_long_as_foretold(turns: Mapping[str, int]) -> None:
    servers = {name: ServerSpec(speed=capacity / 30.0) for name, capacity in CAPACITIES.items()}
    scenario = Scenario(
        name="foretold",
        scheduler="wrr",
        servers=servers,
        load_ratio=0.5,
        warm_up_seconds=20.0,
        duration_seconds=400.0,
    )
    (stream,) = scenario.streams.values()
    capacities = {name: spec.speed / stream.work.mean for name, spec in servers.items()}
    figures = Cluster(scenario, Fixed(scheduler="wrr", weights=((-math.inf, turns),))).run().figures("")
    foretold = 1000.0 * mean_seconds(turns, capacities, 0.5 * sum(capacities.values()))
    assert figures.mean_ms == pytest.approx(foretold, rel=0.12)


def test_headroom_goes_with_the_root_of_the_capacity() -> None:
    kappa = least_headroom(CAPACITIES, 100.0)
    assert sum(capacity - kappa * math.sqrt(capacity) for capacity in CAPACITIES.values()) == pytest.approx(100.0)
    assert least_headroom(CAPACITIES, 1000.0) == 0.0


@pytest.mark.parametrize("load", [0.1, 0.3, 0.6, 0.8, 0.95])
def test_the_best_cycle_is_faster_than_any_at_random(load: float) -> None:
    rate, chance = load * sum(CAPACITIES.values()), random.Random(1)
    best = mean_seconds(Search(CAPACITIES, rate).best(), CAPACITIES, rate)
    for _ in range(300):
        turns = {name: chance.randint(1, MOST_TURNS) for name in CAPACITIES}
        assert mean_seconds(turns, CAPACITIES, rate) >= best / 1.021


def test_of_cycles_that_are_as_good_the_shortest_is_taken() -> None:
    assert Search(dict.fromkeys("abc", 33.0) | {"d": 33.1}, 60.0).best() == dict.fromkeys("abcd", 1)


def test_where_all_are_full_there_is_no_best_cycle() -> None:
    assert Search(CAPACITIES, 300.0).best() == {}


def test_many_servers_are_not_looked_at_for_long() -> None:
    chance = random.Random(1)
    capacities = {f"rs{number}": chance.uniform(20.0, 200.0) for number in range(200)}
    best = Search(capacities, 0.6 * sum(capacities.values())).best()
    assert 1 <= max(best.values()) <= 7
