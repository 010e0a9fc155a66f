import pytest

from feedback.director.weights import Member
from feedback.director.weights.limits import Limits
from feedback.director.weights.track import Track

FAST_SECONDS = 10.0


def held(ratios: dict[str, float], followed: str, seconds: float = 1.0) -> tuple[dict[str, float], Limits]:
    """Hold members of base weight 100 between 10 and 1000; return their ratios then, and the limits."""
    limits = Limits(0.1, 10.0, FAST_SECONDS)
    members = {name: Member(base_weight=100, weight=100, utilization=0.5) for name in ratios}
    tracks = {name: Track(ratio, heard=0.0, seen=0.0) for name, ratio in ratios.items()}
    limits.hold(seconds, members, tracks, followed)
    return {name: track.ratio for name, track in tracks.items()}, limits


def test_within_the_bounds_nothing_is_held() -> None:
    ratios, limits = held({"a": 0.2, "b": 5.0}, "ab")
    assert ratios == {"a": 0.2, "b": 5.0}
    assert (limits.reach.at_floor, limits.reach.at_ceiling) == ((), ())


def test_who_is_beyond_a_bound_is_brought_back_to_it() -> None:
    ratios, limits = held({"a": 0.05, "b": 1.0, "c": 20.0}, "")
    assert ratios == {"a": 0.1, "b": 1.0, "c": 10.0}
    assert (set(limits.reach.at_floor), set(limits.reach.at_ceiling)) == ({"a"}, {"c"})


@pytest.mark.parametrize(("ratio", "way"), [(0.097, 1 / 0.97), (10.3, 1 / 1.03)])
def test_the_others_give_way_as_far_as_one_who_is_followed_is_beyond(ratio: float, way: float) -> None:
    ratios, _ = held({"a": ratio, "b": 1.0, "c": 2.0}, "abc")
    assert ratios["b"] == pytest.approx(way)
    assert ratios["c"] / ratios["b"] == pytest.approx(2.0)


def test_nobody_gives_way_further_than_an_error_can_bring_in_a_step_nor_for_one_who_is_not_followed() -> None:
    assert held({"a": 0.01, "b": 1.0}, "ab")[0]["b"] == pytest.approx(2.718 ** (1.0 / FAST_SECONDS), rel=1e-3)
    assert held({"a": 0.01, "b": 1.0}, "b")[0]["b"] == 1.0


def test_where_one_is_below_and_another_above_there_is_nowhere_to_go() -> None:
    assert held({"a": 0.05, "b": 1.0, "c": 20.0}, "abc")[0]["b"] == 1.0
