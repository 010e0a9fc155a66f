import random

import pytest

from feedback.director.weights.evidence import HASTE, LEAST_ERROR, SLOWEST_SECONDS, Blocks, Evidence

FAST = 10.0


def watch(evidence: Evidence, seconds: int, error: float = 0.0, noise: float = 0.0, seed: int = 1) -> float:
    """Let so many seconds pass at one error, and return the time constant at their end."""
    chance = random.Random(seed)
    for _ in range(seconds):
        evidence.observe(1.0, 0.0, error + chance.gauss(0.0, noise), 1.0)
    return evidence.follow_seconds()


def test_at_first_errors_are_followed_fast_and_then_more_and_more_slowly() -> None:
    evidence = Evidence(FAST)
    assert watch(evidence, round(HASTE * FAST)) == FAST
    assert watch(evidence, 60) == pytest.approx(FAST + 60 / 3)
    assert watch(evidence, 10_000) == SLOWEST_SECONDS


def test_what_is_trusted_by_half_calms_down_in_twice_the_time() -> None:
    evidence = Evidence(FAST)
    for _ in range(200):
        evidence.observe(1.0, 0.0, 0.0, 0.5)
    assert evidence.follow_seconds() == pytest.approx(FAST + (100 - HASTE * FAST) / 3)


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
    assert watch(evidence, 300, error=LEAST_ERROR / 2) > 100.0


def test_a_weight_that_moves_is_no_surprise_where_the_error_answers() -> None:
    """What is averaged is the weight that it should have, not the error: that does not change when the weight does."""
    evidence = Evidence(FAST)
    watch(evidence, 400)
    for log_ratio in (0.3, 0.6, 0.9):
        for _ in range(20):
            evidence.observe(1.0, log_ratio, -log_ratio, 1.0)
    assert evidence.follow_seconds() < 100.0  # the weight is off by that much, and this is news
    evidence = Evidence(FAST)
    for second in range(400):
        evidence.observe(1.0, second * 0.001, 0.0, 1.0)
    assert evidence.follow_seconds() > 100.0


def test_blocks_know_their_mean_and_say_when_they_are_complete() -> None:
    blocks = Blocks(4.0)
    assert [blocks.add(value, 1.0) for value in (1.0, 2.0, 3.0, 6.0)] == [False, False, False, True]
    assert (blocks.mean, blocks.variance) == (3.0, None)
    assert not blocks.surprises(9.0)  # nothing is known of noise yet
    for _ in range(4):
        blocks.add(4.0, 1.0)
    assert blocks.variance == pytest.approx(0.5)


def test_one_outlier_does_not_make_everything_noise() -> None:
    blocks = Blocks(1.0)
    for value in (0.0, 0.1, 0.0, 0.1):
        blocks.add(value, 1.0)
    before = blocks.variance
    blocks.add(1000.0, 1.0)
    assert before is not None
    assert blocks.variance is not None
    assert blocks.variance < 2 * before
