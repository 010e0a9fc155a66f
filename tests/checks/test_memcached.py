"""The `memcached` check against scripts: what memcached says, and what it means."""

import pytest

from feedback.errors import ConfigError
from feedback.model import Outcome
from feedback.testing import Close, Connection, Hang, Receive, Reset, Send, StartTls, Step, interrupted, run_check
from tests.checks.made import made

VERSION: list[Step] = [Receive(b"version\r\n"), Send(b"VERSION 1.6.18\r\n")]
GET: list[Step] = [*VERSION, Receive(b"get warm\r\n"), Send(b"VALUE warm 0 5\r\nready\r\nEND\r\n")]


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    ("options", "script", "detail"),
    [
        ({}, VERSION, "version 1.6.18"),
        ({"tls": True}, [StartTls(), *VERSION], "version 1.6.18"),
        ({"key": "warm"}, GET, "key with 5 bytes"),
    ],
)
def test_it_does_what_the_options_ask_for(
    options: dict[str, str | bool], script: list[Step], detail: str, chunk_bytes: int | None
) -> None:
    connection = Connection(*script)
    result = run_check(made("memcached", **options), connection, chunk_bytes=chunk_bytes)
    assert (result.outcome, result.detail, connection.brief) == (Outcome.PASS, detail, True)


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    ("script", "said", "reason", "detail"),
    [
        (GET[:1], b"ERROR\r\n", "status", 'version: answered "ERROR"'),
        (GET[:1], b"SERVER_ERROR out of memory\r\n", "status", 'version: answered "SERVER_ERROR out of memory"'),
        (GET[:1], b"-ERR what?\r\n", "protocol", 'version: answered "-ERR what?"'),
        (GET[:3], b"END\r\n", "content", 'get: answered "END"'),
        (GET[:3], b"CLIENT_ERROR bad key\r\n", "status", 'get: answered "CLIENT_ERROR bad key"'),
        (GET[:3], b"what?\r\n", "protocol", 'get: answered "what?"'),
    ],
)
def test_another_answer_fails_at_once_and_is_told(
    script: list[Step], said: bytes, reason: str, detail: str, chunk_bytes: int | None
) -> None:
    result = run_check(made("memcached", key="warm"), Connection(*script, Send(said), Hang()), chunk_bytes=chunk_bytes)
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAIL, reason, detail)


def test_a_key_is_one_word() -> None:
    with pytest.raises(ConfigError, match=r"^key: must be one word, without spaces$"):
        made("memcached", key="warm\r\nflush_all")


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_an_interruption_anywhere_fails(by: Step, reason: str) -> None:
    for connection in interrupted(GET, by):
        assert run_check(made("memcached", key="warm"), connection).reason == reason
