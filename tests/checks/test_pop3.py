"""The `pop3` and `pop3s` checks against scripts: what RFC 1939's servers say, and what it means."""

import pytest

from feedback.model import Outcome
from feedback.testing import Close, Connection, Hang, Receive, Reset, Send, StartTls, Step, interrupted, run_check
from tests.checks.made import made

GREETING = Send(b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n")
OK = Send(b"+OK\r\n")
QUIT = Receive(b"QUIT\r\n")
TO_TLS: list[Step] = [GREETING, Receive(b"STLS\r\n"), OK, StartTls()]
LOGIN: list[Step] = [GREETING, Receive(b"USER mrose\r\n"), OK, Receive(b"PASS a b\r\n"), OK]
MAILBOX: list[Step] = [*LOGIN, Receive(b"STAT\r\n"), Send(b"+OK 2 320\r\n")]
USER = {"user": "mrose", "password": "a b"}


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    ("options", "script", "detail"),
    [
        ({}, [GREETING], "greeted: POP3 server ready <1896.697170952@dbc.mtview.ca.us>"),
        ({}, [OK], "greeted: "),
        ({"starttls": True}, TO_TLS, "greeted: POP3 server ready <1896.697170952@dbc.mtview.ca.us>"),
        (USER, MAILBOX, "mailbox with 2 messages"),
        ({**USER, "starttls": True}, [*TO_TLS, *MAILBOX[1:]], "mailbox with 2 messages"),
    ],
)
def test_it_does_what_the_options_ask_for_and_quits(
    options: dict[str, str | bool], script: list[Step], detail: str, chunk_bytes: int | None
) -> None:
    connection = Connection(*script, QUIT)
    result = run_check(made("pop3", **options), connection, chunk_bytes=chunk_bytes)
    assert (result.outcome, result.detail) == (Outcome.PASS, detail)
    assert connection.sent.endswith(b"QUIT\r\n")


def test_pop3s_does_the_same_in_tls() -> None:
    assert run_check(made("pop3s", **USER), Connection(StartTls(), *MAILBOX, QUIT)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("script", "said", "reason", "detail"),
    [
        ([], b"-ERR too many\r\n", "status", 'greeting: answered "-ERR too many"'),
        ([], b"* OK IMAP\r\n", "protocol", 'greeting: answered "* OK IMAP"'),
        (LOGIN[:2], b"-ERR TLS first\r\n", "auth", 'USER: answered "-ERR TLS first"'),
        (LOGIN[:4], b"-ERR [AUTH] no\r\n", "auth", 'PASS: answered "-ERR [AUTH] no"'),
        (LOGIN[:4], b"-ERR [IN-USE] locked\r\n", "status", 'PASS: answered "-ERR [IN-USE] locked"'),
        (LOGIN[:4], b"-ERR [SYS/TEMP] later\r\n", "status", 'PASS: answered "-ERR [SYS/TEMP] later"'),
        (MAILBOX[:6], b"-ERR broken\r\n", "status", 'STAT: answered "-ERR broken"'),
        (MAILBOX[:6], b"+OK some\r\n", "protocol", 'STAT: answered "+OK some"'),
    ],
)
def test_a_refusal_fails_at_once_and_is_told(script: list[Step], said: bytes, reason: str, detail: str) -> None:
    result = run_check(made("pop3", **USER), Connection(*script, Send(said), QUIT, Hang()))
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAIL, reason, detail)


def test_a_server_that_has_no_stls_fails_by_tls() -> None:
    result = run_check(made("pop3", starttls=True), Connection(*TO_TLS[:2], Send(b"-ERR what?\r\n"), QUIT))
    assert (result.reason, result.detail) == ("tls", 'STLS: answered "-ERR what?"')


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_an_interruption_anywhere_fails(by: Step, reason: str) -> None:
    for connection in interrupted(MAILBOX, by):
        assert run_check(made("pop3", **USER), connection).reason == reason
