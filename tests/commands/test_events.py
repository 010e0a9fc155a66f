"""`feedback events`: what is printed, and how a stream is followed."""

import json
import sys
import time

import pytest

from feedback.cli import main
from feedback.commands import client
from feedback.commands.client import DirectorError
from feedback.commands.events import Missed, as_line, read_stream
from feedback.director.events import Event
from tests.commands.threads import director, stranger

AT = 1_700_000_000.0


@pytest.fixture(autouse=True)
def somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


REMOVED = Event(sequence=1, at=AT, kind="removed", message="rs2 removed from web", service="web", destination="rs2")


def test_an_event_is_a_line() -> None:
    assert as_line(REMOVED) == "2023-11-14 22:13:20  removed    rs2 removed from web"
    assert as_line(Missed(7)) == "... 7 events were missed ..."


def test_what_a_director_says_can_not_drive_the_terminal() -> None:
    event = Event(sequence=1, at=AT, kind="agent", message="\x1b[2J")
    assert as_line(event).endswith(r"agent      \x1b[2J")


def test_a_stream_is_events_between_empty_lines() -> None:
    stream = b"""retry: 2000

:

event: missed
data: {"missed":7}

id: 8
data: {"sequence":8,"at":1.0,"kind":"config","message":"reloaded"}
"""
    assert list(read_stream([*stream.splitlines(), b""])) == [
        Missed(7),
        Event(sequence=8, at=1.0, kind="config", message="reloaded"),
    ]


def test_a_stream_of_something_else_is_a_sentence() -> None:
    with pytest.raises(DirectorError, match=r"^the stream is not a feedback director's: "):
        list(read_stream([b"data: hello", b""]))


@pytest.mark.loopback
def test_events_are_printed_oldest_first(capsys: pytest.CaptureFixture[str]) -> None:
    with director() as there:
        there.control.events.record("removed", "rs2 removed from web", "web", "rs2")
        there.control.events.record("config", "reloaded")
        assert main(["events", "--director", there.url]) == 0
        assert capsys.readouterr().out == (
            "2023-11-14 22:13:20  removed    rs2 removed from web\n2023-11-14 22:13:21  config     reloaded\n"
        )
        assert main(["events", "--json", "--director", there.url]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["kind"], first["destination"], second["sequence"]) == ("removed", "rs2", 2)


@pytest.mark.loopback
def test_following_prints_what_comes_until_the_director_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with director() as there:
        there.control.events.record("config", "before")
        flush = sys.stdout.flush
        printed = 0

        def go_on() -> None:
            """Record the next event when the one before it was printed, and end after that."""
            nonlocal printed
            printed += 1
            flush()
            if printed == 1:
                there.do(lambda: there.control.events.record("config", "after"))
            if printed == 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(sys.stdout, "flush", go_on)
        assert main(["events", "--follow", "--director", there.url]) == 130
    assert [line[-6:] for line in capsys.readouterr().out.splitlines()] == ["before", " after"]


@pytest.mark.loopback
def test_a_stream_that_ends_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with stranger(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 2000\n\n") as url:
        assert main(["events", "--follow", "--director", url]) == 1
    assert capsys.readouterr().err == f"feedback events: the director at {url} has ended the stream\n"


@pytest.mark.loopback
def test_a_stream_that_falls_silent_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "STREAM_TIMEOUT_SECONDS", 0.05)
    with stranger(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", hold=True) as url:
        assert main(["events", "--follow", "--director", url]) == 1
    assert capsys.readouterr().err == (f"feedback events: the director at {url} does not answer within 0.05 s\n")


@pytest.mark.loopback
def test_a_stream_that_is_refused_is_the_directors_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feedback.director.stream.MAX_LISTENERS", 0)
    with director() as there:
        assert main(["events", "--follow", "--director", there.url]) == 1
    assert capsys.readouterr().err == "feedback events: 0 listen already: try again later\n"
