"""Deadlines in slots: never early, and little more than a slot late."""

import math

from hypothesis import given
from hypothesis import strategies as st

from feedback.engine.deadlines import SLOTS_PER_SECOND, Deadlines

dues = st.floats(0, 1e6)


class Calls:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@given(dues)
def test_an_item_comes_after_its_deadline_and_within_two_slots(due: float) -> None:
    deadlines: Deadlines[str] = Deadlines(Calls())
    deadlines.add(due, "a")
    assert due <= deadlines.next_due() <= due + 2 / SLOTS_PER_SECOND
    assert deadlines.take(due - 1e-3) == []
    assert deadlines.take(deadlines.next_due()) == ["a"]
    assert deadlines.next_due() == math.inf


def test_what_is_done_before_does_not_come() -> None:
    deadlines: Deadlines[str] = Deadlines(Calls())
    items = deadlines.add(1.0, "a")
    deadlines.add(1.0, "b")
    items.discard("a")
    assert deadlines.take(2.0) == ["b"]


@given(st.lists(dues, max_size=30))
def test_all_come_in_the_order_of_their_slots(times: list[float]) -> None:
    deadlines: Deadlines[tuple[int, float]] = Deadlines(Calls())
    for number, due in enumerate(times):
        deadlines.add(due, (number, due))
    slots = [int(due * SLOTS_PER_SECOND) for _, due in deadlines.take_all()]
    assert slots == sorted(slots)
    assert len(slots) == len(times)


def test_only_an_earlier_deadline_calls() -> None:
    calls = Calls()
    deadlines: Deadlines[str] = Deadlines(calls)
    for due in (5.0, 7.0, 5.0, 3.0):
        deadlines.add(due, "a")
    assert calls.count == 2
