"""Which connections are let in."""

import pytest

from feedback.director import door as module
from feedback.director.door import Door


def test_one_address_can_not_have_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PER_ADDRESS", 2)
    door = Door(3)
    assert [door.enter("a"), door.enter("a"), door.enter("a")] == [True, True, False]
    assert [door.enter("b"), door.enter("c")] == [True, False]
    door.leave("a")
    assert door.enter("c")
    assert not door.enter("a")
    door.leave("c")
    assert door.enter("a")


def test_handshakes_are_few_at_once_and_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HANDSHAKES_PER_ADDRESS", 1)
    monkeypatch.setattr(module, "MAX_HANDSHAKES", 2)
    door = Door(100)
    assert [door.begin("a", 0.0), door.begin("a", 0.0)] == [True, False]
    assert [door.begin("b", 0.0), door.begin("c", 0.0)] == [True, False]
    door.end("a")
    assert door.begin("c", 0.0)
    door.end("b")
    assert door.begin("a", 0.0)


def test_handshakes_of_one_address_may_not_come_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HANDSHAKES_BURST", 2.0)
    monkeypatch.setattr(module, "HANDSHAKES_PER_SECOND", 1.0)
    door = Door(100)
    assert [door.begin("a", 0.0) for _ in range(3)] == [True, True, False]
    assert door.begin("b", 0.0)
    assert [door.begin("a", 1.0), door.begin("a", 1.0)] == [True, False]


def test_the_addresses_whose_rate_is_known_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ADDRESSES", 8)
    door = Door(10_000)
    for number in range(1000):
        door.begin(f"address {number}", 0.0)
        door.end(f"address {number}")
    assert len(door._rates) <= 8
