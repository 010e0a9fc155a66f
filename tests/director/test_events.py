"""The event log: a bounded ring, one line each, and listeners who can't slow it down."""

import asyncio
import itertools
import logging

import pytest

from feedback.director.events import (
    MAX_EVENTS,
    MAX_MESSAGE_LENGTH,
    MAX_WAITING,
    Event,
    EventLog,
    log_line,
    one_line,
)


@pytest.fixture
def events() -> EventLog:
    return EventLog(itertools.count(100.0).__next__)


def sequences(listed: tuple[Event, ...]) -> list[int]:
    return [event.sequence for event in listed]


def test_events_are_kept_in_order_with_their_time(events: EventLog) -> None:
    events.record("removed", "rs2 removed from web: http check failed 3 of 3: refused", "web", "rs2")
    events.record("config", "reloaded")
    assert events.events() == (
        Event(
            sequence=1,
            at=100.0,
            kind="removed",
            message="rs2 removed from web: http check failed 3 of 3: refused",
            service="web",
            destination="rs2",
        ),
        Event(sequence=2, at=101.0, kind="config", message="reloaded"),
    )
    assert events.sequence == 2


def test_only_events_after_a_sequence_are_returned(events: EventLog) -> None:
    for _ in range(5):
        events.record("weight", "changed")
    assert sequences(events.events(after=3)) == [4, 5]
    assert events.events(after=5) == ()


def test_a_sequence_from_before_a_restart_returns_everything(events: EventLog) -> None:
    events.record("weight", "changed")
    assert sequences(events.events(after=70)) == [1]


def test_the_oldest_events_make_room(events: EventLog) -> None:
    for _ in range(MAX_EVENTS + 5):
        events.record("weight", "changed")
    kept = sequences(events.events())
    assert (kept[0], kept[-1], len(kept)) == (6, MAX_EVENTS + 5, MAX_EVENTS)


def test_each_event_is_one_structured_log_line(events: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "feedback.events"):
        events.record("removed", 'rs2 removed from web: the body is "no"', "web", "rs2")
    assert caplog.messages == [
        r'event=removed service=web destination=rs2 message="rs2 removed from web: the body is \"no\""'
    ]


def test_a_line_leaves_out_what_an_event_has_not() -> None:
    event = Event(sequence=1, at=0.0, kind="config", message="größer")
    assert log_line(event) == 'event=config message="größer"'


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("plain", "plain"),
        ("größer", "größer"),
        ("two\nlines\r", r"two\nlines\r"),
        ("red \x1b[31m and \x9b31m", r"red \x1b[31m and \x9b31m"),
        ("bidi \u202e evil", r"bidi \u202e evil"),
        ("half \ud800", r"half \ud800"),
    ],
)
def test_what_servers_say_is_made_printable(events: EventLog, said: str, line: str) -> None:
    events.record("health", said)
    assert events.events()[0].message == line


def test_what_servers_say_is_cut() -> None:
    line = one_line("x" * 5000)
    assert (len(line), line[-2:]) == (MAX_MESSAGE_LENGTH, "x…")


async def test_a_listener_hears_what_comes_while_it_listens(events: EventLog) -> None:
    events.record("config", "before")
    with events.subscribe() as subscription:
        events.record("config", "one")
        events.record("config", "two")
        heard, missed = await subscription.next()
        assert ([event.message for event in heard], missed) == (["one", "two"], 0)
        waiting = asyncio.create_task(subscription.next())
        await asyncio.sleep(0)
        assert not waiting.done()
        events.record("config", "three")
        heard, _ = await waiting
        assert [event.message for event in heard] == ["three"]
    assert events.listeners == 0


async def test_a_slow_listener_loses_the_oldest_and_is_told_how_many(events: EventLog) -> None:
    with events.subscribe() as slow:
        for _ in range(MAX_WAITING + 7):
            events.record("weight", "changed")
        heard, missed = await slow.next()
        assert (len(heard), heard[0].sequence, missed) == (MAX_WAITING, 8, 7)
        events.record("weight", "changed")
        heard, missed = await slow.next()
        assert (len(heard), missed) == (1, 0)


async def test_listeners_do_not_disturb_each_other(events: EventLog) -> None:
    with events.subscribe() as one, events.subscribe() as other:
        assert events.listeners == 2
        events.record("config", "both")
        assert await one.next() == await other.next()
