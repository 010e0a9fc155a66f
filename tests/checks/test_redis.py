"""The `redis` check against scripts: what it says when, and what it makes of the answers."""

from typing import Any

import pytest

from feedback.checks.codecs import resp
from feedback.checks.redis import RedisCheck
from feedback.config import read_arguments
from feedback.errors import ConfigError
from feedback.model import CheckResult, Outcome
from feedback.secret import Secret
from feedback.testing import Close, Connection, Hang, Receive, Reset, Send, StartTls, Step, interrupted, run_check


def said(*words: str) -> Receive:
    return Receive(resp.command(*words))


def bulk(text: str) -> Send:
    return Send(f"${len(text)}\r\n{text}\r\n".encode())


PING = said("PING")
PONG = Send(b"+PONG\r\n")
AUTH = said("AUTH", "secret")
OK = Send(b"+OK\r\n")
INFO = said("INFO", "replication")
MASTER = bulk("# Replication\r\nrole:master\r\nconnected_slaves:0\r\n")
LINKED = "# Replication\r\nrole:slave\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:7\r\n"


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def failed(reason: str, detail: str) -> tuple[Outcome, str, str]:
    return Outcome.FAIL, reason, detail


def passed(detail: str) -> tuple[Outcome, str, str]:
    return Outcome.PASS, "", detail


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize("pong", [PONG, bulk("PONG")])
def test_a_server_that_answers_passes(pong: Send, chunk_bytes: int | None) -> None:
    connection = Connection(PING, pong)
    assert outcome(run_check(RedisCheck(), connection, chunk_bytes=chunk_bytes)) == passed("PONG")
    assert connection.brief  # the check speaks first


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (b"-NOAUTH Authentication required.\r\n", "auth", "NOAUTH Authentication required."),
        (
            b"-LOADING Redis is loading the dataset in memory\r\n",
            "status",
            "LOADING Redis is loading the dataset in memory",
        ),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "status", "MASTERDOWN Link with MASTER is down"),
        (b"-ERR max number of clients reached\r\n", "status", "ERR max number of clients reached"),
        (b"+PING\r\n", "content", '"PING", must be "PONG"'),
        (b":1\r\n", "content", '"1", must be "PONG"'),
        (b"HTTP/1.1 400 Bad Request\r\n", "protocol", 'not an answer of Redis: "HTTP/1.1 400 Bad Request"'),
        (b"+" + bytes(2000), "limit", "more than 1024 bytes from 192.0.2.11:80 in one piece"),
        (b"$2\r\nabcd", "protocol", 'an answer must end with its line: "abcd"'),
    ],
)
def test_another_answer_fails(answer: bytes, reason: str, words: str) -> None:
    assert outcome(run_check(RedisCheck(), Connection(PING, Send(answer)))) == failed(reason, f"PING: {words}")


@pytest.mark.parametrize(
    ("options", "words"), [({}, ["AUTH", "secret"]), ({"user": "monitor"}, ["AUTH", "monitor", "secret"])]
)
def test_a_login_goes_before(options: dict[str, Any], words: list[str]) -> None:
    check = RedisCheck(password=Secret("secret"), **options)
    assert outcome(run_check(check, Connection(said(*words), OK, PING, PONG))) == passed("PONG")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"-WRONGPASS invalid username-password pair\r\n", "WRONGPASS invalid username-password pair"),
        (b"-ERR invalid password\r\n", "ERR invalid password"),  # before version 6
        (b"+QUEUED\r\n", '"QUEUED", must be "OK"'),
    ],
)
def test_a_refused_login_fails(answer: bytes, words: str) -> None:
    result = run_check(RedisCheck(password=Secret("secret")), Connection(AUTH, Send(answer)))
    assert outcome(result) == failed("auth", f"AUTH: {words}")


def test_tls_is_spoken_from_the_start() -> None:
    connection = Connection(StartTls(), PING, PONG)
    check = RedisCheck(tls=True, verify=False, sni="cache.example.com")
    assert outcome(run_check(check, connection)) == passed("PONG")
    assert connection.server_hostname == "cache.example.com"
    result = run_check(check, Connection(StartTls(error="certificate refused")))
    assert outcome(result) == failed("tls", "certificate refused")


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    ("options", "info", "words"),
    [
        ({"role": "master"}, MASTER, "master"),
        ({"max_lag": 1.0}, MASTER, "master"),
        ({"role": "replica"}, bulk("role:slave\r\nmaster_link_status:down\r\n"), "replica"),
        ({"max_lag": 7.0}, bulk(LINKED), "replica, heard from its master 7 s ago"),
        ({"max_lag": 7.0}, bulk(LINKED.replace("slave", "replica")), "replica, heard from its master 7 s ago"),
    ],
)
def test_a_server_in_its_role_passes(options: dict[str, Any], info: Send, words: str, chunk_bytes: int | None) -> None:
    result = run_check(RedisCheck(**options), Connection(PING, PONG, INFO, info), chunk_bytes=chunk_bytes)
    assert outcome(result) == passed(f"PONG, {words}")


@pytest.mark.parametrize(
    ("options", "info", "reason", "words"),
    [
        ({"role": "replica"}, MASTER, "content", "the server is a master, must be a replica"),
        ({"role": "master"}, bulk(LINKED), "content", "the server is a replica, must be a master"),
        ({"max_lag": 6.0}, bulk(LINKED), "content", "heard from its master 7 s ago, must be 6s at most"),
        (
            {"max_lag": 6.0},
            bulk(LINKED.replace("up", "down")),
            "content",
            "the replica is not connected to its master",
        ),
        (
            {"max_lag": 6.0},
            bulk(LINKED.replace("7", "?")),
            "protocol",
            'master_last_io_seconds_ago must be a number, not "?"',
        ),
        ({"role": "master"}, bulk(""), "content", "the server does not say whether it is a master or a replica"),
        ({"role": "master"}, Send(b"-NOPERM no\r\n"), "auth", "NOPERM no"),
    ],
)
def test_another_server_fails(options: dict[str, Any], info: Send, reason: str, words: str) -> None:
    result = run_check(RedisCheck(**options), Connection(PING, PONG, INFO, info))
    assert outcome(result) == failed(reason, f"INFO replication: {words}")


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_an_interruption_anywhere_fails_and_leaves_nothing_open(by: Step, reason: str) -> None:
    check = RedisCheck(password=Secret("secret"), role="replica", max_lag=7.0)
    script: list[Step] = [AUTH, OK, PING, PONG, INFO, bulk(LINKED)]
    assert run_check(check, Connection(*script)).outcome is Outcome.PASS
    for connection in interrupted(script, by):
        assert run_check(check, connection).reason == reason


def test_a_user_without_a_password_is_refused() -> None:
    with pytest.raises(ConfigError, match="user: goes with password, and there is none"):
        read_arguments(RedisCheck, ["user=monitor"])
