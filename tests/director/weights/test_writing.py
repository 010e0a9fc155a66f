from math import gcd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.weights import Member
from feedback.director.weights.writing import Wanted, Writer, bounds, shortest_cycle


def write(writer: Writer, now: float, wanted: dict[str, float], table: int = 100) -> dict[str, int]:
    """Write weights without bounds to speak of, of members that have `table` in the table."""
    members = {name: Member(base_weight=100, weight=table, utilization=None) for name in wanted}
    return writer.write(now, members, {name: Wanted(weight, 1, 10_000) for name, weight in wanted.items()})


@pytest.mark.parametrize(
    ("base", "floor", "ceiling", "expected"),
    [
        (100, 0.05, 10.0, (5, 1000)),
        (1, 0.05, 10.0, (1, 10)),
        (3, 0.5, 1.0, (2, 3)),
        (7, 0.1, 1.5, (1, 10)),
        (100, 0.0, 1.0, (1, 100)),
        (100, 1.0, 1.0, (100, 100)),
        (3, 0.4, 0.5, (2, 2)),
    ],
)
def test_bounds_are_whole_numbers_within_the_ratios(
    base: int, floor: float, ceiling: float, expected: tuple[int, int]
) -> None:
    assert bounds(base, floor, ceiling) == expected


def test_small_moves_are_not_written_and_larger_ones_are() -> None:
    writer = Writer("wlc", 0.025)
    assert write(writer, 0.0, {"rs1": 102.0}) == {"rs1": 100}
    assert write(writer, 1.0, {"rs1": 103.0}) == {"rs1": 103}
    assert write(writer, 2.0, {"rs1": 101.0}) == {"rs1": 103}
    assert write(writer, 3.0, {"rs1": 100.0}) == {"rs1": 100}


def test_a_small_weight_is_not_rounded_to_and_fro() -> None:
    writer = Writer("wlc", 0.025)
    assert write(writer, 0.0, {"rs1": 1.4}, table=1) == {"rs1": 1}
    assert write(writer, 1.0, {"rs1": 1.55}, table=1) == {"rs1": 1}
    assert write(writer, 2.0, {"rs1": 1.65}, table=1) == {"rs1": 2}
    assert write(writer, 3.0, {"rs1": 1.45}, table=1) == {"rs1": 2}
    assert write(writer, 4.0, {"rs1": 1.35}, table=1) == {"rs1": 1}


def test_written_weights_stay_within_the_bounds() -> None:
    members = {"rs1": Member(base_weight=100, weight=1002, utilization=None)}
    assert Writer("wlc", 0.025).write(0.0, members, {"rs1": Wanted(1000.0, 5, 1000)}) == {"rs1": 1000}


def test_hash_schedulers_are_told_of_large_moves_and_then_of_all() -> None:
    writer = Writer("mh", 0.025)
    assert write(writer, 0.0, {"rs1": 109.0, "rs2": 104.0}) == {"rs1": 100, "rs2": 100}
    assert write(writer, 1.0, {"rs1": 111.0, "rs2": 104.0}) == {"rs1": 111, "rs2": 104}
    assert write(writer, 30.9, {"rs1": 200.0, "rs2": 104.0}) == {"rs1": 111, "rs2": 104}
    assert write(writer, 31.0, {"rs1": 200.0, "rs2": 105.0}) == {"rs1": 200, "rs2": 104}


@pytest.mark.parametrize("table", [0, 100])
def test_a_newcomer_gets_its_weight_at_once_under_a_hash_scheduler_too(table: int) -> None:
    writer = Writer("mh", 0.025)
    write(writer, 0.0, {"rs1": 150.0})
    members = {
        "rs1": Member(base_weight=100, weight=150, utilization=None),
        "rs2": Member(base_weight=100, weight=table, utilization=None),
    }
    wanted = {"rs1": Wanted(150.0, 1, 1000), "rs2": Wanted(10.0, 1, 1000)}
    assert writer.write(1.0, members, wanted) == {"rs1": 150, "rs2": 10}


def test_wrr_gets_multiples_of_one_unit() -> None:
    assert write(Writer("wrr", 0.025), 0.0, {"a": 59.0, "b": 61.0, "c": 118.0, "d": 239.0}) == {
        "a": 60,
        "b": 60,
        "c": 120,
        "d": 240,
    }


def test_wrr_keeps_its_cycle_until_something_moves() -> None:
    writer = Writer("wrr", 0.025)
    first = write(writer, 0.0, {"a": 59.0, "b": 61.0, "d": 239.0})
    assert write(writer, 1.0, {"a": 60.0, "b": 61.5, "d": 236.0}) == first
    assert write(writer, 2.0, {"a": 60.0, "b": 80.0, "d": 236.0})["b"] == 80


@pytest.mark.parametrize(
    ("wanted", "weights"),
    [
        ({"a": 100.0}, {"a": 100}),
        ({"a": 100.0, "b": 98.0}, {"a": 100, "b": 100}),
        ({"a": 1000.0, "b": 900.0}, {"a": 999, "b": 888}),
        ({"a": 1000.0, "b": 990.0}, {"a": 1000, "b": 1000}),
        ({"a": 1000.0, "b": 500.0}, {"a": 1000, "b": 500}),
        ({"a": 0.3}, {"a": 1}),
        ({"a": 3.0, "b": 1.0}, {"a": 3, "b": 1}),
    ],
)
def test_the_shortest_cycle_that_is_true_enough_is_taken(wanted: dict[str, float], weights: dict[str, int]) -> None:
    assert shortest_cycle(wanted, 0.025)[0] == weights


def test_where_no_cycle_is_true_enough_the_nearest_says_its_grain() -> None:
    weights, grain = shortest_cycle({"a": 1000.0, "b": 5.0, "c": 333.0}, 0.025)
    assert grain > 1
    assert weights["b"] == grain
    assert weights["a"] == pytest.approx(1000, rel=0.1)


@given(st.dictionaries(st.integers(), st.floats(5.0, 1000.0), min_size=1, max_size=8))
def test_a_cycle_is_never_longer_than_fifty_units_and_says_where_it_is_untrue(wanted: dict[int, float]) -> None:
    named = {str(name): weight for name, weight in wanted.items()}
    weights, grain = shortest_cycle(named, 0.025)
    assert max(weights.values()) / gcd(*weights.values()) <= 50
    if grain == 1 and max(named.values()) > 50:
        assert all(weights[name] == pytest.approx(weight, rel=0.0251) for name, weight in named.items())
