"""The `smtp`, `smtps` and `lmtp` checks against scripts: what they say when, and what they make of the answers."""

import base64
import re
import socket
from typing import Any

import pytest

from feedback.checks.lmtp import LmtpCheck
from feedback.checks.smtp import SmtpCheck, own_name
from feedback.checks.smtps import SmtpsCheck
from feedback.config import read_arguments
from feedback.errors import ConfigError
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from feedback.secret import Secret
from feedback.testing import (
    Close,
    Connection,
    Hang,
    Receive,
    Refuse,
    Reset,
    Send,
    StartTls,
    Step,
    interrupted,
    run_check,
)

GREETING = Send(b"220 mail.example.com ESMTP\r\n")
EHLO = Receive(b"EHLO lvs1.example.com\r\n")
ANNOUNCED = Send(b"250-mail.example.com\r\n250-SIZE 1000\r\n250-STARTTLS\r\n250 PIPELINING\r\n")
IN_TLS = Send(b"250-mail.example.com\r\n250-SIZE 1000\r\n250 AUTH PLAIN LOGIN\r\n")
HELLO: list[Step] = [GREETING, EHLO, ANNOUNCED]
QUIT = Receive(b"QUIT\r\n")
OK = Send(b"250 2.1.0 Ok\r\n")
SECURE: list[Step] = [*HELLO, Receive(b"STARTTLS\r\n"), Send(b"220 2.0.0 Ready\r\n"), StartTls(), EHLO, IN_TLS]


def said(line: str) -> Receive:
    return Receive(f"{line}\r\n".encode())


def heard(line: str) -> Send:
    return Send(f"{line}\r\n".encode())


def smtp(**options: Any) -> SmtpCheck:
    return SmtpCheck(helo="lvs1.example.com", verify=False, **options)


def failure(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def failed(reason: str, detail: str) -> tuple[Outcome, str, str]:
    return Outcome.FAIL, reason, detail


def passed(detail: str) -> tuple[Outcome, str, str]:
    return Outcome.PASS, "", detail


# The dialogue


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_server_that_greets_and_answers_passes_and_is_told_goodbye(chunk_bytes: int | None) -> None:
    connection = Connection(*HELLO, QUIT)
    assert failure(run_check(smtp(), connection, chunk_bytes=chunk_bytes)) == passed("220 mail.example.com ESMTP")
    assert connection.sent == b"EHLO lvs1.example.com\r\nQUIT\r\n"
    assert not connection.brief  # the server speaks first


def test_a_server_that_does_not_know_ehlo_is_asked_by_helo() -> None:
    script: list[Step] = [
        GREETING,
        EHLO,
        heard("502 what?"),
        said("HELO lvs1.example.com"),
        heard("250 hello"),
    ]
    assert run_check(smtp(), Connection(*script, QUIT)).outcome is Outcome.PASS
    result = run_check(smtp(expect_capabilities=["SIZE"]), Connection(*script, QUIT))
    assert failure(result) == failed("content", "HELO lvs1.example.com: SIZE is not announced; what is: nothing")


def test_a_server_that_knows_neither_fails() -> None:
    no = heard("500 what?")
    result = run_check(smtp(), Connection(GREETING, EHLO, no, said("HELO lvs1.example.com"), no, QUIT))
    assert failure(result) == failed("status", "HELO lvs1.example.com: 500 what?, must be 2yz")


def test_lmtp_says_lhlo_and_nothing_else() -> None:
    check = LmtpCheck(helo="lvs1.example.com")
    lhlo = said("LHLO lvs1.example.com")
    assert run_check(check, Connection(GREETING, lhlo, ANNOUNCED, QUIT)).outcome is Outcome.PASS
    result = run_check(check, Connection(GREETING, lhlo, heard("500 5.5.2 what?"), QUIT))
    assert failure(result) == failed("status", "LHLO lvs1.example.com: 500 5.5.2 what?, must be 2yz")


@pytest.mark.parametrize(
    ("host", "address", "name"),
    [
        ("lvs1.example.com", "192.0.2.1", "lvs1.example.com"),
        ("lvs1", "192.0.2.1", "[192.0.2.1]"),
        ("lvs1", "2001:db8::1", "[IPv6:2001:db8::1]"),
        ("lvs_1.example.com", "192.0.2.1", "[192.0.2.1]"),
        ("lvs1.example.com\r\nQUIT", "192.0.2.1", "[192.0.2.1]"),
    ],
)
def test_a_host_without_a_full_name_gives_its_address(
    host: str, address: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    assert own_name(address) == name


@pytest.mark.parametrize(("target", "name"), [("192.0.2.11", "[192.0.2.1]"), ("2001:db8::11", "[IPv6:2001:db8::1]")])
def test_that_address_is_the_connection_s(target: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "lvs1")
    script = Connection(GREETING, said(f"EHLO {name}"), ANNOUNCED, QUIT)
    assert run_check(SmtpCheck(), script, target=Target(Endpoint(target, 25))).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("script", "reason", "detail"),
    [
        ([Refuse()], "refused", "connection refused by 192.0.2.11:80"),
        ([Hang()], "timeout", "greeting: no answer within 1 s"),
        ([Close()], "closed", "greeting: 192.0.2.11:80 closed the connection after 0 bytes"),
        ([heard("554 5.7.1 No SMTP service here"), QUIT], "status", "greeting: 554 5.7.1 No SMTP service here"),
        ([heard("421 4.3.2 Shutting down")], "status", "greeting: 421 4.3.2 Shutting down"),
        ([heard("+OK ready")], "protocol", 'greeting: not a line of an SMTP reply: "+OK ready"'),
        ([Send(b"2" * 4096)], "limit", "greeting: more than 2048 bytes from 192.0.2.11:80 in one piece"),
        ([Send(b"220-x\r\n" * 200)], "limit", "greeting: a reply of more than 100 lines"),
        ([GREETING, EHLO, heard("421 4.4.2 Too slow")], "status", "EHLO lvs1.example.com: 421 4.4.2 Too slow"),
        ([GREETING, EHLO, heard("354 go on"), QUIT], "status", "EHLO lvs1.example.com: 354 go on"),
        ([GREETING, EHLO, Send(b"250-a\r\n"), Reset()], "reset", None),
    ],
)
def test_a_failure_says_where_and_what_and_goodbye_to_whoever_still_listens(
    script: list[Step], reason: str, detail: str | None
) -> None:
    expected = "EHLO lvs1.example.com: connection reset by 192.0.2.11:80" if detail is None else detail
    ending = ", must be 2yz" if reason == "status" else ""
    connection = Connection(*script, Hang())
    assert failure(run_check(smtp(), connection)) == failed(reason, expected + ending)
    assert connection.sent.endswith(b"QUIT\r\n") == (QUIT in script)


def test_a_server_that_has_gone_when_it_is_told_goodbye_has_passed() -> None:
    assert run_check(smtp(), Connection(*HELLO, Reset())).outcome is Outcome.PASS


@pytest.mark.parametrize("by", [Hang(), Close(), Reset()])
def test_an_interruption_anywhere_fails_and_leaves_nothing_open(by: Step) -> None:
    check = smtp(starttls=True, user="u", password=Secret("p"), rcpt_to=["a@example.com"])
    script = [*SECURE, said("AUTH PLAIN"), heard("334 "), said("AHUAcA=="), heard("235 welcome")]
    script += [said("MAIL FROM:<>"), OK, said("RCPT TO:<a@example.com>"), OK]
    assert run_check(check, Connection(*script, QUIT)).outcome is Outcome.PASS
    reasons = []
    for connection in interrupted(script, by):
        result = run_check(check, connection)
        assert result.outcome is Outcome.FAIL
        assert connection.closed
        reasons.append(result.reason)
    usual = {Hang: "timeout", Close: "closed", Reset: "reset"}[type(by)]
    in_tls = "timeout" if by == Hang() else "tls"
    assert reasons == [usual, usual, usual, in_tls, *[usual] * 5]


# What is expected


@pytest.mark.parametrize("pattern", ["ESMTP", r"^mail\.example\.com ", "^mail.*ready$"])
def test_a_greeting_may_be_expected(pattern: str) -> None:
    greeting = Send(b"220-mail.example.com ESMTP\r\n220 ready\r\n")
    result = run_check(smtp(expect_banner=pattern), Connection(greeting, EHLO, ANNOUNCED, QUIT))
    assert failure(result) == passed("220 mail.example.com ESMTP ready")


def test_another_greeting_fails() -> None:
    result = run_check(smtp(expect_banner="^mx"), Connection(GREETING, QUIT))
    assert failure(result) == failed("content", "greeting: 220 mail.example.com ESMTP, must match ^mx")


def test_what_is_announced_last_is_compared() -> None:
    assert run_check(smtp(expect_capabilities=["size", "STARTTLS"]), Connection(*HELLO, QUIT)).outcome is Outcome.PASS
    in_tls = smtp(starttls=True, expect_capabilities=["AUTH LOGIN"])
    assert run_check(in_tls, Connection(*SECURE, QUIT)).outcome is Outcome.PASS
    result = run_check(smtp(expect_capabilities=["AUTH LOGIN"]), Connection(*HELLO, QUIT))
    words = "AUTH LOGIN is not announced; what is: SIZE 1000, STARTTLS, PIPELINING"
    assert failure(result) == failed("content", f"EHLO lvs1.example.com: {words}")


# TLS


def test_tls_is_begun_before_anything_else_is_said() -> None:
    connection = Connection(*SECURE, QUIT)
    check = smtp(starttls=True, sni="mail.example.com")
    assert failure(run_check(check, connection)) == passed("220 mail.example.com ESMTP")
    assert connection.server_hostname == "mail.example.com"


@pytest.mark.parametrize(
    ("script", "reason", "detail"),
    [
        ([GREETING, EHLO, OK, QUIT], "content", "EHLO lvs1.example.com: STARTTLS is not announced; what is: nothing"),
        (
            [*HELLO, said("STARTTLS"), heard("454 4.7.0 TLS not available"), QUIT],
            "status",
            "STARTTLS: 454 4.7.0 TLS not available, must be 2yz",
        ),
        (
            [*HELLO, said("STARTTLS"), heard("501 5.5.4 Syntax error"), QUIT],
            "tls",
            "STARTTLS: 501 5.5.4 Syntax error, must be 2yz",
        ),
        (
            [*HELLO, said("STARTTLS"), Send(b"220 go\r\n250 injected\r\n")],
            "protocol",
            "TLS: 192.0.2.11:80 sent more before TLS than it was asked for",
        ),
        (
            [*HELLO, said("STARTTLS"), heard("220 go"), StartTls(error="certificate refused")],
            "tls",
            "TLS: certificate refused",
        ),
    ],
)
def test_without_tls_the_check_fails(script: list[Step], reason: str, detail: str) -> None:
    assert failure(run_check(smtp(starttls=True), Connection(*script))) == failed(reason, detail)


def test_smtps_is_in_tls_from_the_start() -> None:
    connection = Connection(StartTls(), GREETING, EHLO, IN_TLS, QUIT)
    check = SmtpsCheck(helo="lvs1.example.com", sni="mail.example.com", expect_capabilities=["AUTH"])
    assert failure(run_check(check, connection)) == passed("220 mail.example.com ESMTP")
    assert connection.server_hostname == "mail.example.com"
    result = run_check(check, Connection(StartTls(error="certificate refused")))
    assert failure(result) == failed("tls", "certificate refused")


# Logging in

BASE64 = base64.b64encode


@pytest.mark.parametrize(
    ("offered", "answers", "used"),
    [
        ("CRAM-MD5 LOGIN PLAIN", [b"\0j\xc3\xbcrgen\0secret"], "PLAIN"),
        ("LOGIN XOAUTH2", ["jürgen".encode(), b"secret"], "LOGIN"),
    ],
)
def test_a_login_goes_by_what_is_offered(offered: str, answers: list[bytes], used: str) -> None:
    script: list[Step] = [GREETING, EHLO, Send(f"250-hi\r\n250 AUTH {offered}\r\n".encode()), said(f"AUTH {used}")]
    for answer in answers:
        script += [heard("334 VXNlcm5hbWU6"), said(BASE64(answer).decode())]
    check = smtp(user="jürgen", password=Secret("secret"), login_without_tls=True)
    result = run_check(check, Connection(*script, heard("235 2.7.0 Welcome"), QUIT))
    assert failure(result) == passed(f"220 mail.example.com ESMTP, logged in by AUTH {used}")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("535 5.7.8 authentication failed", "auth"),
        ("534 5.7.9 too weak", "auth"),
        ("454 4.7.0 Temporary authentication failure", "status"),
        ("421 4.7.0 Too many errors", "status"),
        ("334 more", "status"),
    ],
)
def test_a_refused_login_fails_and_never_shows_the_password(reply: str, reason: str) -> None:
    check = smtp(starttls=True, user="u", password=Secret("p"))
    script = [*SECURE, said("AUTH PLAIN"), heard("334 "), said("AHUAcA=="), heard(reply), QUIT]
    result = run_check(check, Connection(*script))
    assert failure(result) == failed(reason, f"AUTH PLAIN: {reply}, must be 2yz")


def test_nothing_secret_is_sent_to_a_server_that_does_not_ask_for_it() -> None:
    check = smtp(starttls=True, user="u", password=Secret("p"))
    result = run_check(check, Connection(*SECURE, said("AUTH PLAIN"), heard("504 5.5.4 Unknown mechanism"), QUIT))
    assert failure(result) == failed("auth", "AUTH PLAIN: 504 5.5.4 Unknown mechanism, must be 2yz")


def test_a_server_that_offers_no_login_of_ours_fails() -> None:
    check = smtp(user="u", password=Secret("p"), login_without_tls=True)
    result = run_check(check, Connection(GREETING, EHLO, Send(b"250-x\r\n250 AUTH GSSAPI\r\n"), QUIT))
    assert failure(result) == failed(
        "content", "EHLO lvs1.example.com: AUTH PLAIN is not announced; what is: AUTH GSSAPI"
    )


# Offering mail

FROM_NOBODY: list[Step] = [*HELLO, said("MAIL FROM:<>"), OK]
RCPT_A, RCPT_B, RCPT_C = (said(f"RCPT TO:<{letter}@example.com>") for letter in "abc")
LATER = heard("450 4.2.0 Greylisted")
NEVER = heard("550 5.1.1 User unknown")
ALL = ["a@example.com", "b@example.com", "c@example.com"]


def test_recipients_are_offered_and_no_mail_is() -> None:
    connection = Connection(*FROM_NOBODY, RCPT_A, OK, RCPT_B, heard("251 will forward"), QUIT)
    result = run_check(smtp(rcpt_to=ALL[:2]), connection)
    assert failure(result) == passed("220 mail.example.com ESMTP, accepts mail for a@example.com, b@example.com")
    assert b"DATA" not in connection.sent


@pytest.mark.parametrize(
    ("options", "command", "detail"),
    [
        ({"mail_from": "me@example.com"}, "MAIL FROM:<me@example.com>", "from <me@example.com>"),
        ({"mail_from": ""}, "MAIL FROM:<>", "from <>"),
    ],
)
def test_a_sender_alone_may_be_offered(options: dict[str, str], command: str, detail: str) -> None:
    result = run_check(smtp(**options), Connection(*HELLO, said(command), OK, QUIT))
    assert failure(result) == passed(f"220 mail.example.com ESMTP, accepts mail {detail}")


def test_a_refused_sender_fails() -> None:
    refusal = heard("530 5.7.0 Must issue a STARTTLS command first")
    result = run_check(
        smtp(mail_from="me@example.com"), Connection(*HELLO, said("MAIL FROM:<me@example.com>"), refusal)
    )
    words = "MAIL FROM:<me@example.com>: 530 5.7.0 Must issue a STARTTLS command first, must be 2yz"
    assert failure(result) == failed("status", words)


@pytest.mark.parametrize("temporary", ["fail", "drain", "degrade"])
def test_a_recipient_that_is_refused_for_good_fails(temporary: str) -> None:
    script = [*FROM_NOBODY, RCPT_A, OK, RCPT_B, NEVER, QUIT]
    result = run_check(smtp(rcpt_to=ALL, temporary=temporary), Connection(*script))
    assert failure(result) == failed("status", "RCPT TO:<b@example.com>: 550 5.1.1 User unknown, must be 2yz")


# Not now


@pytest.mark.parametrize(("temporary", "ratio"), [("drain", 0.0), ("degrade", 0.25)])
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ([heard("421 4.3.2 Shutting down")], "greeting: 421 4.3.2 Shutting down"),
        ([GREETING, EHLO, heard("450 4.7.1 Wait"), QUIT], "EHLO lvs1.example.com: 450 4.7.1 Wait"),
        ([*HELLO, said("STARTTLS"), heard("454 4.7.0 Not now"), QUIT], "STARTTLS: 454 4.7.0 Not now"),
        ([*SECURE, said("AUTH PLAIN"), heard("454 4.7.0 No database"), QUIT], "AUTH PLAIN: 454 4.7.0 No database"),
    ],
)
def test_what_is_not_possible_now_lowers_the_weight_where_that_is_wanted(
    temporary: str, ratio: float, script: list[Step], words: str
) -> None:
    options = {"temporary": temporary, "degraded_ratio": 0.25}
    result = run_check(smtp(starttls=True, user="u", password=Secret("p"), **options), Connection(*script))
    assert failure(result) == passed(f"not now ({temporary}), {words}")
    assert result.weight_ratio == ratio


def test_a_temporary_refusal_fails_by_default_and_at_once() -> None:
    result = run_check(smtp(rcpt_to=ALL), Connection(*FROM_NOBODY, RCPT_A, LATER, QUIT))
    assert failure(result) == failed("status", "RCPT TO:<a@example.com>: 450 4.2.0 Greylisted, must be 2yz")


def test_all_recipients_are_asked_because_a_refusal_for_good_counts_more() -> None:
    check = smtp(rcpt_to=ALL, temporary="drain")
    later = heard("451 4.3.0 Later, too")
    result = run_check(check, Connection(*FROM_NOBODY, RCPT_A, LATER, RCPT_B, later, RCPT_C, OK, QUIT))
    assert failure(result) == passed("not now (drain), RCPT TO:<a@example.com>: 450 4.2.0 Greylisted")
    result = run_check(check, Connection(*FROM_NOBODY, RCPT_A, LATER, RCPT_B, NEVER, QUIT))
    assert failure(result) == failed("status", "RCPT TO:<b@example.com>: 550 5.1.1 User unknown, must be 2yz")


def test_a_server_that_closes_is_asked_no_more() -> None:
    check = smtp(rcpt_to=ALL, temporary="drain")
    connection = Connection(*FROM_NOBODY, RCPT_A, heard("421 4.7.0 Enough"))
    assert failure(run_check(check, connection)) == passed("not now (drain), RCPT TO:<a@example.com>: 421 4.7.0 Enough")
    assert connection.sent.endswith(b"RCPT TO:<a@example.com>\r\n")


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"helo": "lvs1 example"}, "helo: must be a name, like lvs1.example.com"),
        ({"helo": ""}, "helo: must be a name, like lvs1.example.com"),
        ({"expect_banner": "("}, "expect_banner: must be a regular expression: "),
        ({"expect_capabilities": [" "]}, "expect_capabilities: must be keywords, like SIZE or AUTH PLAIN"),
        ({"mail_from": "a@b>\r\nDATA"}, "mail_from: must be an address, like postmaster@example.com"),
        ({"rcpt_to": ["a@example.com", ""]}, "rcpt_to: must be an address, like postmaster@example.com"),
        ({"rcpt_to": ["<a@example.com>"]}, "rcpt_to: must be an address, like postmaster@example.com"),
        ({"user": "u", "starttls": True}, "must have both user and password, or neither"),
        ({"password": Secret("p"), "starttls": True}, "must have both user and password, or neither"),
        (
            {"user": "u", "password": Secret("p")},
            "password: would be sent without TLS: set starttls, or else login_without_tls",
        ),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        SmtpCheck(**options)


def test_smtps_has_no_starttls_and_may_log_in() -> None:
    SmtpsCheck(user="u", password=Secret("p"))
    with pytest.raises(ValueError, match=r"^starttls: the connection is in TLS already$"):
        SmtpsCheck(starttls=True)


def test_options_are_read_from_a_command_line() -> None:
    words = [
        "rcpt_to=[a@example.com]",
        "temporary=degrade",
        "degraded_ratio=0.3",
        "starttls=true",
        "user=u",
        "password=p",
    ]
    check = read_arguments(SmtpCheck, words)
    assert (check.rcpt_to, check.temporary, check.degraded_ratio) == (["a@example.com"], "degrade", 0.3)
    with pytest.raises(ConfigError, match="temporary"):
        read_arguments(SmtpCheck, ["temporary=maybe"])
