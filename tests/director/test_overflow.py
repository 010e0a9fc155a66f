"""The overflow's weight: its share in whole numbers, written seldom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.overflow import Overflow, grain_of, pace_seconds, share_of
from tests.director.world import service


@pytest.mark.parametrize(
    ("scheduler", "weight", "weights", "share"),
    [
        ("wlc", 100, [100, 200], 0.25),
        ("wlc", 0, [100], 0.0),
        ("wlc", 1, [0, 0], 0.0),
        ("rr", 1, [100, 100, 0], 1 / 3),
        ("fo", 1, [100, 100], 0.0),
    ],
)
def test_the_share_of_a_weight(scheduler: str, weight: int, weights: list[int], share: float) -> None:
    assert share_of(scheduler, weight, weights) == pytest.approx(share)


@given(
    scheduler=st.sampled_from(["wlc", "sed", "wrr", "mh"]),
    share=st.floats(0.02, 0.9),
    weights=st.lists(st.integers(0, 6000), min_size=1, max_size=8).filter(any),
)
def test_the_weight_has_the_share_that_is_asked_for(scheduler: str, share: float, weights: list[int]) -> None:
    weight = Overflow().serve(0.0, scheduler, share, weights)
    assert weight >= 1
    grain = grain_of(scheduler, weights)
    wanted = sum(weights) * share / (1.0 - share)
    assert abs(weight - min(wanted, 65535)) <= max(grain / 2, grain - wanted) + 1e-6
    assert weight % grain == 0


@given(weights=st.lists(st.integers(0, 3000), max_size=6))
def test_under_wrr_the_cycle_is_hardly_longer_for_the_overflow_and_the_weight_still_fine_enough(
    weights: list[int],
) -> None:
    grain = grain_of("wrr", weights)
    assert all(weight % grain == 0 for weight in weights)
    assert grain == 1 or grain <= 0.05 * sum(weights)
    assert grain_of("wlc", weights) == 1


def test_weights_of_a_hundred_leave_wrr_a_grain_of_ten() -> None:
    assert grain_of("wrr", [100, 100, 100]) == 10


def test_a_written_weight_stays_until_the_share_has_moved() -> None:
    overflow = Overflow()
    assert overflow.serve(0.0, "wlc", 0.25, [300]) == 100
    assert overflow.serve(1.0, "wlc", 0.258, [300]) == 100
    assert overflow.serve(2.0, "wlc", 0.27, [300]) == 111
    assert overflow.serve(3.0, "wlc", 0.27, [600]) == 222


def test_the_hash_schedulers_are_told_every_half_minute() -> None:
    overflow = Overflow()
    assert overflow.serve(0.0, "mh", 0.25, [300]) == 100
    assert overflow.serve(29.0, "mh", 0.5, [300]) == 100
    assert overflow.serve(30.0, "mh", 0.5, [300]) == 300
    assert overflow.serve(31.0, "mh", 0.5, [150]) == 150  # the others' have changed: clients move anyway
    assert (pace_seconds("mh"), pace_seconds("wlc")) == (30.0, 0.0)


@pytest.mark.parametrize("scheduler", ["rr", "lc", "dh", "fo", "ovf"])
def test_where_weights_are_no_shares_it_is_one(scheduler: str) -> None:
    assert Overflow().serve(0.0, scheduler, 0.5, [100, 100]) == 1


def test_it_leaves_when_its_last_connection_is_gone() -> None:
    overflow, config = Overflow(), service(drain_timeout_seconds=60.0)
    assert not overflow.is_gone(0.0, config, 40, 0)  # quiesced first: what comes until then is counted
    assert not overflow.is_gone(1.0, config, 0, 2)
    assert overflow.is_gone(2.0, config, 0, 0)


def test_it_leaves_when_drain_timeout_is_over() -> None:
    overflow, config = Overflow(), service(drain_timeout_seconds=60.0)
    assert not overflow.is_gone(100.0, config, 40, 2)
    assert not overflow.is_gone(159.0, config, 0, 2)
    assert overflow.is_gone(160.0, config, 0, 2)


def test_each_leaving_has_its_own_time_and_each_coming_its_own_weight() -> None:
    overflow, config = Overflow(), service(drain_timeout_seconds=60.0)
    overflow.serve(0.0, "mh", 0.25, [300])
    overflow.is_gone(10.0, config, 100, 2)
    assert overflow.serve(20.0, "mh", 0.5, [300]) == 300
    assert not overflow.is_gone(71.0, config, 300, 2)


@pytest.mark.parametrize("scheduler", ["sh", "mh", "dh"])
def test_under_the_hash_schedulers_it_leaves_at_once(scheduler: str) -> None:
    assert Overflow().is_gone(0.0, service(scheduler=scheduler), 40, 7)
