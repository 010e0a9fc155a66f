import random

import pytest

from feedback.director.weights import Member
from feedback.director.weights.capacity import MEAN_SECONDS, Capacity


def member(active: int, new: int) -> Member:
    return Member(base_weight=100, weight=100, utilization=None, active_connections=active, new_connections=new)


def learned(
    *, rate: int = 60, speed: float = 100.0, other: float = 0.0, seconds: int = 600, into: Capacity | None = None
) -> Capacity:
    """Return what is learned of a server that shares itself among its requests."""
    chance, capacity = random.Random(1), into or Capacity()
    busy = rate / (speed * (1.0 - other))
    for _ in range(seconds):
        requests = 0
        while chance.random() < busy:  # geometric, as many are there at a time
            requests += 1
        capacity.follow(1.0, member(requests, rate), other + (1.0 - other) * busy)
    return capacity


def test_what_a_server_could_do_is_learned_from_how_busy_it_is() -> None:
    capacity = learned()
    assert capacity.requests_per_second(capacity.other) == pytest.approx(100.0, rel=0.1)
    assert capacity.other < 0.1
    assert capacity.own_bursts == pytest.approx(1.0, rel=0.3)
    assert capacity.seconds == capacity.age == 600.0


def test_work_besides_is_told_by_how_few_requests_are_there_for_how_busy_it_is() -> None:
    capacity = learned(rate=30, other=0.5)
    assert capacity.other == pytest.approx(0.5, abs=0.08)
    assert capacity.requests_per_second(capacity.other) == pytest.approx(50.0, rel=0.1)


def test_what_is_not_sure_yet_is_no_other_work() -> None:
    assert learned(rate=55, other=0.1, seconds=15).other < 0.05


def test_requests_that_come_evenly_are_no_other_work() -> None:
    capacity = Capacity()
    for second in range(300):
        capacity.follow(1.0, member(1 if second % 100 < 93 else 0, 60), 0.6)  # B = 0.37
    assert capacity.own_bursts == pytest.approx(0.37, abs=0.05)
    assert capacity.other > 0.2
    capacity.bursts = capacity.own_bursts
    assert capacity.other == 0.0
    assert capacity.requests_per_second(capacity.other) == pytest.approx(100.0)


@pytest.mark.parametrize(("active", "new"), [(0, 0), (0, 60), (5, 0)])
def test_where_nothing_is_counted_nothing_is_known(active: int, new: int) -> None:
    capacity = Capacity()
    assert not capacity.is_counted
    capacity.follow(1.0, member(active, new), 0.5)
    assert not capacity.is_counted


def test_a_server_that_becomes_slower_is_learned_anew() -> None:
    capacity = learned()
    learned(rate=40, speed=50.0, seconds=60, into=capacity)
    assert capacity.seconds < 100.0
    assert capacity.age == 660.0
    learned(rate=40, speed=50.0, seconds=120, into=capacity)
    assert capacity.requests_per_second(capacity.other) == pytest.approx(50.0, rel=0.1)


def test_other_clients_are_no_other_server() -> None:
    capacity = learned()
    learned(rate=30, into=capacity, seconds=600)
    assert capacity.seconds == MEAN_SECONDS
    assert capacity.requests_per_second(capacity.other) == pytest.approx(100.0, rel=0.15)


def test_an_idle_server_is_no_division_by_zero() -> None:
    capacity = Capacity()
    for _ in range(200):
        capacity.follow(1.0, member(0, 0), 0.0)
    assert capacity.requests_per_second(capacity.other) == 0.0
    assert capacity.own_bursts <= 0.0
