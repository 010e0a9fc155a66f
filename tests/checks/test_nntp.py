"""The `nntp` and `nntps` checks against scripts: what the servers of RFC 3977 and RFC 4643 say, and what it means."""

import pytest

from feedback.model import Outcome
from feedback.testing import Close, Connection, Hang, Receive, Reset, Send, StartTls, Step, interrupted, run_check
from tests.checks.made import made

GREETING = Send(b"200 news.example.com InterNetNews server INN 2.7.1 ready\r\n")
QUIT = Receive(b"QUIT\r\n")
TO_TLS: list[Step] = [GREETING, Receive(b"STARTTLS\r\n"), Send(b"382 Continue with TLS negotiation\r\n"), StartTls()]
READER: list[Step] = [Receive(b"MODE READER\r\n"), Send(b"201 no posting\r\n")]
LOGIN: list[Step] = [
    Receive(b"AUTHINFO USER fred\r\n"),
    Send(b"381 Enter passphrase\r\n"),
    Receive(b"AUTHINFO PASS flint stone\r\n"),
    Send(b"281 Authentication accepted\r\n"),
]
GROUP: list[Step] = [Receive(b"GROUP misc.test\r\n"), Send(b"211 1234 3000234 3002322 misc.test\r\n")]
ALL: list[Step] = [GREETING, *READER, *LOGIN, *GROUP]
USER = {"user": "fred", "password": "flint stone"}


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    ("options", "script", "detail"),
    [
        ({}, [GREETING], "greeted: news.example.com InterNetNews server INN 2.7.1 ready"),
        ({}, [Send(b"201 no posting\r\n")], "greeted: no posting"),
        ({"mode_reader": True}, [GREETING, *READER], "greeted: news.example.com InterNetNews server INN 2.7.1 ready"),
        (USER, [GREETING, *LOGIN], "logged in"),
        ({"group": "misc.test"}, [GREETING, *GROUP], "misc.test with 1234 articles"),
        ({**USER, "starttls": True}, [*TO_TLS, *LOGIN], "logged in"),
        ({**USER, "mode_reader": True, "group": "misc.test"}, ALL, "misc.test with 1234 articles"),
    ],
)
def test_it_does_what_the_options_ask_for_and_quits(
    options: dict[str, str | bool], script: list[Step], detail: str, chunk_bytes: int | None
) -> None:
    connection = Connection(*script, QUIT)
    result = run_check(made("nntp", **options), connection, chunk_bytes=chunk_bytes)
    assert (result.outcome, result.detail) == (Outcome.PASS, detail)
    assert connection.sent.endswith(b"QUIT\r\n")


def test_nntps_does_the_same_in_tls() -> None:
    assert run_check(made("nntps", **USER), Connection(StartTls(), GREETING, *LOGIN, QUIT)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("script", "said", "reason", "detail"),
    [
        ([], b"400 too busy\r\n", "status", 'greeting: answered "400 too busy"'),
        ([], b"502 not for you\r\n", "status", 'greeting: answered "502 not for you"'),
        ([], b"+OK POP3\r\n", "protocol", 'greeting: answered "+OK POP3"'),
        (ALL[:2], b"502 no readers\r\n", "status", 'MODE READER: answered "502 no readers"'),
        (ALL[:4], b"483 TLS first\r\n", "auth", 'AUTHINFO USER: answered "483 TLS first"'),
        (ALL[:4], b"500 what?\r\n", "status", 'AUTHINFO USER: answered "500 what?"'),
        (ALL[:6], b"481 no\r\n", "auth", 'AUTHINFO PASS: answered "481 no"'),
        (ALL[:6], b"502 never\r\n", "auth", 'AUTHINFO PASS: answered "502 never"'),
        (ALL[:6], b"403 broken\r\n", "status", 'AUTHINFO PASS: answered "403 broken"'),
        (ALL[:8], b"411 no such group\r\n", "status", 'GROUP: answered "411 no such group"'),
        (ALL[:8], b"480 log in first\r\n", "auth", 'GROUP: answered "480 log in first"'),
        (ALL[:8], b"211 selected\r\n", "protocol", 'GROUP: answered "211 selected"'),
    ],
)
def test_a_refusal_fails_at_once_and_is_told(script: list[Step], said: bytes, reason: str, detail: str) -> None:
    check = made("nntp", **USER, mode_reader=True, group="misc.test")
    result = run_check(check, Connection(*script, Send(said), QUIT, Hang()))
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAIL, reason, detail)


def test_a_server_that_has_no_starttls_fails_by_tls() -> None:
    result = run_check(made("nntp", starttls=True), Connection(*TO_TLS[:2], Send(b"580 can not\r\n"), QUIT))
    assert (result.reason, result.detail) == ("tls", 'STARTTLS: answered "580 can not"')


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_an_interruption_anywhere_fails(by: Step, reason: str) -> None:
    check = made("nntp", **USER, mode_reader=True, group="misc.test")
    for connection in interrupted(ALL, by):
        assert run_check(check, connection).reason == reason
