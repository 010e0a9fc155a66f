import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.schedule import SLOT_SECONDS, Wheel, first_start, next_start, phase_seconds, until_next_slot

intervals = st.floats(0.05, 3600)
nows = st.floats(0, 1e7)


def test_phase_is_the_same_at_every_call_and_differs_between_names() -> None:
    assert phase_seconds("web/rs1/http", 2.0) == phase_seconds("web/rs1/http", 2.0)
    assert phase_seconds("web/rs1/http", 2.0) != phase_seconds("web/rs2/http", 2.0)


def test_a_thousand_names_spread_evenly_over_the_interval() -> None:
    tenths = [0] * 10
    for number in range(1000):
        tenths[int(phase_seconds(f"web/rs{number}/http", 10.0))] += 1
    assert min(tenths) > 60
    assert max(tenths) < 140


@given(st.text(min_size=1), nows, intervals)
def test_the_first_start_is_within_one_interval(name: str, now: float, interval: float) -> None:
    assert now <= first_start(name, now, interval) <= now + interval


def test_the_next_start_keeps_the_phase() -> None:
    assert next_start(due=10.0, now=10.3, interval_seconds=2.0) == 12.0


def test_a_check_that_ran_over_its_interval_skips_the_starts_it_missed() -> None:
    assert next_start(due=10.0, now=15.1, interval_seconds=2.0) == 16.0


@given(nows, st.floats(0, 100), intervals)
def test_the_next_start_is_never_in_the_past(started: float, ran: float, interval: float) -> None:
    now = started + ran
    assert next_start(started, now, interval) >= now or next_start(started, now, interval) == pytest.approx(now)


def test_the_wheel_gives_each_item_once_and_not_before_its_slot() -> None:
    wheel: Wheel[str] = Wheel(now=0.0)
    wheel.add(0.2, "a")
    wheel.add(0.4, "b")
    assert wheel.take(0.1) == []
    assert wheel.take(0.2 + SLOT_SECONDS / 2) == ["a"]
    assert wheel.take(0.5) == ["b"]
    assert wheel.take(9.0) == []


def test_an_item_that_is_due_already_comes_with_the_next_slot() -> None:
    wheel: Wheel[str] = Wheel(now=5.0)
    wheel.take(6.0)
    wheel.add(1.0, "late")
    assert wheel.take(6.0) == []
    assert wheel.take(6.0 + 1.5 * SLOT_SECONDS) == ["late"]


@given(st.lists(st.floats(0.1, 100), max_size=30), st.lists(st.floats(0, 60), max_size=10))
def test_nothing_is_lost_whatever_the_pauses(dues: list[float], pauses: list[float]) -> None:
    wheel: Wheel[float] = Wheel(now=0.0)
    for due in dues:
        wheel.add(due, due)
    now, taken = 0.0, list[float]()
    for pause in [*pauses, 200.0]:
        now += pause
        batch = wheel.take(now)
        assert all(due <= now + SLOT_SECONDS for due in batch)
        taken += batch
    assert sorted(taken) == sorted(dues)


@given(nows)
def test_the_next_slot_is_between_half_a_slot_and_one_and_a_half_away(now: float) -> None:
    assert 0.49 * SLOT_SECONDS <= until_next_slot(now) <= 1.51 * SLOT_SECONDS
