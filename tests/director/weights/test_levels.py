import math
import random
from statistics import fmean

import pytest

from feedback.director.weights.levels import MOST_UNFAIR, U0, Course, aims_of, beside, fair_level, level_of, shrink


def test_a_level_is_a_logarithm_that_idle_noise_moves_little() -> None:
    assert level_of(1.0 - U0) == 0.0
    assert level_of(0.001) - level_of(0.0) < 0.05


@pytest.mark.parametrize("spread", [0.1, 0.15])
def test_whose_load_comes_in_bursts_is_as_busy_as_its_mean(spread: float) -> None:
    chance = random.Random(1)
    busy = [max(0.0, chance.gauss(0.6, spread)) for _ in range(20_000)]
    true = level_of(fmean(busy))
    assert fmean(fair_level(each, 0.6) for each in busy) == pytest.approx(true, abs=0.01)
    assert fmean(level_of(each) for each in busy) < true - 0.3 * (spread / 0.6) ** 2


def test_what_has_changed_is_no_burst() -> None:
    for busy in (0.0, 0.1, 1.0, 3.0):
        assert 0.0 <= fair_level(busy, 0.4) - level_of(busy) <= MOST_UNFAIR + 1e-9


def test_where_nothing_is_followed_nobody_is_led_anywhere() -> None:
    assert aims_of(Course()) == {}


def test_levels_are_beside_what_they_are_to_be() -> None:
    assert beside({"a": 1.0}, {}) == {"a": 1.0}
    assert beside({"a": 1.0}, {"a": 0.25}) == {"a": 0.75}


def test_an_error_within_the_band_is_none_and_one_far_beyond_counts_for_as_much_as_may_be() -> None:
    assert [shrink(error, 0.1) for error in (0.05, -0.05, 0.3, -0.3, 9.0, -9.0)] == pytest.approx(
        [0.0, 0.0, 0.2, -0.2, 1.0, -1.0]
    )
    assert math.copysign(1.0, shrink(0.0, 0.1)) == 1.0
