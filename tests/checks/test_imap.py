"""The `imap` and `imaps` checks against scripts: what RFC 3501's servers say, and what it means."""

import pytest

from feedback.model import Outcome
from feedback.testing import Close, Connection, Hang, Receive, Reset, Send, StartTls, Step, interrupted, run_check
from tests.checks.made import made

GREETING = Send(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] mail.example.com ready\r\n")
CAPABILITY = Send(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na2 OK done\r\n")
LOGOUT = Receive(b"a9 LOGOUT\r\n")
PLAIN: list[Step] = [GREETING, Receive(b"a2 CAPABILITY\r\n"), CAPABILITY]
LOGIN: list[Step] = [*PLAIN, Receive(b'a3 LOGIN "monitor" "secret"\r\n'), Send(b"a3 OK [CAPABILITY IDLE] welcome\r\n")]
MAILBOX: list[Step] = [
    *LOGIN,
    Receive(b'a4 EXAMINE "INBOX"\r\n'),
    Send(
        b"* 17 EXISTS\r\n* 2 RECENT\r\n* OK [UNSEEN 8] Message 8 is first unseen\r\n* OK [UIDVALIDITY 3857529045]\r\n"
        b"* FLAGS (\\Answered \\Seen)\r\na4 OK [READ-ONLY] EXAMINE completed\r\n"
    ),
]
TO_TLS: list[Step] = [GREETING, Receive(b"a1 STARTTLS\r\n"), Send(b"a1 OK begin\r\n"), StartTls(), *PLAIN[1:]]
USER = {"user": "monitor", "password": "secret"}


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    ("options", "script", "detail"),
    [
        ({}, PLAIN, "greeted: mail.example.com ready"),
        ({"starttls": True}, TO_TLS, "greeted: mail.example.com ready"),
        (USER, LOGIN, "logged in"),
        ({**USER, "mailbox": "INBOX"}, MAILBOX, "mailbox with 17 messages"),
    ],
)
def test_it_does_what_the_options_ask_for_and_logs_out(
    options: dict[str, str | bool], script: list[Step], detail: str, chunk_bytes: int | None
) -> None:
    connection = Connection(*script, LOGOUT)
    result = run_check(made("imap", **options), connection, chunk_bytes=chunk_bytes)
    assert (result.outcome, result.detail) == (Outcome.PASS, detail)
    assert connection.sent.endswith(b"a9 LOGOUT\r\n")


def test_imaps_does_the_same_in_tls() -> None:
    connection = Connection(StartTls(), *MAILBOX, LOGOUT)
    result = run_check(made("imaps", **USER, mailbox="INBOX", sni="mail.example.com"), connection)
    assert (result.outcome, connection.server_hostname) == (Outcome.PASS, "mail.example.com")


@pytest.mark.parametrize(
    ("greeting", "detail"),
    [
        (b"* OK IMAP4rev1 Service Ready\r\n", "greeted: IMAP4rev1 Service Ready"),
        (b"* ok\r\n", "greeted: "),
        (b"* PREAUTH IMAP4rev1 server logged in as Smith\r\n", "greeted: IMAP4rev1 server logged in as Smith"),
    ],
)
def test_greetings_differ(greeting: bytes, detail: str) -> None:
    result = run_check(made("imap"), Connection(Send(greeting), *PLAIN[1:], LOGOUT))
    assert (result.outcome, result.detail) == (Outcome.PASS, detail)


@pytest.mark.parametrize(
    ("script", "said", "reason", "detail"),
    [
        ([], b"* BYE overloaded\r\n", "status", 'greeting: answered "* BYE overloaded"'),
        ([], b"220 smtp ready\r\n", "protocol", 'greeting: answered "220 smtp ready"'),
        (PLAIN[:2], b"* BYE going down\r\n", "status", 'CAPABILITY: answered "* BYE going down"'),
        (PLAIN[:2], b"a2 BAD what?\r\n", "status", 'CAPABILITY: answered "a2 BAD what?"'),
        (PLAIN[:2], b"a2 OK nothing\r\n", "protocol", 'CAPABILITY: answered "a2 OK nothing"'),
        (
            PLAIN[:2],
            b"* CAPABILITY IMAP4rev1 LOGINDISABLED STARTTLS\r\na2 OK\r\n",
            "auth",
            'CAPABILITY: answered "* CAPABILITY IMAP4rev1 LOGINDISABLED STARTTLS"',
        ),
        (LOGIN[:4], b"a3 NO [AUTHENTICATIONFAILED] no\r\n", "auth", None),
        (LOGIN[:4], b"a3 NO [UNAVAILABLE] directory is away\r\n", "status", None),
        (LOGIN[:4], b"a3 BAD no such command\r\n", "status", None),
        (MAILBOX[:6], b"a4 NO no such mailbox\r\n", "status", None),
        (MAILBOX[:6], b"a4 OK but how many?\r\n", "protocol", None),
        (MAILBOX[:6], b"* 3 EXISTS\r\na4 NO it is broken\r\n", "status", None),
    ],
)
def test_a_refusal_fails_at_once_and_is_told(script: list[Step], said: bytes, reason: str, detail: str | None) -> None:
    connection = Connection(*script, Send(said), LOGOUT, Hang())
    result = run_check(made("imap", **USER, mailbox="INBOX"), connection)
    assert (result.outcome, result.reason) == (Outcome.FAIL, reason)
    assert detail is None or result.detail == detail
    assert connection.sent.endswith(b"a9 LOGOUT\r\n")


def test_a_server_that_has_no_starttls_fails_by_tls() -> None:
    result = run_check(made("imap", starttls=True), Connection(*TO_TLS[:2], Send(b"a1 BAD no TLS\r\n"), LOGOUT))
    assert (result.reason, result.detail) == ("tls", 'STARTTLS: answered "a1 BAD no TLS"')


def test_what_is_slipped_in_before_tls_is_refused() -> None:
    connection = Connection(*TO_TLS[:2], Send(b"a1 OK begin\r\n* PREAUTH trust me\r\n"), LOGOUT)
    assert run_check(made("imap", starttls=True), connection).reason == "protocol"


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_an_interruption_anywhere_fails(by: Step, reason: str) -> None:
    for connection in interrupted(MAILBOX, by):
        assert run_check(made("imap", **USER, mailbox="INBOX"), connection).reason == reason
