"""The `udp` check against scripts: lost datagrams, silence, and what an answer must have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.udp import UdpCheck
from feedback.model import CheckResult, Outcome
from feedback.testing import Exchange, Hang, Receive, Refuse, Send, run_check


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def test_an_answer_with_what_is_expected_passes() -> None:
    exchange = Exchange(Receive(b"ping"), Send(b"a pong"))
    result = run_check(UdpCheck(send="ping", expect="pong"), exchange)
    assert outcome(result) == (Outcome.PASS, "", 'answered "a pong"')
    assert exchange.sent == b"ping"
    assert exchange.closed
    assert result.duration_seconds == 0.0


@pytest.mark.parametrize("options", [{"expect": "o"}, {"expect_regex": "^a$"}, {"expect_hex": "61 0a"}])
def test_text_regex_or_bytes_may_be_expected(options: dict[str, Any]) -> None:
    check = UdpCheck(send_hex="00ff", **options)
    assert run_check(check, Exchange(Receive(b"\x00\xff"), Send(b"o\na\n"))).outcome is Outcome.PASS
    assert outcome(run_check(check, Exchange(Receive(b"\x00\xff"), Send(b"x\x00")))) == (
        Outcome.FAIL,
        "content",
        'the answer does not have what is expected: "x\\x00"',
    )


def test_a_lost_datagram_is_sent_once_more_when_half_of_the_time_is_over() -> None:
    exchange = Exchange(Receive(b"ping"), Receive(b"ping"), Send(b"pong"))
    result = run_check(UdpCheck(send="ping", expect="pong"), exchange, timeout_seconds=3.0)
    assert outcome(result) == (Outcome.PASS, "", 'answered "pong"')
    assert result.duration_seconds == 1.5


def test_silence_fails_where_something_is_expected() -> None:
    exchange = Exchange(Receive(b"ping"), Receive(b"ping"), Hang())
    result = run_check(UdpCheck(send="ping", expect="pong"), exchange, timeout_seconds=3.0)
    assert outcome(result) == (Outcome.FAIL, "timeout", "no answer from 192.0.2.11:80, asked twice")
    assert exchange.sent == b"pingping"
    assert exchange.closed


def test_silence_passes_where_nothing_is_expected_and_leaves_time_to_say_so() -> None:
    exchange = Exchange(Receive(b"ping"), Receive(b"ping"), Hang())
    result = run_check(UdpCheck(send="ping"), exchange, timeout_seconds=4.0)
    assert outcome(result) == (Outcome.PASS, "", "not refused")
    assert result.duration_seconds == 3.0


def test_an_answer_that_nobody_expects_is_counted() -> None:
    result = run_check(UdpCheck(send="ping"), Exchange(Receive(b"ping"), Send(b"what?")))
    assert outcome(result) == (Outcome.PASS, "", "answered 5 bytes")


@pytest.mark.parametrize("expect", [None, "pong"])
@pytest.mark.parametrize("lost", [0, 1])
def test_icmps_refusal_fails_whether_something_is_expected_or_not(expect: str | None, lost: int) -> None:
    exchange = Exchange(*[Receive(b"ping")] * lost, Receive(b"ping"), Refuse())
    result = run_check(UdpCheck(send="ping", expect=expect), exchange)
    assert outcome(result) == (Outcome.FAIL, "refused", "connection refused by 192.0.2.11:80")
    assert exchange.closed


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "must have one of send and send_hex"),
        ({"send": "a", "send_hex": "00"}, "must have one of send and send_hex"),
        (
            {"send": "a", "expect": "b", "expect_hex": "00"},
            "must have at most one of expect, expect_regex and expect_hex",
        ),
        ({"send_hex": "0x00"}, 'send_hex: must be pairs of hexadecimal digits, like 0d0a, not "0x00"'),
        ({"send": "a", "expect_hex": "g0"}, 'expect_hex: must be pairs of hexadecimal digits, like 0d0a, not "g0"'),
        (
            {"send": "a", "expect_regex": "["},
            "expect_regex: must be a regular expression: unterminated character set at position 0",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        UdpCheck(**options)
    assert str(caught.value) == sentence


@given(st.binary(max_size=200))
def test_whatever_the_answer_is_the_outcome_is_its_own(answer: bytes) -> None:
    result = run_check(UdpCheck(send="ping", expect_regex="^[a-m]"), Exchange(Receive(b"ping"), Send(answer)))
    assert result.outcome in {Outcome.PASS, Outcome.FAIL}
    assert result.detail.isprintable()
