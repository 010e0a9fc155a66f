import math
from collections.abc import Callable

import pytest

from feedback.director.weights.slope import LEAST, Lags, Slope
from feedback.director.weights.track import lag

LAGS = Lags(1.0, late=lag(1.0, 5.0), mean=lag(1.0, 10.0))
STANDING = Lags(0.0, late=0.0, mean=0.0)


def seen(load: Callable[[float], float], seconds: int = 30, *, late: int = 0, per_second: float = 0.04) -> float:
    """Let a weight fall steadily, and return the slope that is seen. `load`: utilization from the weight's ratio."""
    weights = [math.exp(-per_second * second) for second in range(seconds)]
    slope = Slope(0.0)
    for second, weight in enumerate(weights):
        busy = load(weights[max(0, second - late)])
        slope.observe(LAGS, math.log(weight), busy, math.log(busy))
    return slope.value


def test_whose_load_is_all_its_requests_answers_in_full() -> None:
    assert seen(lambda weight: 0.6 * weight) == pytest.approx(1.0, abs=0.05)


def test_whose_load_is_mostly_other_work_answers_little() -> None:
    assert seen(lambda weight: 0.5 + 0.1 * weight) < 0.25
    assert 0.3 < seen(lambda weight: 0.3 + 0.3 * weight) < 0.6


def test_before_a_weight_has_moved_nothing_is_known() -> None:
    assert seen(lambda _: 0.6, per_second=0.0) == 1.0
    assert seen(lambda weight: 0.5 + 0.1 * weight, 2) > 0.9


def test_who_is_full_answers_to_nothing_and_that_is_known_beforehand() -> None:
    assert seen(lambda _: 1.0, 2) == LEAST
    assert seen(lambda weight: min(1.0, 5.0 * weight)) == LEAST


def test_who_was_full_and_is_so_no_more_answers_again() -> None:
    assert seen(lambda weight: min(1.0, 1.5 * weight), 60) == pytest.approx(1.0, abs=0.1)


def test_a_load_that_moves_against_the_weight_answers_least_and_never_less() -> None:
    assert seen(lambda weight: 0.5 / weight**0.5) == LEAST


@pytest.mark.parametrize("late", [2, 5, 8])
def test_who_answers_late_is_not_taken_for_one_that_answers_little(late: int) -> None:
    assert seen(lambda weight: 0.6 * weight, 40, late=late) > 0.7


def test_a_step_that_takes_no_time_teaches_nothing() -> None:
    slope = Slope(0.0)
    slope.observe(STANDING, 0.0, 0.6, math.log(0.6))
    slope.observe(LAGS, 0.0, 0.6, math.log(0.6))
    slope.observe(STANDING, -5.0, 0.1, math.log(0.1))
    assert slope.value == 1.0
