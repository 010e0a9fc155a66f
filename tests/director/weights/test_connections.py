import math

import pytest

from feedback.director.weights import Member
from feedback.director.weights.connections import Connections


def member(weight: int = 100, active: int = 0, new: int = 0) -> Member:
    return Member(base_weight=100, weight=weight, utilization=0.5, active_connections=active, new_connections=new)


def follow(connections: Connections, members: dict[str, Member], seconds: int = 300) -> None:
    for _ in range(seconds):
        connections.follow(1.0, members)


BUSY = {"a": 0.5, "b": 0.5}


def made() -> Connections:
    return Connections(filter_seconds=1.25, response=10.0)


def test_connections_last_as_long_as_little_s_law_says() -> None:
    connections = made()
    follow(connections, {"a": member(active=120, new=2), "b": member(active=60, new=1)})
    assert connections.seconds() == pytest.approx(60.0)


def test_how_long_they_last_is_known_from_those_that_end_while_they_are_still_becoming_more() -> None:
    """Of connections of a minute, none of which was there: a sixtieth ends each second, and ten come."""
    connections, active = made(), 0.0
    for _ in range(60):
        active += 10.0 - active / 60.0
        follow(connections, {"a": member(active=round(active), new=10)}, seconds=1)
    assert connections.seconds() == pytest.approx(60.0, rel=0.15)


def test_connections_of_which_none_ends_last_for_long() -> None:
    connections = made()
    for second in range(60):
        follow(connections, {"a": member(active=10 * second, new=10)}, seconds=1)
    assert connections.seconds() > 3600.0


def test_an_overloaded_server_does_not_make_the_others_connections_long() -> None:
    connections = made()
    follow(connections, {"a": member(active=1, new=20), "b": member(active=2000, new=20)})
    assert connections.seconds() == pytest.approx(0.05)
    assert connections.foresee(1.0, {"a": member(), "b": member()}, BUSY) == {}


def test_where_nobody_counts_everything_is_trusted_and_nothing_foreseen() -> None:
    connections = made()
    connections.follow(0.0, {"a": member()})
    follow(connections, {"a": member()})
    assert connections.seconds() == 0.0
    assert (connections.of("a").trust, connections.of("a").power) == (1.0, 0.0)
    assert connections.foresee(1.0, {"a": member()}, {"a": 0.5}) == {}


def test_few_connections_are_little_evidence() -> None:
    connections = made()
    follow(connections, {"few": member(active=1), "many": member(active=1000, new=100), "none": member()})
    assert connections.of("few").trust == pytest.approx(1 / 11, rel=0.01)
    assert connections.of("many").trust > 0.99
    assert connections.of("none").trust == 0.0


def test_the_fewer_requests_the_more_is_chance() -> None:
    connections = made()
    follow(connections, {"few": member(new=1), "many": member(new=100), "none": member()})
    assert connections.of("few").power == pytest.approx(2.0, rel=0.01)
    assert connections.of("many").power == pytest.approx(0.02, rel=0.01)
    assert connections.of("none").power == 200.0


def lasting() -> tuple[Connections, dict[str, Member]]:
    connections, members = made(), {"a": member(active=100, new=1), "b": member(active=100, new=1)}
    follow(connections, members)
    return connections, members


def test_a_weight_that_has_just_been_raised_has_its_load_still_to_come() -> None:
    connections, members = lasting()
    assert connections.foresee(1.0, members, BUSY) == {"a": pytest.approx(0.0), "b": pytest.approx(0.0)}
    members["a"] = member(weight=300, active=100, new=1)
    foreseen = connections.foresee(1.0, members, BUSY)
    assert foreseen["a"] == pytest.approx(math.log(151 / 101), rel=0.02)
    assert foreseen["b"] == pytest.approx(math.log(51 / 101), rel=0.02)


def test_foresight_has_its_limits() -> None:
    connections, members = lasting()
    members["a"] = member(weight=100_000, active=100, new=1)
    assert connections.foresee(1.0, members, BUSY)["b"] == pytest.approx(-1.5, rel=0.02)


def test_what_stays_for_long_is_not_to_be_foreseen() -> None:
    connections, members = lasting()
    members["a"] = member(weight=300, active=100, new=1)
    for _ in range(4000):
        foreseen = connections.foresee(1.0, members, BUSY)
    assert foreseen["a"] == pytest.approx(0.0, abs=0.01)


def test_what_comes_true_by_and_by_was_no_mismatch() -> None:
    """Connections of 100 s follow a weight, as they come and go; nothing of what was foreseen is left then."""
    connections, active = made(), {"a": 200.0, "b": 200.0}
    follow(connections, dict.fromkeys("ab", member(active=200, new=2)))
    for _ in range(600):
        active = {"a": active["a"] * 0.99 + 3.0, "b": active["b"] * 0.99 + 1.0}
        members = {
            "a": member(weight=300, active=round(active["a"]), new=3),
            "b": member(weight=100, active=round(active["b"]), new=1),
        }
        connections.follow(1.0, members)
        connections.foresee(1.0, members, BUSY)
    assert [connections.of(name).lasting for name in BUSY] == [pytest.approx(0.0, abs=0.01)] * 2


def test_that_connections_are_still_becoming_more_is_foreseen_for_all() -> None:
    connections, active = made(), 0.0
    members = {"a": member(), "b": member()}
    for _ in range(120):
        active += 1.0 - active / 100.0
        members = dict.fromkeys("ab", member(active=round(active), new=1))
        connections.follow(1.0, members)
        foreseen = connections.foresee(1.0, members, BUSY)
    assert foreseen["a"] == foreseen["b"] == pytest.approx(-math.log(1.0 - math.exp(-1.2)), abs=0.2)


def test_of_those_without_a_weight_nothing_is_foreseen() -> None:
    connections, _ = lasting()
    nothing = {"a": member(weight=0), "b": member(weight=0)}
    assert connections.foresee(1.0, nothing, BUSY) == {}
