import math

import pytest

from feedback.director.weights import Member
from feedback.director.weights.echo import LONGEST_SECONDS, Echo


def member(weight: int = 100, active: int = 1, inactive: int = 4800, new: int = 40) -> Member:
    return Member(
        base_weight=100,
        weight=weight,
        utilization=0.5,
        active_connections=active,
        inactive_connections=inactive,
        new_connections=new,
    )


def follow(echo: Echo, members: dict[str, Member], busy: dict[str, float], seconds: int, since: float = 0.0) -> None:
    for second in range(seconds):
        echo.follow(since + second, 1.0, members, busy)


TWO = {"a": member(), "b": member()}
BUSY = {"a": 0.4, "b": 0.6}


def test_it_lasts_as_long_as_inactive_connections_are_kept() -> None:
    echo = Echo("wlc", 1.25)
    follow(echo, TWO, BUSY, 300)
    assert echo.seconds() == pytest.approx(120.0, rel=0.01)


@pytest.mark.parametrize(
    ("scheduler", "members"),
    [
        ("wrr", TWO),
        ("sed", TWO),  # counts active connections alone
        ("wlc", {"a": member(active=19), "b": member(active=19)}),
        ("wlc", {"a": member(inactive=0), "b": member(inactive=0)}),
        ("wlc", {"a": member(new=0), "b": member(new=0)}),
    ],
)
def test_where_active_connections_count_for_more_there_is_none(scheduler: str, members: dict[str, Member]) -> None:
    echo = Echo(scheduler, 1.25)
    follow(echo, members, BUSY, 300)
    assert echo.seconds() == 0.0
    assert echo.means(BUSY) == {}


def test_a_mean_is_over_just_so_long() -> None:
    echo = Echo("wlc", 1.25)
    follow(echo, TWO, {"a": 1.0, "b": 0.6}, 200)
    follow(echo, TWO, {"a": 0.0, "b": 0.6}, 60, since=200.0)
    window = echo.seconds()
    assert echo.means("ab") == pytest.approx({"a": (window - 60.0) / window, "b": 0.6}, rel=0.02)


def test_who_has_not_been_there_for_so_long_has_no_mean_and_then_nobody_has() -> None:
    echo = Echo("wlc", 1.25)
    follow(echo, TWO, BUSY, 100)
    assert echo.means("ab") == {}
    follow(echo, TWO, BUSY, 100, since=100.0)
    assert set(echo.means("ab")) == {"a", "b"}
    assert echo.means("abc") == {}
    follow(echo, TWO | {"c": member()}, BUSY | {"c": 0.5}, 50, since=200.0)
    assert echo.means("abc") == {}


def test_connections_that_are_kept_for_ever_are_remembered_for_some_minutes() -> None:
    echo = Echo("wlc", 1.25)
    follow(echo, {"a": member(inactive=10**6)}, {"a": 0.5}, 1000)
    assert echo.seconds() == LONGEST_SECONDS
    assert echo.means("a") == pytest.approx({"a": 0.5})


def test_a_clock_that_stands_teaches_nothing() -> None:
    echo = Echo("wlc", 1.25)
    echo.follow(0.0, 0.0, TWO, BUSY)
    assert echo.seconds() == 0.0


def test_who_is_given_more_than_its_weight_says_has_a_burst() -> None:
    echo = Echo("wlc", 1.25)
    follow(echo, {"a": member(new=60), "b": member(new=20)}, BUSY, 60)
    bursts = echo.bursts({"a": 100.0, "b": 100.0})
    assert bursts == pytest.approx({"a": math.log(60.1 / 40.1), "b": math.log(20.1 / 40.1)}, rel=0.01)
    assert echo.bursts({"a": 300.0, "b": 100.0}) == pytest.approx({"a": 0.0, "b": 0.0}, abs=0.01)


def test_a_burst_has_its_limits() -> None:
    echo = Echo("wlc", 1.25)
    follow(echo, {"a": member(new=10_000), "b": member(new=0)}, BUSY, 60)
    assert echo.bursts({"a": 100.0, "b": 100.0})["b"] == -2.0


def test_shares_are_of_what_is_given() -> None:
    echo = Echo("wlc", 1.25)
    follow(echo, {"a": member(new=60), "b": member(new=20)}, BUSY, 60)
    assert echo.shares("ab") == pytest.approx({"a": 0.75, "b": 0.25}, rel=0.01)
    assert echo.shares("a") == {"a": 1.0}
    assert Echo("wlc", 1.25).shares("ab") == {}
