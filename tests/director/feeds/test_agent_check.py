import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.feeds.agent_check import AgentCheckFeed, Heard, after, report_of
from feedback.report import HostState, Report, decode_agent_frame, encode
from feedback.testing import Close, Connection, Receive, Send
from tests.director.feeds.asked import asked, refused

READY, DRAIN, DOWN = HostState


def hear(*lines: str) -> Report:
    heard = Heard()
    for line in lines:
        heard = after(heard, line)
    return report_of(heard)


@pytest.mark.parametrize(
    ("lines", "report"),
    [
        (("75%",), Report({"agent_check": 0.25})),
        (("up, ready 100%",), Report({"agent_check": 0.0})),
        (("150%",), Report({"agent_check": 0.0})),
        (("0%",), Report({"agent_check": 1.0})),
        (("weight:60% maxconn:30",), Report({"agent_check": 0.4})),
        (("up",), Report({})),
        (("",), Report({})),
        (("drain",), Report({}, state=DRAIN, why="its agent says drain")),
        (("maint",), Report({}, state=DRAIN, why="its agent says drain")),
        (("down #disk\tfull",), Report({}, state=DOWN, why="its agent says down: disk full")),
        (("STOPPED",), Report({}, state=DOWN, why="its agent says stopped")),
        (("drain fail",), Report({}, state=DOWN, why="its agent says fail")),
        (("down #\u00fcber",), Report({}, state=DOWN, why="its agent says down: \\xfcber")),
    ],
)
def test_words_are_an_agents_report(lines: tuple[str, ...], report: Report) -> None:
    said = hear(*lines)
    assert (said.state, said.why, said.failures) == (report.state, report.why, {})
    assert said.metrics == pytest.approx(report.metrics)


@pytest.mark.parametrize(
    ("lines", "state", "why"),
    [
        (("drain", "75%"), DRAIN, "its agent says drain"),
        (("drain", "up"), DRAIN, "its agent says drain"),
        (("drain", "ready"), READY, ""),
        (("down #a disk", "50%"), DOWN, "its agent says down: a disk"),
        (("down #a disk", "ready"), DOWN, "its agent says down: a disk"),
        (("down #a disk", "down"), DOWN, "its agent says down: a disk"),
        (("down #a disk", "fail"), DOWN, "its agent says fail"),
        (("down #a disk", "down #two"), DOWN, "its agent says down: two"),
        (("down #a disk", "up"), READY, ""),
    ],
)
def test_what_is_not_said_again_stays_as_it_was(lines: tuple[str, ...], state: HostState, why: str) -> None:
    said = hear(*lines)
    assert (said.state, said.why) == (state, why)


def test_a_share_stays_until_another_one_is_said() -> None:
    assert hear("75%", "up").metrics == {"agent_check": 0.25}
    assert hear("75%", "40%").metrics == pytest.approx({"agent_check": 0.6})
    assert hear("75%", "weight:30", "up").failures


@pytest.mark.parametrize(
    ("line", "failure"),
    [
        ("failed", 'the agent says "failed", which is no word of agent-check'),
        ("weight:30", "the agent says weight:30, which is no share of anything: it must say N%"),
    ],
)
def test_what_says_nothing_of_load_is_a_failure(line: str, failure: str) -> None:
    assert hear(line) == Report({}, {"agent_check": failure})
    assert not hear("failed", "up").failures


@given(st.lists(st.text(max_size=300), max_size=3))
def test_any_line_makes_a_report_that_is_taken(lines: list[str]) -> None:
    report = hear(*lines)
    assert decode_agent_frame(encode(report)) == report


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize("line", [b"up 75%\n", b"up 75%\r\n", b"up 75%\rmore", b"up 75%\nmore\n"])
def test_the_first_line_is_read(line: bytes, chunk_bytes: int | None) -> None:
    feed = AgentCheckFeed(port=5000)
    assert asked(feed, Connection(Send(line)), chunk_bytes=chunk_bytes).metrics == {"agent_check": 0.25}


def test_an_empty_line_says_nothing() -> None:
    assert asked(AgentCheckFeed(port=5000), Connection(Send(b"\n"))) == Report({})


def test_what_agents_want_to_hear_first_is_said() -> None:
    feed = AgentCheckFeed(port=5000, send="rs1\n")
    asked(feed, Connection(Receive(b"rs1\n"), Send(b"drain\n")))
    assert asked(feed, Connection(Receive(b"rs1\n"), Send(b"50%\n"))).state is DRAIN
    feed.forget()
    assert asked(feed, Connection(Receive(b"rs1\n"), Send(b"50%\n"))).state is READY


def test_a_line_that_is_cut_off_or_too_long_is_no_answer() -> None:
    feed = AgentCheckFeed(port=5000)
    cut_off = "closed: the connection was closed after 6 bytes without a line's end"
    assert refused(feed, Connection(Send(b"up 75%"), Close())) == cut_off
    assert refused(feed, Connection(Send(b"x" * 1025))) == "limit: a line of more than 1024 bytes"
