"""The `sip` check against scripts: over datagrams that get lost and come late, and over a stream."""

from collections.abc import Sequence
from typing import Any

import pytest

from feedback.checks import sip
from feedback.checks.codecs.sip_message import Question
from feedback.checks.sip import SipCheck
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from feedback.testing import (
    LOCAL_IPV4,
    LOCAL_IPV6,
    Close,
    Connection,
    Exchange,
    Hang,
    Part,
    Receive,
    Refuse,
    Reset,
    Send,
    StartTls,
    Step,
    interrupted,
    run_check,
)

BRANCH, TAG, CALL_ID = "0123456789abcdef", "tag", "call"
SERVER = "sip:192.0.2.11:80"
TCP = SipCheck(transport="tcp")


def run(check: SipCheck, part: Part, **more: Any) -> CheckResult:
    """Run a check once, with what it leaves to chance known."""
    tokens = iter((BRANCH, TAG, CALL_ID))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sip, "new_token", lambda _count: next(tokens))
        return run_check(check, part, **more)


def question(transport: str = "UDP", sender: Endpoint = LOCAL_IPV4, **other: str) -> Question:
    uris = {"uri": SERVER, "to_uri": SERVER, "from_uri": f"sip:feedback@{sender}"} | other
    return Question(transport=transport, sender=sender, branch="z9hG4bK" + BRANCH, tag=TAG, call_id=CALL_ID, **uris)


def answer(line: str = "200 OK", *more: str, transport: str = "UDP", sender: Endpoint = LOCAL_IPV4) -> Send:
    asked = question(transport, sender)
    fields = (f"Via: SIP/2.0/{transport} {sender};branch={asked.branch}", f"i: {CALL_ID}", "CSeq: 1 OPTIONS")
    return Send("\r\n".join((f"SIP/2.0 {line}", *fields, *(more or ("l: 0",)), "", "")).encode())


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


ASKED = Receive(question().message)
LATE = Send(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKlate\r\ni: call\r\nCSeq: 1 OPTIONS\r\nl: 2\r\n\r\n")


def test_an_answer_passes_and_says_who_gave_it() -> None:
    exchange = Exchange(ASKED, answer("200 OK", "Server: kamailio (5.6)"))
    assert outcome(run(SipCheck(), exchange)) == (Outcome.PASS, "", "answered 200 OK from kamailio (5.6)")
    assert exchange.closed
    result = run(SipCheck(), Exchange(ASKED, answer("200 OK", "User-Agent: \x1b[2J" + "x" * 100)))
    assert result.detail == "answered 200 OK from " + r"\x1b[2J" + "x" * 76 + "…"


def test_who_is_asked_and_who_asks_can_be_said() -> None:
    uris: dict[str, Any] = {
        "uri": "sip:info@example.com",
        "to_uri": "sips:help@example.com",
        "from_uri": "sip:lvs1@example.com",
    }
    exchange = Exchange(Receive(question(**uris).message), answer())
    assert run(SipCheck(**uris), exchange).outcome is Outcome.PASS
    asked = question(uri="sip:info@example.com", to_uri="sip:info@example.com")
    assert (
        run(SipCheck(uri="sip:info@example.com"), Exchange(Receive(asked.message), answer())).detail
        == "answered 200 OK"
    )


def test_an_ipv6_address_stands_in_brackets() -> None:
    asked = question(sender=LOCAL_IPV6, uri="sip:[2001:db8::11]:5060", to_uri="sip:[2001:db8::11]:5060")
    exchange = Exchange(Receive(asked.message), answer(sender=LOCAL_IPV6))
    result = run(SipCheck(), exchange, target=Target(Endpoint("2001:db8::11", 5060)))
    assert result.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("timeout_seconds", "times"),
    [(1.0, 4), (4.0, 4), (10.0, 5), (32.0, 11)],
)
def test_a_request_that_is_lost_is_sent_again_and_again(timeout_seconds: float, times: int) -> None:
    """After T1, 2 T1, 4 T1, then every 8 T1, which is 4 seconds at most."""
    result = run(SipCheck(), Exchange(*[ASKED] * times), timeout_seconds=timeout_seconds)
    assert outcome(result) == (Outcome.FAIL, "timeout", f"no answer from 192.0.2.11:80, asked {times} times")
    assert (
        run(SipCheck(), Exchange(*[ASKED] * times, answer()), timeout_seconds=timeout_seconds).outcome is Outcome.PASS
    )


def test_while_the_server_is_at_it_it_is_asked_less_often() -> None:
    """By a provisional response, the wait is the longest one at once (17.1.2.2)."""
    exchange = Exchange(ASKED, answer("100 Trying"), ASKED, ASKED, answer())
    assert run(SipCheck(), exchange, timeout_seconds=10.0).outcome is Outcome.PASS
    result = run(SipCheck(), Exchange(ASKED, answer("183 Session Progress"), ASKED), timeout_seconds=4.0)
    words = "no answer from 192.0.2.11:80, asked 2 times, only 183 Session Progress"
    assert outcome(result) == (Outcome.FAIL, "timeout", words)


def test_what_is_no_answer_is_passed_over() -> None:
    exchange = Exchange(ASKED, LATE, Send(b""), Send(b"\r\n\r\n"), Send(b"OPTIONS sip:x SIP/2.0\r\n\r\n"), answer())
    assert run(SipCheck(), exchange).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("strange", "words"),
    [(LATE, ""), (answer("100 Trying"), ", only 100 Trying")],
)
def test_no_more_is_passed_over_than_there_can_be(strange: Send, words: str) -> None:
    result = run(SipCheck(), Exchange(ASKED, *[strange] * 40))
    assert outcome(result) == (Outcome.FAIL, "protocol", f"no final answer among 33 messages{words}")


def test_a_broken_answer_and_a_refusal_fail() -> None:
    result = run(SipCheck(), Exchange(ASKED, Send(b"SIP/2.0 OK\r\n\r\n")))
    assert outcome(result) == (Outcome.FAIL, "protocol", 'not a status line of SIP/2.0: "SIP/2.0 OK"')
    result = run(SipCheck(), Exchange(ASKED, Refuse()))
    assert outcome(result) == (Outcome.FAIL, "refused", "connection refused by 192.0.2.11:80")


def test_the_status_decides() -> None:
    result = run(SipCheck(), Exchange(ASKED, answer("404 Not Found")))
    assert outcome(result) == (Outcome.FAIL, "status", "answered 404 Not Found, must be 200")
    check = SipCheck(status=["200-299", 404])
    assert run(check, Exchange(ASKED, answer("404 Not Found"))).outcome is Outcome.PASS
    result = run(check, Exchange(ASKED, answer("503 ")))
    assert outcome(result) == (Outcome.FAIL, "status", "answered 503, must be 200-299 or 404")


STREAM: list[Step] = [
    Receive(question("TCP").message),
    answer("100 Trying", transport="TCP"),
    Send(b"\r\n\r\n\r\n" + LATE.data + b"\r\n"),
    answer("200 OK", "Content-Length: 5", transport="TCP"),
    Send(b"v=0\r\n"),
]


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_on_a_stream_messages_are_told_apart_by_their_length(chunk_bytes: int | None) -> None:
    connection = Connection(*STREAM)
    assert outcome(run(TCP, connection, chunk_bytes=chunk_bytes)) == (Outcome.PASS, "", "answered 200 OK")


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_a_server_that_falls_silent_or_goes_fails(by: Step, reason: str) -> None:
    for connection in interrupted(STREAM, by):
        assert run(TCP, connection).reason == reason


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([Send(b"x" * 20_000)], "limit"),
        ([Send(b"\r\n\r\n" * 40)], "protocol"),
        ([Send(b"220 mail.example.com\r\n\r\n")], "protocol"),
        ([answer("200 OK", "Server: x", transport="TCP")], "protocol"),
        ([answer("200 OK", "l: 99999999", transport="TCP")], "limit"),
    ],
)
def test_a_stream_of_something_else_fails(steps: Sequence[Step], reason: str) -> None:
    result = run(TCP, Connection(STREAM[0], *steps))
    assert (result.outcome, result.reason) == (Outcome.FAIL, reason)


def test_in_tls_the_certificate_comes_first() -> None:
    check = SipCheck(transport="tls", verify=False)
    steps: list[Step] = [StartTls(), Receive(question("TLS").message), answer(transport="TLS")]
    connection = Connection(*steps)
    assert outcome(run(check, connection)) == (Outcome.PASS, "", "answered 200 OK")
    assert connection.server_hostname == "192.0.2.11"
    result = run(SipCheck(transport="tls", sni="sip.example.com"), Connection(StartTls(error="certificate refused")))
    assert outcome(result) == (Outcome.FAIL, "tls", "certificate refused")


@pytest.mark.parametrize("option", ["uri", "to_uri", "from_uri"])
@pytest.mark.parametrize("uri", ["", "info@example.com", "sip:", "sip:a b", "sip:a>\r\nX: y", "tel:+1"])
def test_an_address_must_be_one(option: str, uri: str) -> None:
    options: dict[str, Any] = {option: uri}
    with pytest.raises(ValueError, match=rf"^{option}: must be an address like sip:info@example.com$"):
        SipCheck(**options)


def test_statuses_must_be_some() -> None:
    with pytest.raises(ValueError, match=r"^status: must be statuses from 100 to 599"):
        SipCheck(status=42)
