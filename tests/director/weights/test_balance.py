import math

import pytest

from feedback.director.weights.balance import Reach, center_of, errors


def test_errors_are_what_is_missing_to_the_mean() -> None:
    assert errors({"a": 0.2, "b": -0.4, "c": -0.1}, Reach()) == pytest.approx({"a": -0.3, "b": 0.3, "c": 0.0})


def test_no_level_counts_for_more_than_an_error_of_1_off_the_median() -> None:
    assert center_of({"a": 0.0, "b": 0.1, "c": 90.0}, Reach()) == pytest.approx((0.0 + 0.1 + 1.1) / 3)
    assert center_of({"a": 0.0, "b": 0.1, "c": -90.0}, Reach()) == pytest.approx((0.0 + 0.1 - 1.0) / 3)


@pytest.mark.parametrize(("above", "center"), [(math.inf, 0.4), (0.5, 0.4), (0.25, 0.25), (0.0, 0.1)])
def test_for_one_stuck_at_the_floor_the_others_go_up_as_far_as_there_is_room(above: float, center: float) -> None:
    levels = {"a": 0.0, "b": 0.2, "stuck": 1.0}
    assert center_of(levels, Reach(at_floor={"stuck"}, above=above)) == pytest.approx(center)


@pytest.mark.parametrize(("below", "center"), [(math.inf, -0.4), (0.25, -0.25), (0.0, -0.1)])
def test_for_one_stuck_at_the_ceiling_the_others_go_down(below: float, center: float) -> None:
    levels = {"a": 0.0, "b": -0.2, "stuck": -1.0}
    assert center_of(levels, Reach(at_ceiling={"stuck"}, below=below)) == pytest.approx(center)


def test_who_can_go_back_from_a_bound_is_not_stuck() -> None:
    levels = {"a": 0.0, "b": 0.2, "c": 1.0}
    assert center_of(levels, Reach(at_ceiling={"c"}, at_floor={"a"}, above=0.0)) == pytest.approx(0.4)


def test_where_all_are_stuck_the_mean_is_that_of_all() -> None:
    levels = {"low": 0.0, "high": 1.0}
    assert center_of(levels, Reach(at_ceiling={"low"}, at_floor={"high"}, above=0.0)) == pytest.approx(0.5)
