"""The `mysql` check against scripts: what it says when, and what it makes of the answers."""

from typing import Any

import pytest

from feedback.checks.codecs import mysql_login, mysql_packet
from feedback.checks.codecs.mysql_packet import Handshake
from feedback.checks.mysql import LOGIN_STEPS, MysqlCheck
from feedback.checks.sql import ANSWER_LIMIT_BYTES
from feedback.config import read_arguments
from feedback.errors import ConfigError
from feedback.model import CheckResult, Outcome
from feedback.secret import Secret
from feedback.testing import Close, Connection, Hang, Receive, Reset, Send, StartTls, Step, interrupted, run_check

NONCE = bytes(range(1, 21))
OTHER_NONCE = bytes(range(41, 61))
NATIVE = "mysql_native_password"
SHA2 = "caching_sha2_password"


def greeting(plugin: str = NATIVE, capabilities: int = 0xFFFFFFFF, version: str = "8.0.36") -> bytes:
    low, high = (capabilities & 0xFFFF).to_bytes(2, "little"), (capabilities >> 16).to_bytes(2, "little")
    beginning = b"\x0a" + version.encode() + bytes(5) + NONCE[:8] + b"\0" + low + b"\x2d\x02\0" + high + b"\x15"
    return beginning + bytes(10) + NONCE[8:] + b"\0" + plugin.encode() + b"\0"


def shaken(plugin: str = NATIVE) -> Handshake:
    handshake = mysql_packet.read_handshake(greeting(plugin))
    assert isinstance(handshake, Handshake)
    return handshake


def heard(sequence: int, payload: bytes) -> Send:
    return Send(mysql_packet.packet(sequence, payload))


def said(sequence: int, payload: bytes) -> Receive:
    return Receive(mysql_packet.packet(sequence, payload))


def asks(
    user: str, proof: bytes, plugin: str = NATIVE, *, database: str | None = None, tls: bool = False, number: int = 1
) -> Receive:
    return said(number, mysql_packet.login(shaken(plugin), user, proof, plugin, database, tls=tls))


def refusal(code: int, state: str, words: str) -> bytes:
    return b"\xff" + code.to_bytes(2, "little") + b"#" + state.encode() + words.encode()


def text(*values: str | None) -> bytes:
    return b"".join(b"\xfb" if value is None else bytes([len(value.encode())]) + value.encode() for value in values)


def answered(columns: list[str], *rows: tuple[str | None, ...]) -> list[Step]:
    """Return the packets of a query's answer."""
    payloads = [bytes([len(columns)]), *(text("def", "", "", "", name, name) for name in columns), END]
    payloads += [*(text(*row) for row in rows), END]
    return [heard(number, payload) for number, payload in enumerate(payloads, 1)]


GREETING = heard(0, greeting())
NOBODY = asks("feedback", b"")
DENIED = refusal(1045, "28000", "Access denied for user 'feedback'@'lvs1' (using password: NO)")
OK = b"\0\0\0\x02\0\0\0"
END = b"\xfe\0\0\x02\0"
QUIT = said(0, b"\x01")
PROOF = mysql_login.native_password(b"secret", NONCE)
LOGIN: list[Step] = [GREETING, asks("monitor", PROOF), heard(2, OK)]


def query(statement: str) -> Receive:
    return said(0, b"\x03" + statement.encode())


def mysql(**options: Any) -> MysqlCheck:
    return MysqlCheck(user="monitor", password=Secret("secret"), verify=False, **options)


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def failed(reason: str, detail: str) -> tuple[Outcome, str, str]:
    return Outcome.FAIL, reason, detail


def passed(detail: str) -> tuple[Outcome, str, str]:
    return Outcome.PASS, "", detail


# Nobody


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_server_that_lets_nobody_in_passes(chunk_bytes: int | None) -> None:
    connection = Connection(GREETING, NOBODY, heard(2, DENIED))
    result = run_check(MysqlCheck(), connection, chunk_bytes=chunk_bytes)
    assert outcome(result) == passed("8.0.36, asks for a login")
    assert not connection.brief  # the server speaks first


def test_a_server_that_lets_anybody_in_passes_and_is_told_goodbye() -> None:
    result = run_check(MysqlCheck(), Connection(GREETING, NOBODY, heard(2, OK), QUIT))
    assert outcome(result) == passed("8.0.36, logged in as feedback")


@pytest.mark.parametrize("plugin", [NATIVE, SHA2, "client_ed25519", "sha256_password", "auth_gssapi_client"])
def test_nobody_has_nothing_to_prove_whatever_the_plugin(plugin: str) -> None:
    switch = heard(2, b"\xfe" + plugin.encode() + b"\0" + OTHER_NONCE + b"\0")
    script = Connection(GREETING, NOBODY, switch, said(3, b""), heard(4, DENIED))
    assert run_check(MysqlCheck(), script).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("script", "reason", "detail"),
    [
        ([heard(0, b"\xff\x10\x04Too many connections")], "status", "handshake: 1040 Too many connections"),
        (
            [heard(0, b"\xff\x69\x04Host 'lvs1' is blocked because of many connection errors")],
            "status",
            "handshake: 1129 Host 'lvs1' is blocked because of many connection errors",
        ),
        (
            [GREETING, NOBODY, heard(2, refusal(1040, "08004", "Too many connections"))],
            "status",
            "login: 1040 Too many connections",
        ),
        ([GREETING, NOBODY, heard(3, DENIED)], "protocol", "login: packet number 3, must be 2"),
        ([Send(b"220 mail.example.com ESMTP\r\n")], "protocol", "handshake: packet number 32, must be 0"),
        ([Send(b"\xff\xff\xff\0")], "limit", "handshake: a packet of 16777215 bytes, must be 65536 at most"),
    ],
)
def test_a_server_that_can_not_serve_fails(script: list[Step], reason: str, detail: str) -> None:
    assert outcome(run_check(MysqlCheck(), Connection(*script))) == failed(reason, detail)


# A login


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_login_passes_and_ends_with_goodbye(chunk_bytes: int | None) -> None:
    connection = Connection(*LOGIN, QUIT)
    result = run_check(mysql(), connection, chunk_bytes=chunk_bytes)
    assert outcome(result) == passed("8.0.36, logged in as monitor")
    assert b"secret" not in connection.sent


def test_a_user_may_have_no_password_and_a_database() -> None:
    check = MysqlCheck(user="monitor", database="shop")
    script = Connection(GREETING, asks("monitor", b"", database="shop"), heard(2, OK), QUIT)
    assert run_check(check, script).outcome is Outcome.PASS


def test_the_server_s_plugin_is_taken_where_it_is_known() -> None:
    proof = mysql_login.caching_sha2_password(b"secret", NONCE)
    script = Connection(heard(0, greeting(SHA2)), asks("monitor", proof, SHA2), heard(2, b"\x01\x03"), heard(3, OK))
    assert run_check(mysql(), script).outcome is Outcome.PASS


def test_else_the_login_begins_with_the_oldest() -> None:
    script = Connection(heard(0, greeting("client_ed25519")), asks("monitor", PROOF), heard(2, OK), QUIT)
    assert run_check(mysql(), script).outcome is Outcome.PASS


@pytest.mark.parametrize("plugin", [NATIVE, SHA2])
def test_the_account_may_have_another_plugin(plugin: str) -> None:
    switch = heard(2, b"\xfe" + plugin.encode() + b"\0" + OTHER_NONCE + b"\0")
    proof = mysql_login.SCRAMBLES[plugin](b"secret", OTHER_NONCE)
    script = Connection(*LOGIN[:2], switch, said(3, proof), heard(4, OK), QUIT)
    assert run_check(mysql(), script).outcome is Outcome.PASS


SHA2_PROOF = mysql_login.caching_sha2_password(b"secret", NONCE)
IN_FULL: list[Step] = [heard(0, greeting(SHA2)), asks("monitor", SHA2_PROOF, SHA2), heard(2, b"\x01\x04")]
TLS: list[Step] = [said(1, mysql_packet.tls_request(shaken(SHA2))), StartTls()]


def test_a_server_that_has_forgotten_the_password_gets_it_in_tls() -> None:
    script = [
        heard(0, greeting(SHA2)),
        *TLS,
        asks("monitor", SHA2_PROOF, SHA2, tls=True, number=2),
        heard(3, b"\x01\x04"),
        said(4, b"secret\0"),
        heard(5, OK),
        QUIT,
    ]
    connection = Connection(*script)
    result = run_check(mysql(tls=True, sni="db.example.com"), connection)
    assert outcome(result) == passed("8.0.36, logged in as monitor")
    assert connection.server_hostname == "db.example.com"


def test_and_not_without_tls() -> None:
    connection = Connection(*IN_FULL)
    words = "login: caching_sha2_password wants the password itself, which goes through TLS only: set tls"
    assert outcome(run_check(mysql(), connection)) == failed("auth", words)
    assert b"secret" not in connection.sent


@pytest.mark.parametrize("plugin", sorted(mysql_login.CLEAR))
def test_an_account_may_want_the_password_itself(plugin: str) -> None:
    payload = b"\xfe" + plugin.encode() + b"\0" + OTHER_NONCE + b"\0"
    in_tls = [heard(0, greeting(SHA2)), *TLS, asks("monitor", SHA2_PROOF, SHA2, tls=True, number=2)]
    script = Connection(*in_tls, heard(3, payload), said(4, b"secret\0"), heard(5, OK), QUIT)
    assert run_check(mysql(tls=True), script).outcome is Outcome.PASS
    connection = Connection(*LOGIN[:2], heard(2, payload))
    words = f"login: {plugin} wants the password itself, which goes through TLS only: set tls"
    assert outcome(run_check(mysql(), connection)) == failed("auth", words)


def test_an_account_with_a_plugin_that_is_not_known_fails_in_words() -> None:
    switch = heard(2, b"\xfeclient_ed25519\0" + OTHER_NONCE + b"\0")
    result = run_check(mysql(), Connection(*LOGIN[:2], switch))
    words = "login: monitor has to log in by client_ed25519, and the check knows mysql_native_password, "
    others = "caching_sha2_password, mysql_clear_password, sha256_password"
    assert outcome(result) == failed("auth", words + others)


@pytest.mark.parametrize("payload", [b"\x01\x05", b"\x01"])
def test_an_unknown_step_of_a_login_fails(payload: bytes) -> None:
    result = run_check(mysql(), Connection(*IN_FULL[:2], heard(2, payload)))
    assert result.reason == "protocol"
    assert result.detail.startswith("login: not a step of caching_sha2_password: ")
    assert run_check(mysql(), Connection(*LOGIN[:2], heard(2, b"\x01\x04"))).reason == "protocol"


def test_a_login_that_goes_on_and_on_fails() -> None:
    steps = [heard(number, b"\x01\x03") for number in range(2, 2 + LOGIN_STEPS)]
    result = run_check(mysql(), Connection(*LOGIN[:2], *steps))
    assert outcome(result) == failed("protocol", f"login: the login goes on and on, by {NATIVE}")


@pytest.mark.parametrize(
    ("payload", "reason", "words"),
    [
        (refusal(1045, "28000", "Access denied"), "auth", "1045 Access denied"),
        (refusal(3118, "HY000", "Access denied. Account is locked."), "auth", "3118 Access denied. Account is locked."),
        (refusal(1049, "42000", "Unknown database 'x'"), "status", "1049 Unknown database 'x'"),
        (refusal(1040, "08004", "Too many connections"), "status", "1040 Too many connections"),
    ],
)
def test_a_refused_login_fails_with_the_server_s_words(payload: bytes, reason: str, words: str) -> None:
    result = run_check(mysql(), Connection(*LOGIN[:2], heard(2, payload)))
    assert outcome(result) == failed(reason, f"login: {words}")


def test_a_server_without_tls_fails() -> None:
    result = run_check(mysql(tls=True), Connection(heard(0, greeting(capabilities=0xFFFFF7FF))))
    assert outcome(result) == failed("tls", "TLS: 8.0.36 does not offer TLS")


def test_what_was_said_before_tls_is_refused() -> None:
    injected = Send(mysql_packet.packet(0, greeting(SHA2)) + mysql_packet.packet(2, OK))
    result = run_check(mysql(tls=True), Connection(injected, TLS[0]))
    assert outcome(result) == failed("protocol", "TLS: 192.0.2.11:80 sent more before TLS than it was asked for")


# Queries


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    ("options", "value", "shown"),
    [
        ({}, "1", '"1"'),
        ({}, None, "NULL"),
        ({}, "x" * 100, '"' + "x" * 60 + '…"'),
        ({"expect": "0"}, "0", '"0"'),
        ({"expect_regex": "^p"}, "prêt", '"prêt"'),
    ],
)
def test_a_query_passes_when_its_first_value_is_as_expected(
    options: dict[str, str], value: str | None, shown: str, chunk_bytes: int | None
) -> None:
    script = Connection(*LOGIN, query("SELECT x"), *answered(["x", "y"], (value, "2"), ("3", None)), QUIT)
    result = run_check(mysql(query="SELECT x", **options), script, chunk_bytes=chunk_bytes)
    assert outcome(result) == passed(f"8.0.36, logged in as monitor, query: {shown}")


@pytest.mark.parametrize(
    ("options", "rows", "words"),
    [
        ({}, [], "no row, must be one at least"),
        ({"expect": "0"}, [("1",)], '"1", must be "0"'),
        ({"expect": "0"}, [(None,)], 'NULL, must be "0"'),
        ({"expect_regex": "^p"}, [("up",)], '"up", must match ^p'),
        ({"expect_regex": ""}, [(None,)], "NULL, must match "),
    ],
)
def test_another_value_fails_and_the_server_is_told_goodbye(
    options: dict[str, str], rows: list[tuple[str | None, ...]], words: str
) -> None:
    connection = Connection(*LOGIN, query("SELECT x"), *answered(["x"], *rows), QUIT)
    result = run_check(mysql(query="SELECT x", **options), connection)
    assert outcome(result) == failed("content", f"query: {words}")
    assert connection.sent.endswith(b"\x01\0\0\0\x01")


def test_a_statement_that_gives_no_rows_fails() -> None:
    result = run_check(mysql(query="DO 1"), Connection(*LOGIN, query("DO 1"), heard(1, OK), QUIT))
    assert outcome(result) == failed("content", "query: no row, must be one at least")


def test_a_refused_query_fails_with_the_server_s_words() -> None:
    no = heard(1, refusal(1146, "42S02", "Table 'shop.x' doesn't exist"))
    result = run_check(mysql(query="SELECT x"), Connection(*LOGIN, query("SELECT x"), no, QUIT))
    assert outcome(result) == failed("status", "query: 1146 Table 'shop.x' doesn't exist")


def test_a_query_may_be_refused_among_its_rows() -> None:
    *rows, end = answered(["x"], ("1",))
    del end
    no = heard(5, refusal(1317, "70100", "Query execution was interrupted"))
    result = run_check(mysql(query="SELECT x"), Connection(*LOGIN, query("SELECT x"), *rows, no))
    assert outcome(result) == failed("status", "query: 1317 Query execution was interrupted")


def test_columns_that_are_not_as_many_as_announced_fail() -> None:
    _, column, *rest = answered(["x"], ("1",))
    script = [*LOGIN, query("SELECT x"), heard(1, b"\x02"), column, *rest]
    result = run_check(mysql(query="SELECT x"), Connection(*script))
    assert outcome(result) == failed("protocol", "query: 1 columns, announced were 2")


def test_an_answer_without_end_fails() -> None:
    head = answered(["x"])[:3]
    row = b"\xfc\x60\xea" + b"x" * 60_000
    rows = [heard(number, row) for number in range(4, 9)]
    result = run_check(mysql(query="SELECT x"), Connection(*LOGIN, query("SELECT x"), *head, *rows))
    assert outcome(result) == failed("limit", f"query: an answer of more than {ANSWER_LIMIT_BYTES} bytes")


# Replication

STATUS = query("SHOW REPLICA STATUS")
NEW = ["Replica_IO_State", "Seconds_Behind_Source"]
OLD = ["Slave_IO_State", "Seconds_Behind_Master"]


@pytest.mark.parametrize("columns", [NEW, OLD])
def test_a_replica_that_keeps_up_passes(columns: list[str]) -> None:
    script = Connection(*LOGIN, STATUS, *answered(columns, ("", "0"), ("", "30")), QUIT)
    result = run_check(mysql(max_lag=30.0), script)
    assert outcome(result) == passed("8.0.36, logged in as monitor, 30 s behind")


def test_an_older_server_knows_it_by_the_older_word() -> None:
    unknown = heard(1, refusal(1064, "42000", "You have an error in your SQL syntax"))
    script = [*LOGIN, STATUS, unknown, query("SHOW SLAVE STATUS"), *answered(OLD, ("", "2")), QUIT]
    assert run_check(mysql(max_lag=30.0), Connection(*script)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("columns", "rows", "reason", "words"),
    [
        (NEW, [("", "0"), ("", "31")], "content", "31 s behind, must be 30s at most"),
        (NEW, [("", "0"), ("", None)], "content", "replication does not run"),
        (NEW, [], "content", "the server is no replica"),
        (["x"], [("0",)], "content", "the server is no replica"),
        (NEW, [("", "soon")], "protocol", "Seconds_Behind_Source must be a number, not soon"),
    ],
)
def test_another_replica_fails(columns: list[str], rows: list[tuple[str | None, ...]], reason: str, words: str) -> None:
    script = Connection(*LOGIN, STATUS, *answered(columns, *rows), QUIT)
    assert outcome(run_check(mysql(max_lag=30.0), script)) == failed(reason, f"replication: {words}")


def test_an_account_that_may_not_ask_fails() -> None:
    no = heard(1, refusal(1227, "42000", "Access denied; you need the SUPER privilege"))
    result = run_check(mysql(max_lag=30.0), Connection(*LOGIN, STATUS, no, QUIT))
    assert outcome(result) == failed("status", "replication: 1227 Access denied; you need the SUPER privilege")


# Interruptions


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_an_interruption_anywhere_fails_and_leaves_nothing_open(by: Step, reason: str) -> None:
    check = mysql(query="SELECT x", max_lag=30.0)
    script = [*LOGIN, query("SELECT x"), *answered(["x"], ("1",)), STATUS, *answered(NEW, ("", "0"))]
    assert run_check(check, Connection(*script, QUIT)).outcome is Outcome.PASS
    for connection in interrupted(script, by):
        assert run_check(check, connection).reason == reason


def test_a_server_that_has_gone_when_it_is_told_goodbye_has_passed() -> None:
    assert run_check(mysql(), Connection(*LOGIN, Reset())).outcome is Outcome.PASS


# Options


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["password=x"], "password: goes with user, and there is none"),
        (["query=SELECT 1"], "query: goes with user, and there is none"),
        (["database=shop"], "database: goes with user, and there is none"),
        (["max_lag=1s"], "max_lag: goes with user, and there is none"),
        (["user=u", "expect=1"], "expect: goes with query, and there is none"),
        (["user=u", "expect_regex=1"], "expect_regex: goes with query, and there is none"),
        (["user=u", "query=q", "expect_regex=("], "expect_regex: must be a regular expression: "),
        (["user=''"], "user: must be text without NUL, and not empty"),
        (["user=u", "query=a\0b"], "query: must be text without NUL, and not empty"),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_arguments(MysqlCheck, arguments)
    assert words in str(caught.value)
