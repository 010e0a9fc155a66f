import math

import pytest

from feedback.director.weights import Member
from feedback.director.weights.connections import Connections


def member(weight: int = 100, active: int = 0, new: int = 0) -> Member:
    return Member(base_weight=100, weight=weight, utilization=0.5, active_connections=active, new_connections=new)


def follow(connections: Connections, members: dict[str, Member], seconds: int = 300) -> None:
    for _ in range(seconds):
        connections.follow(1.0, members)


def made() -> Connections:
    return Connections(filter_seconds=1.25, response=10.0)


def test_connections_last_as_long_as_little_s_law_says() -> None:
    connections = made()
    follow(connections, {"a": member(active=120, new=2), "b": member(active=60, new=1)})
    assert connections.seconds() == pytest.approx(60.0)


def test_an_overloaded_server_does_not_make_the_others_connections_long() -> None:
    connections = made()
    follow(connections, {"a": member(active=1, new=20), "b": member(active=2000, new=20)})
    assert connections.seconds() == pytest.approx(0.05)
    assert connections.foresee(1.0, {"a": member(), "b": member()}, "ab") == {}


def test_where_nobody_counts_everything_is_trusted_and_nothing_foreseen() -> None:
    connections = made()
    connections.follow(0.0, {"a": member()})
    follow(connections, {"a": member()})
    assert connections.seconds() == 0.0
    assert connections.trust("a") == 1.0
    assert connections.foresee(1.0, {"a": member()}, "a") == {}


def test_few_connections_are_little_evidence() -> None:
    connections = made()
    follow(connections, {"few": member(active=1), "many": member(active=1000, new=100), "none": member()})
    assert connections.trust("few") == pytest.approx(1 / 11, rel=0.01)
    assert connections.trust("many") > 0.99
    assert connections.trust("none") == 0.0


def lasting() -> tuple[Connections, dict[str, Member]]:
    connections, members = made(), {"a": member(active=100, new=1), "b": member(active=100, new=1)}
    follow(connections, members)
    return connections, members


def test_a_weight_that_has_just_been_raised_has_its_load_still_to_come() -> None:
    connections, members = lasting()
    assert connections.foresee(1.0, members, "ab") == {"a": pytest.approx(0.0), "b": pytest.approx(0.0)}
    members["a"] = member(weight=300, active=100, new=1)
    foreseen = connections.foresee(1.0, members, "ab")
    assert foreseen["a"] == pytest.approx(math.log(151 / 101), rel=0.02)
    assert foreseen["b"] == pytest.approx(math.log(51 / 101), rel=0.02)


def test_foresight_has_its_limits() -> None:
    connections, members = lasting()
    members["a"] = member(weight=100_000, active=100, new=1)
    assert connections.foresee(1.0, members, "ab")["b"] == pytest.approx(-1.5, rel=0.02)


def test_what_stays_for_long_is_not_to_be_foreseen() -> None:
    connections, members = lasting()
    members["a"] = member(weight=300, active=100, new=1)
    for _ in range(4000):
        foreseen = connections.foresee(1.0, members, "ab")
    assert foreseen["a"] == pytest.approx(0.0, abs=0.01)


def test_of_those_without_a_weight_nothing_is_foreseen() -> None:
    connections, _ = lasting()
    nothing = {"a": member(weight=0), "b": member(weight=0)}
    assert connections.foresee(1.0, nothing, "ab") == {}
