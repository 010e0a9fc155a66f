import math

import pytest

from feedback.director.weights import Member
from feedback.director.weights.track import Clock, Track, Tracks, between, lag


def member(base_weight: int = 100, weight: int = 100) -> Member:
    return Member(base_weight=base_weight, weight=weight, utilization=None)


def test_two_short_steps_of_a_filter_are_one_long_one() -> None:
    assert (1 - lag(0.3, 2.0)) * (1 - lag(1.7, 2.0)) == pytest.approx(1 - lag(2.0, 2.0))


def test_a_filter_without_a_time_constant_follows_at_once() -> None:
    assert lag(1.0, 0.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("moments", "seconds"),
    [
        ([5.0], 0.0),
        ([5.0, 6.0, 6.5], 1.5),
        ([5.0, 4.0, 4.5], 0.5),
        ([5.0, 9999.0], 5.0),
        ([5.0, math.nan, 6.0, 7.0], 1.0),
    ],
)
def test_the_policys_own_time_neither_goes_back_nor_jumps(moments: list[float], seconds: float) -> None:
    clock = Clock()
    assert sum(clock.advance(now) for now in moments) == seconds
    assert clock.seconds == seconds


@pytest.mark.parametrize("unusable", [None, math.nan, math.inf, -0.1])
def test_what_is_no_utilization_is_not_heard(unusable: float | None) -> None:
    track = Track(ratio=1.0, heard=0.0, seen=0.0)
    track.filter(5.0, unusable, 1.0)
    assert (track.heard, track.utilization) == (0.0, None)
    assert not track.is_fresh(0.0)


def test_the_first_utilization_is_taken_whole_and_the_next_in_part() -> None:
    track = Track(ratio=1.0, heard=0.0, seen=0.0)
    track.filter(1.0, 0.5, 0.25)
    assert track.utilization == 0.5
    assert track.is_fresh(1.0)
    track.filter(2.0, 0.9, 0.25)
    assert track.utilization == pytest.approx(0.6)
    assert not track.is_fresh(3.0)


def test_a_new_member_goes_on_from_the_weight_in_the_table() -> None:
    tracks = Tracks().follow(0.0, {"rs1": member(100, 37), "rs2": member(50, 0), "rs3": member(0, 0)})
    assert {name: track.ratio for name, track in tracks.items()} == {"rs1": 0.37, "rs2": 1.0}


def test_those_of_the_first_step_were_there_before_and_later_ones_have_joined() -> None:
    tracks = Tracks()
    tracks.follow(0.0, {"rs1": member()})
    followed = tracks.follow(1.0, {"rs1": member(), "rs2": member()})
    assert {name: track.joined for name, track in followed.items()} == {"rs1": None, "rs2": 1.0}


def test_who_comes_back_keeps_the_ratio_and_nothing_of_the_old_load() -> None:
    tracks = Tracks()
    tracks.follow(0.0, {"rs1": member(100, 37)})["rs1"].filter(0.0, 0.9, 1.0)
    tracks.follow(1.0, {})
    back = tracks.follow(2.0, {"rs1": member(100, 0)})["rs1"]
    assert (back.ratio, back.utilization, back.joined, back.heard) == (0.37, None, 2.0, 2.0)


def test_who_is_away_for_long_is_forgotten() -> None:
    tracks = Tracks()
    tracks.follow(0.0, {"rs1": member(100, 37)})
    tracks.follow(601.0, {})
    assert tracks.follow(602.0, {"rs1": member(100, 0)})["rs1"].ratio == 1.0


def test_between_is_0_below_and_1_above() -> None:
    assert [between(value, 1.0, 3.0) for value in (0.0, 2.0, 9.0)] == [0.0, 0.5, 1.0]
    assert not math.isnan(between(1.0, 1.0, 3.0))
