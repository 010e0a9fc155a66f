from math import gcd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.weights import Member
from feedback.director.weights.writing import Wanted, Writer, bounds, mended, shortest_cycle

TOLERANCE = 0.025


def unbounded(wanted: dict[str, float], tolerance: float = TOLERANCE) -> dict[str, Wanted]:
    """Return weights without bounds to speak of."""
    return {name: Wanted(weight, 1, 10_000, tolerance) for name, weight in wanted.items()}


def write(writer: Writer, now: float, wanted: dict[str, float], table: int = 100) -> dict[str, int]:
    """Write weights of members that have `table` in the table."""
    members = {name: Member(base_weight=100, weight=table, utilization=None) for name in wanted}
    return writer.write(now, members, unbounded(wanted))


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
    writer = Writer("wlc")
    assert write(writer, 0.0, {"rs1": 102.0}) == {"rs1": 100}
    assert write(writer, 1.0, {"rs1": 103.0}) == {"rs1": 103}
    assert write(writer, 2.0, {"rs1": 101.0}) == {"rs1": 103}
    assert write(writer, 3.0, {"rs1": 100.0}) == {"rs1": 100}


def test_without_a_tolerance_every_whole_number_is_written() -> None:
    writer = Writer("wrr", in_cycles=False)
    members = {"rs1": Member(base_weight=1000, weight=1000, utilization=None)}
    for weight in (999.0, 998.0):
        assert writer.write(0.0, members, unbounded({"rs1": weight}, 0.0)) == {"rs1": weight}


def test_a_small_weight_is_not_rounded_to_and_fro() -> None:
    writer = Writer("wlc")
    assert write(writer, 0.0, {"rs1": 1.4}, table=1) == {"rs1": 1}
    assert write(writer, 1.0, {"rs1": 1.55}, table=1) == {"rs1": 1}
    assert write(writer, 2.0, {"rs1": 1.65}, table=1) == {"rs1": 2}
    assert write(writer, 3.0, {"rs1": 1.45}, table=1) == {"rs1": 2}
    assert write(writer, 4.0, {"rs1": 1.35}, table=1) == {"rs1": 1}


def test_written_weights_stay_within_the_bounds() -> None:
    members = {"rs1": Member(base_weight=100, weight=1002, utilization=None)}
    assert Writer("wlc").write(0.0, members, {"rs1": Wanted(1000.0, 5, 1000)}) == {"rs1": 1000}


def test_hash_schedulers_are_told_of_large_moves_and_then_of_all() -> None:
    writer = Writer("mh")
    assert write(writer, 0.0, {"rs1": 109.0, "rs2": 104.0}) == {"rs1": 100, "rs2": 100}
    assert write(writer, 1.0, {"rs1": 111.0, "rs2": 104.0}) == {"rs1": 111, "rs2": 104}
    assert write(writer, 30.9, {"rs1": 200.0, "rs2": 104.0}) == {"rs1": 111, "rs2": 104}
    assert write(writer, 31.0, {"rs1": 200.0, "rs2": 105.0}) == {"rs1": 200, "rs2": 104}


@pytest.mark.parametrize("table", [0, 100])
def test_a_newcomer_gets_its_weight_at_once_under_a_hash_scheduler_too(table: int) -> None:
    writer = Writer("mh")
    write(writer, 0.0, {"rs1": 150.0})
    members = {
        "rs1": Member(base_weight=100, weight=150, utilization=None),
        "rs2": Member(base_weight=100, weight=table, utilization=None),
    }
    wanted = {"rs1": Wanted(150.0, 1, 1000), "rs2": Wanted(10.0, 1, 1000)}
    assert writer.write(1.0, members, wanted) == {"rs1": 150, "rs2": 10}


def test_wrr_gets_multiples_of_one_unit() -> None:
    written = write(Writer("wrr"), 0.0, {"a": 59.0, "b": 61.0, "c": 118.0, "d": 239.0})
    assert written == {"a": 60, "b": 60, "c": 120, "d": 240}


def test_wrr_keeps_its_cycle_until_something_moves_by_more_than_half_as_much_again_as_the_tolerance() -> None:
    writer = Writer("wrr")
    first = write(writer, 0.0, {"a": 59.0, "b": 61.0, "d": 239.0})
    assert write(writer, 1.0, {"a": 60.0, "b": 62.0, "d": 236.0}) == first
    assert write(writer, 2.0, {"a": 60.0, "b": 80.0, "d": 236.0}) != first


def test_a_cycle_is_not_written_again_for_its_scale_where_only_ratios_count() -> None:
    writer, wanted = Writer("wrr"), {"a": 33.0, "b": 100.0}
    first = write(writer, 0.0, wanted)
    assert first == {"a": 33, "b": 99}
    wanted = {"a": 3.3, "b": 7.7}
    second = write(writer, 1.0, wanted)
    assert max(abs(second[name] / weight - 1.0) for name, weight in wanted.items()) > 1.6 * TOLERANCE
    for now in range(2, 50):
        assert write(writer, float(now), wanted) == second


MANY = {f"rs{number}": 60.0 for number in range(40)}


def test_where_many_share_a_cycle_only_those_are_written_that_are_off() -> None:
    writer = Writer("wrr")
    first = write(writer, 0.0, MANY | {"a": 61.0, "b": 118.0, "c": 239.0, "d": 30.0})
    assert first == dict.fromkeys(MANY, 60) | {"a": 60, "b": 120, "c": 240, "d": 30}
    second = write(writer, 1.0, MANY | {"a": 61.0, "b": 151.0, "c": 239.0, "d": 30.0})
    assert second == first | {"b": 150}


def test_where_the_unit_is_too_coarse_for_one_that_is_off_all_are_written() -> None:
    writer = Writer("wrr")
    write(writer, 0.0, MANY | {"a": 118.0, "b": 30.0})
    weights = write(writer, 1.0, MANY | {"a": 167.0, "b": 30.0})
    assert weights["a"] / weights["rs1"] == pytest.approx(167 / 60, rel=0.05)


def test_who_comes_in_makes_another_cycle() -> None:
    cycle = shortest_cycle(unbounded(MANY | {"a": 30.0}))
    assert mended(cycle, unbounded(MANY | {"a": 30.0, "b": 30.0}), {"b"}) is None
    assert mended(cycle, unbounded(MANY), {"rs1"}) is not None


def test_a_cycle_does_not_become_longer_than_fifty_units_by_and_by() -> None:
    cycle = shortest_cycle(unbounded(MANY | {"a": 4.0}))
    assert mended(cycle, unbounded(MANY | {"a": 4.0, "rs1": 900.0}), {"rs1"}) is None


def test_a_cycle_that_cannot_be_true_is_not_written_again_and_again() -> None:
    writer, wanted = Writer("wrr"), {"a": 1000.0, "b": 5.0, "c": 333.0}
    first = write(writer, 0.0, wanted)
    assert write(writer, 1.0, wanted) == first
    assert writer.resolution(5.0) == pytest.approx(first["b"] / 5.0 - 1.0)


def test_a_cycle_that_cannot_be_true_to_one_is_true_to_the_others() -> None:
    """The unit is 20, so a weight of 333 is off by half of that at most, however far one of 5 is."""
    writer, wanted = Writer("wrr"), {"a": 1000.0, "b": 5.0, "c": 333.0}
    unit = write(writer, 0.0, wanted)["b"]
    assert writer.resolution(333.0) == pytest.approx(0.5 * unit / 333.0)
    mended = write(writer, 1.0, wanted | {"c": 430.0})
    assert mended["c"] / mended["a"] == pytest.approx(0.43, abs=0.011)


@pytest.mark.parametrize(
    ("scheduler", "weight", "ratio"),
    [("wlc", 100.0, 0.005), ("wlc", 0.2, 0.5), ("wlc", 10_000.0, 0.002), ("wrr", 10.0, 0.05), ("mh", 100.0, 0.1)],
)
def test_no_weight_is_finer_than_whole_numbers_and_what_may_be_written(
    scheduler: str, weight: float, ratio: float
) -> None:
    assert Writer(scheduler).resolution(weight) == ratio


@pytest.mark.parametrize(
    ("wanted", "weights"),
    [
        ({"a": 100.0}, {"a": 100}),
        ({"a": 100.0, "b": 98.0}, {"a": 100, "b": 100}),
        ({"a": 1000.0, "b": 900.0}, {"a": 999, "b": 888}),
        ({"a": 1000.0, "b": 500.0}, {"a": 1000, "b": 500}),
        ({"a": 0.3}, {"a": 1}),
        ({"a": 3.0, "b": 1.0}, {"a": 3, "b": 1}),
    ],
)
def test_the_shortest_cycle_that_is_true_enough_is_taken(wanted: dict[str, float], weights: dict[str, int]) -> None:
    cycle = shortest_cycle(unbounded(wanted))
    assert cycle.weights == weights
    assert cycle.coarse_ratio == 0.0


def test_who_is_known_better_is_kept_truer() -> None:
    wanted = unbounded({"a": 100.0, "b": 98.0})
    assert shortest_cycle(wanted).weights == {"a": 100, "b": 100}
    wanted["b"] = Wanted(98.0, 1, 10_000, 0.005)
    assert shortest_cycle(wanted).weights == {"a": 98, "b": 98}
    wanted["a"] = Wanted(100.0, 1, 10_000, 0.005)
    assert shortest_cycle(wanted).weights == {"a": 100, "b": 98}


@pytest.mark.parametrize("most", [7.3, 31.0, 99.0, 205.0, 640.0, 1000.0])
def test_weights_are_not_all_off_together_by_more_than_a_little(most: float) -> None:
    wanted = unbounded({"a": most, "b": most / 1.37, "c": most / 2.71})
    cycle = shortest_cycle(wanted)
    assert abs(cycle.scale - 1.0) <= (0.04 if cycle.unit > 1 else 0.1)
    mean = sum(cycle.weights.values()) / sum(want.weight for want in wanted.values())
    assert mean == pytest.approx(cycle.scale, rel=0.1)


def test_where_no_cycle_is_true_enough_the_nearest_is_taken() -> None:
    cycle = shortest_cycle(unbounded({"a": 1000.0, "b": 5.0, "c": 333.0}))
    assert cycle.coarse_ratio == cycle.worst_ratio > TOLERANCE
    assert cycle.weights["b"] == gcd(*cycle.weights.values())
    assert cycle.weights["a"] == pytest.approx(1000, rel=0.1)


@given(st.dictionaries(st.integers(), st.floats(5.0, 1000.0), min_size=1, max_size=8))
def test_a_cycle_is_never_longer_than_fifty_units_and_says_how_true_it_is(wanted: dict[int, float]) -> None:
    named = {str(name): weight for name, weight in wanted.items()}
    cycle = shortest_cycle(unbounded(named))
    weights = cycle.weights
    assert max(weights.values()) / gcd(*weights.values()) <= 50
    for name, weight in named.items():
        assert weights[name] / cycle.scale == pytest.approx(weight, rel=cycle.worst_ratio + 1e-9)
    assert cycle.coarse_ratio == (cycle.worst_ratio if cycle.worst_ratio > TOLERANCE else 0.0)
