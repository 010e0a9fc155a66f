"""The `radius` check against scripts: what it asks, which answers it believes, and what it makes of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks import radius
from feedback.checks.codecs import radius_packet
from feedback.checks.radius import RadiusCheck, random_bytes
from feedback.model import CheckResult, Outcome
from feedback.secret import Secret
from feedback.testing import Exchange, Hang, Receive, Refuse, Send, Step, run_check
from tests.checks import radius_server
from tests.checks.made import made

SECRET = b"testing123"
CHANCE = bytes(range(17))
ASKED = (CHANCE[0], CHANCE[1:], SECRET, b"feedback")
STATUS = radius_packet.status_server(*ASKED).packet
LOGIN = radius_packet.access_request(*ASKED, user=b"monitor", password=b"pw").packet
USER: dict[str, Any] = {"user": "monitor", "password": Secret("pw")}


def check(**options: Any) -> RadiusCheck:
    return RadiusCheck(secret=Secret(SECRET.decode()), **options)


def run(checked: RadiusCheck, exchange: Exchange) -> CheckResult:
    """Run a check once, with what it leaves to chance known."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(radius, "random_bytes", lambda count: CHANCE[:count])
        return run_check(checked, exchange)


def answer(request: bytes, code: int, message: str = "", secret: bytes = SECRET, *, signed: bool = False) -> Send:
    attributes = [(18, message.encode())] if message else []
    return Send(radius_server.answer(request, code, secret, attributes, signed=signed))


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def failed(reason: str, detail: str) -> tuple[Outcome, str, str]:
    return Outcome.FAIL, reason, detail


@pytest.mark.parametrize(("code", "detail"), [(2, "Access-Accept: up 3 days"), (5, "Accounting-Response: up 3 days")])
def test_a_server_that_answers_status_server_passes(code: int, detail: str) -> None:
    exchange = Exchange(Receive(STATUS), answer(STATUS, code, "up 3 days"))
    assert outcome(run(check(), exchange)) == (Outcome.PASS, "", detail)
    assert exchange.closed


def test_another_answer_to_status_server_fails() -> None:
    result = run(check(), Exchange(Receive(STATUS), answer(STATUS, 3)))
    words = "Status-Server: Access-Reject, must be Access-Accept or Accounting-Response"
    assert outcome(result) == failed("status", words)


@pytest.mark.parametrize(
    ("expect", "code"), [("accept", 2), ("reject", 3), ("challenge", 11), ("any", 2), ("any", 3), ("any", 11)]
)
def test_a_login_passes_by_the_answer_that_is_wanted(expect: str, code: int) -> None:
    result = run(check(expect=expect, **USER), Exchange(Receive(LOGIN), answer(LOGIN, code)))
    assert outcome(result) == (Outcome.PASS, "", radius_packet.CODES[code])


@pytest.mark.parametrize(
    ("expect", "code", "reason", "detail"),
    [
        ("accept", 3, "auth", "Access-Reject: no, must be Access-Accept"),
        ("accept", 11, "status", "Access-Challenge: no, must be Access-Accept"),
        ("reject", 2, "status", "Access-Accept: no, must be Access-Reject"),
        ("challenge", 3, "auth", "Access-Reject: no, must be Access-Challenge"),
        ("any", 5, "status", "Accounting-Response: no, must be Access-Accept or Access-Reject or Access-Challenge"),
        ("any", 77, "status", "code 77: no, must be Access-Accept or Access-Reject or Access-Challenge"),
    ],
)
def test_a_login_fails_by_another(expect: str, code: int, reason: str, detail: str) -> None:
    result = run(check(expect=expect, **USER), Exchange(Receive(LOGIN), answer(LOGIN, code, "no")))
    assert outcome(result) == failed(reason, f"Access-Request: {detail}")


def test_a_lost_packet_is_sent_once_more_as_it_was() -> None:
    """That is how a server knows that it is the same, and answers once what it has to (RFC 5080, 2.2.1)."""
    result = run(check(), Exchange(Receive(STATUS), Receive(STATUS), answer(STATUS, 2)))
    assert result.outcome is Outcome.PASS
    assert result.duration_seconds == pytest.approx(0.45)


SILENCE = "Status-Server: no answer from 192.0.2.11:80, asked twice"


def test_silence_fails_and_says_what_may_be_behind_it() -> None:
    result = run(check(), Exchange(Receive(STATUS), Receive(STATUS), Hang()))
    sentence = f"{SILENCE}: it may not know this client, or have another secret for it"
    assert outcome(result) == failed("timeout", sentence)
    assert result.duration_seconds < 1.0


def test_a_refusal_fails_and_says_no_more() -> None:
    result = run(check(), Exchange(Receive(STATUS), Refuse()))
    assert outcome(result) == failed("refused", "Status-Server: connection refused by 192.0.2.11:80")


FORGED = answer(STATUS, 2, secret=b"another")


def test_answers_that_are_not_signed_with_the_secret_are_passed_over() -> None:
    for forged in (FORGED, Send(b""), Send(STATUS), answer(LOGIN, 2)):
        assert run(check(), Exchange(Receive(STATUS), forged, answer(STATUS, 2))).outcome is Outcome.PASS


def test_when_nothing_else_comes_the_failure_says_so() -> None:
    result = run(check(), Exchange(Receive(STATUS), FORGED, Receive(STATUS), FORGED))
    words = "but 2 datagrams that answer something else; the last was an answer that is signed with another secret"
    assert outcome(result) == failed("timeout", f"{SILENCE}, {words}")
    result = run(check(), Exchange(Receive(STATUS), *[FORGED] * 40))
    assert result.reason == "protocol"
    assert result.detail.endswith("; the last was an answer that is signed with another secret")


def test_answers_may_have_to_be_signed_by_a_message_authenticator() -> None:
    wary = check(require_message_authenticator=True)
    plain, signed = answer(STATUS, 2), answer(STATUS, 2, signed=True)
    assert run(wary, Exchange(Receive(STATUS), plain, signed)).outcome is Outcome.PASS
    result = run(wary, Exchange(Receive(STATUS), Receive(STATUS), plain))
    words = "but 1 datagram that answers something else; the last was an answer without Message-Authenticator"
    assert outcome(result) == failed("timeout", f"{SILENCE}, {words}")


@given(st.binary(max_size=60))
def test_whatever_comes_the_outcome_is_the_servers_own(data: bytes) -> None:
    well_signed = radius_server.finished(STATUS, 2, SECRET, data)
    for datagram in (data, well_signed):
        steps: list[Step] = [Receive(STATUS), Send(datagram), Receive(STATUS), Hang()]
        if datagram == well_signed:
            steps = [Receive(STATUS), Send(datagram), Hang()]
        result = run(check(), Exchange(*steps))
        assert result.outcome in {Outcome.PASS, Outcome.FAIL}
        assert result.detail.isprintable()


def test_the_name_and_the_user_are_the_options() -> None:
    asked = (CHANCE[0], CHANCE[1:], "gehéim".encode(), b"lvs1")
    request = radius_packet.access_request(*asked, user="jürgen".encode(), password=b"p" * 128).packet
    checked = RadiusCheck(secret=Secret("gehéim"), nas_identifier="lvs1", user="jürgen", password=Secret("p" * 128))
    assert run(checked, Exchange(Receive(request), answer(request, 2, secret=asked[2]))).outcome is Outcome.PASS


def test_what_nobody_may_guess_is_made_by_chance() -> None:
    assert len({random_bytes(17) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"user": "a"}, "must have both user and password, or neither"),
        ({"password": Secret("a")}, "must have both user and password, or neither"),
        ({"expect": "any"}, "expect: goes with user and password, and there are none"),
        ({**USER, "user": ""}, "user: must be from 1 to 253 bytes long"),
        ({**USER, "user": "é" * 127}, "user: must be from 1 to 253 bytes long"),
        ({"nas_identifier": ""}, "nas_identifier: must be from 1 to 253 bytes long"),
        ({**USER, "password": Secret("é" * 65)}, "password: must be at most 128 bytes long"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=r"must|goes") as refusal:
        check(**options)
    assert str(refusal.value) == sentence


def test_a_configuration_s_words_are_read() -> None:
    assert made("radius", secret="testing123", user="monitor", password="pw", expect="any") == check(
        expect="any", **USER
    )
