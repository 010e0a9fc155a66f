"""The `postgresql` check against scripts: what it says when, and what it makes of the answers."""

import base64
import hashlib
import hmac
from typing import Any

import pytest

from feedback.checks import postgresql
from feedback.checks.codecs import postgresql_message, scram
from feedback.checks.postgresql import STATE, PostgresqlCheck
from feedback.checks.sql import ANSWER_LIMIT_BYTES
from feedback.config import read_arguments
from feedback.errors import ConfigError
from feedback.model import CheckResult, Outcome
from feedback.secret import Secret
from feedback.testing import Close, Connection, Hang, Receive, Reset, Send, StartTls, Step, interrupted, run_check


def heard(kind: str, body: bytes = b"") -> Send:
    return Send(kind.encode() + (len(body) + 4).to_bytes(4) + body)


def refusal(state: str, words: str, severity: str = "FATAL") -> Send:
    return heard("E", f"S{severity}\0V{severity}\0C{state}\0M{words}\0\0".encode())


def wants(method: int, data: bytes = b"") -> Send:
    return heard("R", method.to_bytes(4) + data)


def row(*values: str | None) -> Send:
    encoded = (b"\xff" * 4 if value is None else len(value).to_bytes(4) + value.encode() for value in values)
    return heard("D", len(values).to_bytes(2) + b"".join(encoded))


def query(statement: str) -> Receive:
    return Receive(postgresql_message.query(statement))


def answered(*rows: Send) -> list[Step]:
    return [heard("T", b"\0\0"), *rows, heard("C", b"SELECT\0"), heard("Z", b"I")]


NOBODY = Receive(postgresql_message.startup("feedback", None))
ASKS = Receive(postgresql_message.startup("monitor", None))
READY: list[Step] = [
    heard("N", b"SNOTICE\0\0"),
    heard("S", b"client_encoding\0UTF8\0"),
    heard("S", b"server_version\x0015.6 (Debian)\0"),
    heard("K", bytes(8)),
    heard("Z", b"I"),
]
LOGIN: list[Step] = [ASKS, wants(0), *READY]
GOODBYE = Receive(b"X\0\0\0\x04")
VERSION = "PostgreSQL 15.6 (Debian)"


def pg(**options: Any) -> PostgresqlCheck:
    return PostgresqlCheck(user="monitor", password=Secret("secret"), verify=False, **options)


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def failed(reason: str, detail: str) -> tuple[Outcome, str, str]:
    return Outcome.FAIL, reason, detail


def passed(detail: str) -> tuple[Outcome, str, str]:
    return Outcome.PASS, "", detail


# Nobody


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (wants(10, b"SCRAM-SHA-256\0\0"), "asks for a login by SCRAM-SHA-256"),
        (wants(5, b"salt"), "asks for a login by an MD5 of the password"),
        (wants(0), "lets feedback in"),
        (
            refusal("28000", 'no pg_hba.conf entry for host "192.0.2.1"'),
            'asks for a login: FATAL 28000: no pg_hba.conf entry for host "192.0.2.1"',
        ),
        (refusal("3D000", "no such database"), "asks for a login: FATAL 3D000: no such database"),
    ],
)
def test_a_server_that_says_anything_to_nobody_passes(answer: Send, words: str, chunk_bytes: int | None) -> None:
    result = run_check(PostgresqlCheck(), Connection(NOBODY, answer), chunk_bytes=chunk_bytes)
    assert outcome(result) == passed(words)


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (
            refusal("57P03", "the database system is starting up"),
            "status",
            "FATAL 57P03: the database system is starting up",
        ),
        (refusal("53300", "sorry, too many clients already"), "status", "FATAL 53300: sorry, too many clients already"),
        (refusal("XX000", "out of order"), "status", "FATAL XX000: out of order"),
        (Send(b"Ecould not fork new process"), "protocol", 'not a message of PostgreSQL: "Ecoul"'),
        (Send(b"HTTP/1.1 400 Bad Request"), "protocol", 'not a message of PostgreSQL: "HTTP/"'),
        (heard("Z", b"I"), "protocol", "a message Z that nobody has asked for"),
    ],
)
def test_a_server_that_can_not_serve_fails(answer: Send, reason: str, words: str) -> None:
    result = run_check(PostgresqlCheck(), Connection(NOBODY, answer))
    assert outcome(result) == failed(reason, f"session: {words}")


def test_notices_without_end_fail() -> None:
    notices = [heard("N", bytes(60_000)) for _ in range(5)]
    result = run_check(PostgresqlCheck(), Connection(NOBODY, *notices))
    assert outcome(result) == failed("limit", f"session: an answer of more than {ANSWER_LIMIT_BYTES} bytes")


# TLS

TLS: list[Step] = [Receive(bytes.fromhex("0000000804d2162f")), Send(b"S"), StartTls()]


def test_tls_is_begun_before_anything_else_is_said() -> None:
    connection = Connection(*TLS, *LOGIN, GOODBYE)
    result = run_check(pg(tls=True, sni="db.example.com"), connection)
    assert outcome(result) == passed(f"{VERSION}, logged in as monitor")
    assert connection.server_hostname == "db.example.com"


@pytest.mark.parametrize(
    ("answers", "reason", "words"),
    [
        ([Send(b"N")], "tls", "the server does not offer TLS"),
        ([Send(b"E")], "protocol", "b'E' in answer to a request for TLS, must be S or N"),
        ([Send(b"S\x15")], "protocol", "192.0.2.11:80 sent more before TLS than it was asked for"),
        ([Send(b"S"), StartTls(error="certificate refused")], "tls", "certificate refused"),
    ],
)
def test_without_tls_the_check_fails(answers: list[Step], reason: str, words: str) -> None:
    result = run_check(PostgresqlCheck(tls=True), Connection(TLS[0], *answers))
    assert outcome(result) == failed(reason, f"TLS: {words}")


# A login


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_login_passes_and_ends_with_goodbye(chunk_bytes: int | None) -> None:
    result = run_check(pg(), Connection(*LOGIN, GOODBYE), chunk_bytes=chunk_bytes)
    assert outcome(result) == passed(f"{VERSION}, logged in as monitor")


def test_a_database_is_asked_for() -> None:
    asks = Receive(postgresql_message.startup("monitor", "shop"))
    assert run_check(pg(database="shop"), Connection(asks, *LOGIN[1:], GOODBYE)).outcome is Outcome.PASS


def test_a_password_is_proved_by_md5() -> None:
    proof = postgresql_message.password(b"md529c6313c69e8e7dad4af92984a1f41c1")
    script = [ASKS, wants(5, b"\1\2\3\4"), Receive(proof), *LOGIN[1:], GOODBYE]
    assert run_check(pg(), Connection(*script)).outcome is Outcome.PASS


CLEAR = Receive(postgresql_message.password(b"secret"))


def test_a_password_is_sent_in_clear_where_that_is_safe_or_allowed() -> None:
    script = [ASKS, wants(3), CLEAR, *LOGIN[1:], GOODBYE]
    assert run_check(pg(tls=True), Connection(*TLS, *script)).outcome is Outcome.PASS
    assert run_check(pg(login_without_tls=True), Connection(*script)).outcome is Outcome.PASS


def test_and_nowhere_else() -> None:
    connection = Connection(ASKS, wants(3))
    words = "login: the server wants the password in clear: set tls, or else login_without_tls"
    assert outcome(run_check(pg(), connection)) == failed("auth", words)
    assert b"secret" not in connection.sent


def test_a_user_may_have_no_password() -> None:
    check = PostgresqlCheck(user="monitor", login_without_tls=True)
    script = Connection(ASKS, wants(3), Receive(postgresql_message.password(b"")), refusal("28P01", "no password"))
    assert outcome(run_check(check, script)) == failed("auth", "login: FATAL 28P01: no password")


RANDOM = bytes(18)
OPENING = scram.opening(RANDOM)
CHALLENGE = f"r={OPENING.nonce}more,s={base64.b64encode(b'salt').decode()},i=4096"
FIRST = Receive(postgresql_message.sasl_begin("SCRAM-SHA-256", OPENING.message))
OFFER = wants(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")


def scram_script(server_s_password: str = "secret") -> list[Step]:
    """Return the dialogue with a server: what it proves, it computes by itself."""
    proof = scram.proof(OPENING, "secret", CHALLENGE.encode())
    signed = f"{OPENING.bare},{CHALLENGE},c=biws,r={OPENING.nonce}more".encode()
    salted = hashlib.pbkdf2_hmac("sha256", server_s_password.encode(), b"salt", 4096)
    signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
    continued, last = wants(11, CHALLENGE.encode()), wants(12, b"v=" + base64.b64encode(signature))
    return [ASKS, OFFER, FIRST, continued, Receive(postgresql_message.sasl_continue(proof.message)), last]


@pytest.fixture
def known_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "new_nonce", bytes)  # of so many zeros


@pytest.mark.usefixtures("known_nonce")
@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_both_sides_prove_the_password_by_scram(chunk_bytes: int | None) -> None:
    connection = Connection(*scram_script(), *LOGIN[1:], GOODBYE)
    assert run_check(pg(), connection, chunk_bytes=chunk_bytes).outcome is Outcome.PASS
    assert b"secret" not in connection.sent


@pytest.mark.usefixtures("known_nonce")
def test_a_server_that_does_not_know_the_password_fails() -> None:
    result = run_check(pg(), Connection(*scram_script("guessed")))
    assert outcome(result) == failed("auth", "login: the server has not proved that it knows the password")


@pytest.mark.usefixtures("known_nonce")
def test_a_server_may_not_leave_its_proof_out() -> None:
    result = run_check(pg(), Connection(*scram_script()[:-1], wants(0), *READY))
    assert outcome(result) == failed("protocol", "login: the login goes on with 0, must be 12")


def test_a_nonce_is_another_one_each_time() -> None:
    first, second = Connection(ASKS, OFFER, Hang()), Connection(ASKS, OFFER, Hang())
    run_check(pg(), first)
    run_check(pg(), second)
    assert first.sent != second.sent


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (refusal("28P01", "password authentication failed"), "auth", "FATAL 28P01: password authentication failed"),
        (refusal("53300", "too many connections for role"), "status", "FATAL 53300: too many connections for role"),
        (wants(7), "auth", "the server wants a login by GSSAPI, which the check does not know"),
        (wants(10, b"X\0\0"), "auth", "the server wants a login by X, which the check does not know"),
        (heard("Z", b"I"), "protocol", "a message Z that nobody has asked for"),
    ],
)
def test_a_login_that_does_not_succeed_fails_in_words(answer: Send, reason: str, words: str) -> None:
    assert outcome(run_check(pg(), Connection(ASKS, answer))) == failed(reason, f"login: {words}")


@pytest.mark.parametrize(
    ("state", "reason"), [("28000", "auth"), ("3D000", "status"), ("42501", "status"), ("57P03", "status")]
)
def test_a_session_may_be_refused_after_the_login(state: str, reason: str) -> None:
    result = run_check(pg(), Connection(ASKS, wants(0), refusal(state, "no")))
    assert outcome(result) == failed(reason, f"login: FATAL {state}: no")


# Queries


@pytest.mark.parametrize(
    ("options", "value", "shown"),
    [({}, "1", '"1"'), ({}, None, "NULL"), ({"expect": "t"}, "t", '"t"'), ({"expect_regex": "^p"}, "put", '"put"')],
)
@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_query_passes_when_its_first_value_is_as_expected(
    options: dict[str, str], value: str | None, shown: str, chunk_bytes: int | None
) -> None:
    script = Connection(*LOGIN, query("SELECT x"), *answered(row(value, "2"), row("3", None)), GOODBYE)
    result = run_check(pg(query="SELECT x", **options), script, chunk_bytes=chunk_bytes)
    assert outcome(result) == passed(f"{VERSION}, logged in as monitor, query: {shown}")


@pytest.mark.parametrize(
    ("answers", "reason", "words"),
    [
        (answered(row("f")), "content", '"f", must be "t"'),
        (answered(row(None)), "content", 'NULL, must be "t"'),
        (answered(row()), "content", 'NULL, must be "t"'),
        (answered(), "content", "no row, must be one at least"),
        ([refusal("42P01", "no such relation", "ERROR")], "status", "ERROR 42P01: no such relation"),
    ],
)
def test_another_answer_fails_and_the_server_is_told_goodbye(answers: list[Step], reason: str, words: str) -> None:
    connection = Connection(*LOGIN, query("SELECT x"), *answers, GOODBYE)
    result = run_check(pg(query="SELECT x", expect="t"), connection)
    assert outcome(result) == failed(reason, f"query: {words}")
    assert connection.sent.endswith(postgresql_message.TERMINATE)


def test_an_answer_without_end_fails() -> None:
    rows = [row("x" * 60_000)] * 4
    fifth = Send(rows[0].data[: postgresql_message.HEADER_BYTES])
    result = run_check(pg(query="SELECT x"), Connection(*LOGIN, query("SELECT x"), *rows, fifth, Hang()))
    assert outcome(result) == failed("limit", f"query: an answer of more than {ANSWER_LIMIT_BYTES} bytes")


# Roles

PRIMARY = ("f", None, None)


@pytest.mark.parametrize(
    ("options", "state", "words"),
    [
        ({"role": "primary"}, PRIMARY, "primary"),
        ({"max_lag": 5.0}, PRIMARY, "primary"),
        ({"role": "standby"}, ("t", "f", "99"), "standby"),
        ({"role": "standby", "max_lag": 5.0}, ("t", "t", "99"), "standby, 0.0 s behind"),
        ({"max_lag": 5.0}, ("t", "t", None), "standby, 0.0 s behind"),
        ({"max_lag": 5.0}, ("t", "f", "4.96"), "standby, 5.0 s behind"),
        ({"max_lag": 5.0}, ("t", "f", "-0.2"), "standby, 0.0 s behind"),
        ({"max_lag": 5.0}, ("t", None, "1"), "standby, 1.0 s behind"),
    ],
)
def test_a_server_in_its_role_passes(options: dict[str, Any], state: tuple[str | None, ...], words: str) -> None:
    script = Connection(*LOGIN, query(STATE), *answered(row(*state)), GOODBYE)
    assert outcome(run_check(pg(**options), script)) == passed(f"{VERSION}, logged in as monitor, {words}")


@pytest.mark.parametrize(
    ("options", "rows", "reason", "words"),
    [
        ({"role": "standby"}, [row(*PRIMARY)], "content", "the server is a primary, must be a standby"),
        ({"role": "primary"}, [row("t", "t", "0")], "content", "the server is a standby, must be a primary"),
        ({"max_lag": 5.0}, [row("t", "f", "5.26")], "content", "5.3 s behind, must be 5s at most"),
        ({"max_lag": 5.0}, [row("t", "f", None)], "content", "the standby has not replayed any transaction yet"),
        ({"max_lag": 5.0}, [row("t", "f", "soon")], "protocol", "an age must be a number, not soon"),
        ({"max_lag": 5.0}, [], "protocol", "0 rows, must be one of three values"),
        ({"max_lag": 5.0}, [row("t")], "protocol", "1 rows, must be one of three values"),
    ],
)
def test_another_server_fails(options: dict[str, Any], rows: list[Send], reason: str, words: str) -> None:
    script = Connection(*LOGIN, query(STATE), *answered(*rows), GOODBYE)
    assert outcome(run_check(pg(**options), script)) == failed(reason, f"role: {words}")


# Interruptions


@pytest.mark.usefixtures("known_nonce")
@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_an_interruption_anywhere_fails_and_leaves_nothing_open(by: Step, reason: str) -> None:
    check = pg(query="SELECT x", role="primary")
    script = [
        *scram_script(),
        *LOGIN[1:],
        query("SELECT x"),
        *answered(row("1")),
        query(STATE),
        *answered(row(*PRIMARY)),
    ]
    assert run_check(check, Connection(*script, GOODBYE)).outcome is Outcome.PASS
    for connection in interrupted(script, by):
        assert run_check(check, connection).reason == reason


def test_a_server_that_has_gone_when_it_is_told_goodbye_has_passed() -> None:
    assert run_check(pg(), Connection(*LOGIN, Reset())).outcome is Outcome.PASS


@pytest.mark.parametrize("argument", ["password=x", "query=x", "database=x", "role=primary", "max_lag=1s"])
def test_options_that_go_with_a_user_are_refused_without(argument: str) -> None:
    with pytest.raises(ConfigError, match=f"{argument.partition('=')[0]}: goes with user, and there is none"):
        read_arguments(PostgresqlCheck, [argument])
