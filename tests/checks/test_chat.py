"""The `chat` check against scripts: its steps, its sentences, STARTTLS, and what it says at the end."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.chat import ChatCheck, Step
from feedback.model import CheckResult, Outcome
from feedback.testing import (
    Close,
    Connection,
    Hang,
    Receive,
    Refuse,
    Reset,
    Send,
    StartTls,
    interrupted,
    run_check,
)
from feedback.testing import Step as ScriptStep
from tests.checks.certificates import REAL

GREETED = [Step(expect="220"), Step(send="EHLO feedback\r\n"), Step(expect_regex="^250 ")]
GREETING: list[ScriptStep] = [
    Send(b"220 mail.example.com ready\r\n"),
    Receive(b"EHLO feedback\r\n"),
    Send(b"250-mail.example.com\r\n250-PIPELINING\r\n250 HELP\r\n"),
]
LINE_BY_LINE = [
    Step(expect_regex="^220 .*\r\n"),
    Step(send="EHLO feedback\r\n"),
    Step(expect_regex="^250 .*\r\n"),
]
ENCRYPTED = [Step(expect="220"), Step(send="STARTTLS\r\n"), Step(expect="220 "), Step(starttls=True)]


def failure(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


@pytest.mark.parametrize("chunk_bytes", [None, 1, 7])
def test_a_dialogue_passes_however_the_answers_are_cut_and_its_detail_is_what_was_seen_last(
    chunk_bytes: int | None,
) -> None:
    result = run_check(ChatCheck(steps=LINE_BY_LINE), Connection(*GREETING), chunk_bytes=chunk_bytes)
    assert (result.outcome, result.detail) == (Outcome.PASS, 'saw "250 HELP"')


def test_the_detail_is_the_whole_line_as_far_as_it_has_come() -> None:
    check = ChatCheck(steps=[Step(expect="20 ")])
    assert run_check(check, Connection(Send(b"220 ready\r\n"))).detail == 'saw "220 ready"'
    assert run_check(check, Connection(Send(b"220 ready\r\n")), chunk_bytes=6).detail == 'saw "220 re"'


def test_a_dialogue_that_expects_nothing_says_so() -> None:
    result = run_check(ChatCheck(steps=[Step(send="hello")]), Connection(Receive(b"hello")))
    assert (result.outcome, result.detail) == (Outcome.PASS, "no answer was expected")


def test_bytes_are_sent_and_expected_as_hexadecimal_digits() -> None:
    check = ChatCheck(steps=[Step(send_hex="00 01ff"), Step(expect_hex="FE00")])
    result = run_check(check, Connection(Receive(b"\x00\x01\xff"), Send(b"\x01\xfe\x00")), chunk_bytes=1)
    assert (result.outcome, result.detail) == (Outcome.PASS, 'saw "\\x01\\xfe\\x00"')


def test_an_expected_text_is_not_a_regular_expression() -> None:
    check = ChatCheck(steps=[Step(expect="a.c")])
    assert failure(run_check(check, Connection(Send(b"abc")))) == (
        Outcome.FAIL,
        "closed",
        'step 1, expect "a.c", got "abc": the connection was closed',
    )
    assert run_check(check, Connection(Send(b"xa.cx"))).outcome is Outcome.PASS


def test_what_stands_before_the_expected_is_passed_over_and_what_stands_after_it_is_not() -> None:
    check = ChatCheck(steps=[Step(expect="b"), Step(expect="d"), Step(expect="a")])
    assert run_check(check, Connection(Send(b"abcd"), Send(b"a"))).outcome is Outcome.PASS
    assert run_check(check, Connection(Send(b"abcd"))).reason == "closed"


@pytest.mark.parametrize(
    ("script", "reason", "detail"),
    [
        ([Refuse()], "refused", "connection refused by 192.0.2.11:80"),
        ([Close()], "closed", 'step 1, expect "220": the connection was closed'),
        ([Send(b"554 no\r\n")], "closed", 'step 1, expect "220", got "554 no\\r\\n": the connection was closed'),
        ([Send(b"55"), Send(b"4 no"), Reset()], "reset", None),
        ([Send(b"554 no\r\n"), Hang()], "timeout", 'step 1, expect "220", got "554 no\\r\\n": no answer within 1 s'),
        ([Hang()], "timeout", 'step 1, expect "220": no answer within 1 s'),
        (
            [*GREETING[:2], Send(b"502 eh\r\n")],
            "closed",
            'step 3, expect_regex "^250 ", got " mail.example.com ready\\r\\n502 eh\\r\\n": the connection was closed',
        ),
    ],
)
def test_a_failure_names_the_step_and_what_came(script: list[ScriptStep], reason: str, detail: str | None) -> None:
    result = run_check(ChatCheck(steps=GREETED), Connection(*script))
    expected = 'step 1, expect "220", got "554 no": connection reset by 192.0.2.11:80' if detail is None else detail
    assert failure(result) == (Outcome.FAIL, reason, expected)


@pytest.mark.parametrize("chunk_bytes", [None, 3])
def test_no_more_than_the_limit_is_read_for_one_step(chunk_bytes: int | None) -> None:
    check = ChatCheck(steps=[Step(expect="b")], limit=4)
    result = run_check(check, Connection(Send(b"aaaaaaab")), chunk_bytes=chunk_bytes)
    assert failure(result) == (
        Outcome.FAIL,
        "limit",
        'step 1, expect "b", got "aaaa": not in the first 4 bytes',
    )


@pytest.mark.parametrize("by", [Hang(), Close(), Reset()])
def test_an_interruption_anywhere_fails_and_leaves_nothing_open(by: ScriptStep) -> None:
    check = ChatCheck(steps=[*ENCRYPTED, *GREETED[1:]], verify=False)
    script: list[ScriptStep] = [
        Send(b"220 ready\r\n"),
        Receive(b"STARTTLS\r\n"),
        Send(b"220 go on\r\n"),
        StartTls(),
        *GREETING[1:],
    ]
    assert run_check(check, Connection(*script)).outcome is Outcome.PASS
    reasons = []
    for connection in interrupted(script, by):
        result = run_check(check, connection)
        assert result.outcome is Outcome.FAIL
        assert connection.closed
        reasons.append(result.reason)
    usual = {Hang: "timeout", Close: "closed", Reset: "reset"}[type(by)]
    in_tls = "timeout" if by == Hang() else "tls"
    assert reasons == [usual, usual, in_tls, usual]


# STARTTLS and TLS


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_starttls_waits_for_the_end_of_the_line_however_it_is_cut(chunk_bytes: int | None) -> None:
    connection = Connection(Receive(b"STARTTLS\r\n"), Send(b"220 go on\r\n"), StartTls())
    result = run_check(ChatCheck(steps=ENCRYPTED[1:]), connection, chunk_bytes=chunk_bytes)
    assert result.outcome is Outcome.PASS
    assert connection.server_hostname == "192.0.2.11"


def test_starttls_waits_no_longer_where_the_expected_has_ended_its_line() -> None:
    check = ChatCheck(steps=[Step(expect="go\r\n"), Step(starttls=True)])
    assert run_check(check, Connection(Send(b"go\r\n"), StartTls())).outcome is Outcome.PASS


def test_starttls_goes_on_at_once_after_bytes_that_are_no_line() -> None:
    """As PostgreSQL has it: one letter, and TLS."""
    check = ChatCheck(steps=[Step(send_hex="0000000804d2162f"), Step(expect_hex="53"), Step(starttls=True)])
    connection = Connection(Receive(bytes.fromhex("0000000804d2162f")), Send(b"S"), StartTls())
    assert run_check(check, connection).outcome is Outcome.PASS


def test_starttls_may_be_the_first_step() -> None:
    assert run_check(ChatCheck(steps=[Step(starttls=True)]), Connection(StartTls())).outcome is Outcome.PASS


def test_what_was_slipped_in_before_tls_is_refused() -> None:
    connection = Connection(Send(b"220 ready\r\n"), Receive(b"STARTTLS\r\n"), Send(b"220 go on\r\n250 injected\r\n"))
    assert failure(run_check(ChatCheck(steps=ENCRYPTED), connection)) == (
        Outcome.FAIL,
        "protocol",
        'step 4, starttls: "250 injected\\r\\n" came before TLS, and could be anybody\'s',
    )


def test_a_line_that_never_ends_before_tls_is_named() -> None:
    connection = Connection(Send(b"220 ready\r\n"), Receive(b"STARTTLS\r\n"), Send(b"220 go on"), Hang())
    result = run_check(ChatCheck(steps=ENCRYPTED), connection)
    assert failure(result) == (Outcome.FAIL, "timeout", 'step 4, starttls, got "go on": no answer within 1 s')


def test_a_handshake_that_fails_is_told_with_its_step() -> None:
    check = ChatCheck(steps=[Step(starttls=True)])
    result = run_check(check, Connection(StartTls(error="certificate refused: expired")))
    assert failure(result) == (Outcome.FAIL, "tls", "step 1, starttls: certificate refused: expired")


def test_tls_from_the_start_asks_for_the_name_in_sni() -> None:
    connection = Connection(StartTls(), Send(b"hello"))
    check = ChatCheck(steps=[Step(expect="hello")], tls=True, sni="mail.example.com")
    assert run_check(check, connection).outcome is Outcome.PASS
    assert connection.server_hostname == "mail.example.com"


def test_a_proxy_protocol_header_comes_before_everything_else() -> None:
    header = Receive(b"PROXY TCP4 192.0.2.1 192.0.2.11 40000 80\r\n")
    check = ChatCheck(steps=[Step(expect="hello")], tls=True, proxy_protocol="v1")
    assert run_check(check, Connection(header, StartTls(), Send(b"hello"))).outcome is Outcome.PASS


# What the peer says no by


def refusing(**options: Any) -> ChatCheck:
    return ChatCheck(steps=[Step(expect_regex="^250 .*\n", stage="EHLO", **options)])


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"fail": "502 eh\r\n"}, "status"),
        ({"fail_regex": "^5.*\n"}, "status"),
        ({"fail_regex": {"auth": "^535.*\n", "content": "^502.*\n"}}, "content"),
        ({"fail": "none", "fail_regex": {"auth": "^5.*\n"}}, "auth"),
    ],
)
def test_a_refusal_fails_at_once_with_its_reason_its_stage_and_the_peer_s_words(
    options: dict[str, Any], reason: str, chunk_bytes: int | None
) -> None:
    connection = Connection(Send(b"220 ready\r\n502 eh\r\n"), Hang())
    result = run_check(refusing(**options), connection, chunk_bytes=chunk_bytes)
    assert failure(result) == (Outcome.FAIL, reason, 'EHLO: answered "502 eh"')


def test_what_comes_first_counts_and_of_two_at_once_what_is_expected() -> None:
    check = refusing(fail_regex={"status": "^5.*\n", "auth": "^4.*\n", "protocol": "^.*\n"})
    assert run_check(check, Connection(Send(b"250 ok\r\n502 eh\r\n"))).outcome is Outcome.PASS
    assert run_check(check, Connection(Send(b"421 away\r\n502 eh\r\n250 ok\r\n"))).reason == "auth"
    assert run_check(check, Connection(Send(b"what\r\n250 ok\r\n"))).reason == "protocol"


def test_a_refusal_is_shown_as_far_as_it_has_come_and_no_further_than_200_bytes() -> None:
    assert run_check(refusing(fail="502"), Connection(Send(b"502 not now"))).detail == 'EHLO: answered "502 not now"'
    long = run_check(refusing(fail="502"), Connection(Send(b"502" + b"!" * 1000)))
    assert long.detail == f'EHLO: answered "502{"!" * 197}…"'


# What it says when it passes


def test_a_detail_is_made_of_what_was_matched_and_the_last_one_counts() -> None:
    steps = [
        Step(expect_regex="^220 (?P<name>\\S+)( .*)?\n", detail="{name} greets"),
        Step(expect_regex="^250 (?P<words>.*)\n(?P<more>x)?", detail="{words}, {words} {more}."),
        Step(expect="bye"),
    ]
    script = [Send(b"220 mail\n"), Send(b"250 \xff\n"), Send(b"bye")]
    assert run_check(ChatCheck(steps=steps), Connection(*script)).detail == "\\xff, \\xff ."
    assert run_check(ChatCheck(steps=[steps[0], steps[2]]), Connection(script[0], script[2])).detail == "mail greets"


@pytest.mark.parametrize(
    ("check", "script", "detail"),
    [
        (ChatCheck(steps=[Step(expect="hi")], tls=True), [StartTls(REAL), Send(b"hi")], 'saw "hi", certificate '),
        (ChatCheck(steps=[Step(starttls=True)]), [StartTls(REAL)], "no answer was expected, certificate "),
    ],
)
def test_after_tls_it_says_when_the_certificate_expires(
    check: ChatCheck, script: list[ScriptStep], detail: str
) -> None:
    assert run_check(check, Connection(*script)).detail.startswith(detail)


# What is said at the end


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ([Send(b"220 ready\r\n"), Receive(b"QUIT\r\n")], Outcome.PASS),
        ([Send(b"554 no\r\n"), Hang()], Outcome.FAIL),
        ([Hang()], Outcome.FAIL),
        ([Close()], Outcome.FAIL),
    ],
)
def test_quit_is_sent_at_the_end_also_after_a_failure(script: list[ScriptStep], outcome: Outcome) -> None:
    connection = Connection(*script)
    assert run_check(ChatCheck(steps=[Step(expect="220")], quit="QUIT\r\n"), connection).outcome is outcome
    assert connection.sent == b"QUIT\r\n"


def test_quit_is_not_sent_in_clear_where_tls_did_not_begin() -> None:
    connection = Connection(StartTls(error="no"))
    run_check(ChatCheck(steps=[Step(expect="220")], tls=True, quit="QUIT\r\n"), connection)
    assert connection.sent == b""


# Options


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "must be one of send, send_hex, expect, expect_regex, expect_hex, starttls"),
        ({"starttls": False}, "must be one of send, send_hex, expect, expect_regex, expect_hex, starttls"),
        ({"send": "a", "expect": "b"}, "must be one of send, send_hex, expect, expect_regex, expect_hex, starttls"),
        ({"expect": ""}, "expect: must not be empty"),
        ({"expect_regex": ""}, "expect_regex: must not be empty"),
        ({"expect_hex": ""}, "expect_hex: must not be empty"),
        ({"send": ""}, "send: must not be empty"),
        ({"send_hex": ""}, "send_hex: must not be empty"),
        ({"send": "a", "fail": "b"}, "fail, fail_regex and detail go with expect, expect_regex or expect_hex"),
        (
            {"starttls": True, "fail_regex": "b"},
            "fail, fail_regex and detail go with expect, expect_regex or expect_hex",
        ),
        ({"send": "a", "detail": "b"}, "fail, fail_regex and detail go with expect, expect_regex or expect_hex"),
        ({"expect": "a", "detail": "{b} {a}"}, "detail: expect_regex has no group called a"),
        (
            {"expect": "a", "fail_regex": {"auth": "*"}},
            "fail_regex: must be a regular expression: nothing to repeat at position 0",
        ),
        ({"send_hex": "0g"}, 'send_hex: must be pairs of hexadecimal digits, like 0d0a, not "0g"'),
        ({"expect_hex": "0"}, 'expect_hex: must be pairs of hexadecimal digits, like 0d0a, not "0"'),
        (
            {"expect_regex": "("},
            "expect_regex: must be a regular expression: missing ), unterminated subpattern at position 0",
        ),
    ],
)
def test_a_step_that_makes_no_sense_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        Step(**options)


def test_a_dialogue_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^steps: must have at least one step$"):
        ChatCheck(steps=[])


def test_a_file_of_authorities_that_is_not_there_is_refused_only_where_there_is_tls() -> None:
    with pytest.raises(ValueError, match=r"^ca_file: /nowhere/ca\.pem can't be read: No such file or directory$"):
        ChatCheck(steps=[Step(starttls=True)], ca_file="/nowhere/ca.pem")
    ChatCheck(steps=[Step(send="a")], ca_file="/nowhere/ca.pem")


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=5), st.integers(1, 9))
def test_whatever_the_peer_says_the_outcome_is_its_own(said: list[bytes], chunk_bytes: int) -> None:
    check = ChatCheck(steps=[Step(expect="a"), Step(expect_hex="00"), Step(expect_regex="^[b-z]+$")], limit=16)
    result = run_check(check, Connection(*map(Send, said)), chunk_bytes=chunk_bytes)
    assert result.outcome is Outcome.PASS or (result.outcome is Outcome.FAIL and result.reason in {"closed", "limit"})
