import random

import pytest

from feedback.director.weights.evidence import (
    ALARM,
    CALM_RATIO,
    HASTE,
    LEAST_ERROR,
    LIKELY,
    SLOWEST_SECONDS,
    TOLERANCE_RATIOS,
    Blocks,
    Evidence,
)
from feedback.director.weights.writing import TOLERANCE_RATIO

FAST = 10.0


def observe(evidence: Evidence, error: float, log_ratio: float = 0.0, trust: float = 1.0, power: float = 0.0) -> None:
    evidence.observe(1.0, log_ratio, error, trust=trust, power=power, memory_seconds=0.0)


def watch(
    evidence: Evidence, seconds: int, error: float = 0.0, *, noise: float = 0.0, seed: int = 1, power: float = 0.0
) -> float:
    """Let so many seconds pass at one error, and return the time constant at their end."""
    chance = random.Random(seed)
    for _ in range(seconds):
        observe(evidence, error + chance.gauss(0.0, noise), power=power)
    return evidence.follow_seconds


def test_at_first_errors_are_followed_fast_and_then_more_and_more_slowly() -> None:
    evidence = Evidence(FAST)
    assert watch(evidence, round(HASTE * FAST)) == FAST
    assert watch(evidence, 60) == pytest.approx(FAST + 60 / 3, rel=0.05)
    assert watch(evidence, 10_000) == SLOWEST_SECONDS[0]


def test_it_gets_so_slow_that_chance_moves_a_weight_by_no_more_than_it_should() -> None:
    evidence = Evidence(FAST)
    slowest = 0.3**2 / (2 * CALM_RATIO**2)  # white noise of 0.3 in each second has the power 0.3 ** 2
    assert slowest == 200.0
    assert watch(evidence, 10_000, noise=0.4) == pytest.approx(slowest * 16 / 9, rel=0.4)
    assert watch(evidence, 20_000, noise=10.0) == SLOWEST_SECONDS[1]


def test_chance_that_is_known_beforehand_counts_before_it_is_seen() -> None:
    evidence = Evidence(FAST)
    assert watch(evidence, 2000, power=0.2) == pytest.approx(0.2 / (2 * CALM_RATIO**2))


def test_a_weight_may_be_off_by_what_chance_may_have_done_to_it() -> None:
    calm = Evidence(FAST)
    assert calm.tolerance == TOLERANCE_RATIO
    watch(calm, 200, power=0.0001)
    assert calm.tolerance == TOLERANCE_RATIOS[0]
    watch(calm, 4, power=0.025)
    assert calm.tolerance == pytest.approx(LIKELY * (0.025 / (2 * calm.follow_seconds)) ** 0.5)
    watch(calm, 10, power=10.0)
    assert calm.tolerance == TOLERANCE_RATIOS[1]


def test_what_is_news_is_written_at_once() -> None:
    evidence = Evidence(FAST)
    watch(evidence, 600, noise=0.2)
    watch(evidence, 12, error=2.0, noise=0.2, seed=2)
    assert evidence.follow_seconds < 2 * FAST
    assert evidence.tolerance == TOLERANCE_RATIO


def test_what_is_trusted_by_half_calms_down_in_twice_the_time() -> None:
    evidence = Evidence(FAST)
    for _ in range(200):
        observe(evidence, 0.0, trust=0.5)
    assert evidence.follow_seconds == pytest.approx(FAST + (100 - HASTE * FAST) / 3)


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_news(seed: int) -> None:
    evidence = Evidence(FAST)
    assert watch(evidence, 600, noise=0.3, seed=seed) > 100.0


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.05])
def test_a_new_error_is_followed_fast_again_within_seconds(noise: float) -> None:
    evidence = Evidence(FAST)
    watch(evidence, 600, noise=noise)
    assert watch(evidence, 12, error=0.5, noise=noise, seed=2) == FAST


def test_a_small_error_shows_over_a_long_time_and_is_followed_as_slowly() -> None:
    evidence = Evidence(FAST)
    watch(evidence, 1024, noise=0.1)
    slow = [watch(evidence, 1, error=0.05, noise=0.1, seed=second) for second in range(400)]
    assert FAST < min(slow) < 100.0


def test_an_error_too_small_to_matter_is_none_however_sure_it_is() -> None:
    evidence = Evidence(FAST)
    watch(evidence, 600)
    assert watch(evidence, 300, error=LEAST_ERROR / 2) > 200.0


def test_a_weight_that_moves_is_no_surprise_where_the_error_answers() -> None:
    """What is averaged is the weight that it should have, not the error: that does not change when the weight does."""
    evidence = Evidence(FAST)
    watch(evidence, 400)
    for log_ratio in (0.3, 0.6, 0.9):
        for _ in range(20):
            observe(evidence, -log_ratio, log_ratio)
    assert evidence.follow_seconds < 100.0  # the weight is off by that much, and this is news
    evidence = Evidence(FAST)
    for second in range(400):
        observe(evidence, 0.0, second * 0.001)
    assert evidence.follow_seconds > 100.0


def test_blocks_know_their_mean_and_say_when_they_are_complete() -> None:
    blocks = Blocks(4.0)
    assert [blocks.add(value, 1.0) for value in (1.0, 2.0, 3.0, 6.0)] == [False, False, False, True]
    assert (blocks.mean, blocks.variance) == (3.0, None)
    assert not blocks.surprises(9.0, 0.01, ALARM)  # nothing is known of noise yet
    for _ in range(4):
        blocks.add(4.0, 1.0)
    assert blocks.variance == pytest.approx(0.5)


@pytest.mark.parametrize(("deviations", "blocks_until_alarm"), [(7.0, 1), (4.1, 2), (2.8, 4), (1.4, None), (-2.8, 4)])
def test_the_smaller_an_error_the_more_blocks_in_a_row_it_takes(
    deviations: float, blocks_until_alarm: int | None
) -> None:
    blocks = Blocks(1.0)
    for value in (0.0, 0.1) * 20:
        blocks.add(value, 1.0)
    told = [blocks.surprises(deviations * 0.1, 0.01, ALARM) for _ in range(50)]
    assert (told.index(True) + 1 if True in told else None) == blocks_until_alarm


def test_errors_to_both_sides_are_no_surprise_and_one_that_was_told_begins_anew() -> None:
    blocks = Blocks(1.0)
    for value in (0.0, 0.1) * 20:
        blocks.add(value, 1.0)
    assert not any(blocks.surprises(side * 0.4, 0.01, ALARM) for side in (1, -1) * 20)
    blocks.above = blocks.below = 0.0
    assert [blocks.surprises(0.41, 0.01, ALARM) for _ in range(4)] == [False, True, False, True]


def test_the_first_error_is_none_of_the_chance_that_later_ones_are_held_against() -> None:
    evidence = Evidence(FAST)
    for second in range(round(HASTE * FAST)):
        observe(evidence, 2.0 * 0.9**second)
    watch(evidence, 400, noise=0.02)
    assert watch(evidence, 12, error=0.1, noise=0.02, seed=2) == FAST


def test_chance_in_waves_is_no_news_though_short_spans_do_not_see_them() -> None:
    evidence, followed = Evidence(FAST), []
    for second in range(1600):
        observe(evidence, 0.1 if second // 16 % 2 else -0.1)
        followed.append(evidence.follow_seconds)
    assert min(followed[400:]) > 60.0


def test_one_outlier_does_not_make_everything_noise() -> None:
    blocks = Blocks(1.0)
    for value in (0.0, 0.1) * 20:
        blocks.add(value, 1.0)
    before = blocks.variance
    blocks.add(1000.0, 1.0)
    assert before is not None
    assert blocks.variance is not None
    assert blocks.variance < 1.5 * before


def test_the_fewer_blocks_have_been_seen_the_less_is_sure_of_their_noise() -> None:
    blocks = Blocks(2.0)
    for value in (0.0, 0.0, 0.2, 0.2):
        blocks.add(value, 1.0)
    assert blocks.variance == pytest.approx(0.02)
    assert blocks.power == 0.0
    for value in (0.0, 0.2) * 8:
        blocks.add(value, 2.0)
    assert blocks.power == pytest.approx(0.02 * 2.0 * (1.0 - 17**-0.5))
