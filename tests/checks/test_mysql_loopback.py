"""The `mysql` check against MariaDB: logins, TLS, queries, replicas, and that a server never blocks who is polite."""

import contextlib
import re
import socket
import subprocess
from collections.abc import Iterator

import msgspec
import pytest

from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.made import made
from tests.checks.peers import check_once
from tests.checks.repeated import checked_until
from tests.checks.servers.mariadbd import mariadbd
from tests.checks.servers.process import stopped
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

MAX_CONNECT_ERRORS = 3
MAX_CONNECTIONS = 40
STRANGER = "127.0.0.5"
"""Another client than 127.0.0.1, whose errors a server does not count."""

WITH = {"user": "monitor", "password": "secret"}
ADMIN = {"user": "admin", "password": "secret"}

PRIMARY = [
    "CREATE USER monitor@'%' IDENTIFIED BY 'secret'",
    "CREATE USER fresh@'%'",
    "CREATE USER locked@'%' IDENTIFIED BY 'secret' ACCOUNT LOCK",
    "CREATE USER secure@'%' IDENTIFIED BY 'secret' REQUIRE SSL",
    "CREATE USER admin@'%' IDENTIFIED BY 'secret'",
    "GRANT ALL ON *.* TO admin@'%'",
    "GRANT REPLICA MONITOR ON *.* TO monitor@'%'",
    "CREATE DATABASE shop",
]
REPLICA = [
    "CREATE USER monitor@'%' IDENTIFIED BY 'secret'",
    "GRANT REPLICA MONITOR ON *.* TO monitor@'%'",
    "CREATE USER admin@'%' IDENTIFIED BY 'secret'",
    "GRANT ALL ON *.* TO admin@'%'",
]


class Server(msgspec.Struct, frozen=True):
    """Its port, and its process."""

    port: int
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pair = authority.issue("mysql", "DNS:db.example.com,IP:127.0.0.1,IP:::1")
    options = ["--log-bin=binlog", "--server-id=1", f"--max-connect-errors={MAX_CONNECT_ERRORS}"]
    options += [f"--ssl-ca={authority.ca_file}", f"--ssl-cert={pair.certificate}", f"--ssl-key={pair.key}"]
    options += [f"--max-connections={MAX_CONNECTIONS}"]
    with mariadbd(tmp_path_factory.mktemp("mysql"), PRIMARY, options) as running:
        yield Server(*running)


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_server_that_lets_nobody_in_passes(server: Server, address: str) -> None:
    outcome, _, detail = await check_once(made("mysql"), Endpoint(address, server.port))
    assert outcome is Outcome.PASS
    assert "MariaDB" in detail
    assert detail.endswith(", asks for a login")
    assert not detail.startswith("5.5.5-")


async def test_it_never_lets_a_server_block_this_host(server: Server) -> None:
    check = made("mysql", source=STRANGER)
    for _ in range(2 * MAX_CONNECT_ERRORS):
        outcome, _, detail = await check_once(check, Endpoint("127.0.0.1", server.port))
        assert outcome is Outcome.PASS, detail


async def test_and_says_when_somebody_else_has_done_it(server: Server) -> None:
    endpoint = Endpoint("127.0.0.1", server.port)
    hangs_up = made("chat", source="127.0.0.6", steps="[{expect_hex: 0a}]")
    for _ in range(2 * MAX_CONNECT_ERRORS):
        await check_once(hangs_up, endpoint)
    outcome, reason, detail = await check_once(made("mysql", source="127.0.0.6"), endpoint)
    assert (outcome, reason) == (Outcome.FAIL, "status")
    assert re.match(r"handshake: 1129 Host '.*' is blocked because of many connection errors", detail)


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_login_passes(server: Server, address: str) -> None:
    outcome, _, detail = await check_once(made("mysql", database="shop", **ADMIN), Endpoint(address, server.port))
    assert outcome is Outcome.PASS
    assert detail.endswith(", logged in as admin")


async def test_a_user_without_a_password_passes(server: Server) -> None:
    result = await check_once(made("mysql", user="fresh"), Endpoint("127.0.0.1", server.port))
    assert result[0] is Outcome.PASS


@pytest.mark.parametrize(
    ("options", "reason", "words"),
    [
        ({"user": "monitor", "password": "guessed"}, "auth", "login: 1045 Access denied for user 'monitor'@"),
        ({"user": "nix", "password": "secret"}, "auth", "login: 1045 Access denied for user 'nix'@"),
        ({"user": "locked", "password": "secret"}, "auth", "login: 4151 Access denied, this account is locked"),
        ({"user": "secure", "password": "secret"}, "auth", "login: 1045 Access denied for user 'secure'@"),
        ({**WITH, "database": "shop"}, "auth", "login: 1044 Access denied for user 'monitor'@"),
        ({**ADMIN, "database": "nix"}, "status", "login: 1049 Unknown database 'nix'"),
    ],
)
async def test_a_refused_login_fails_with_the_server_s_words(
    server: Server, options: dict[str, str], reason: str, words: str
) -> None:
    outcome, found, detail = await check_once(made("mysql", **options), Endpoint("127.0.0.1", server.port))
    assert (outcome, found) == (Outcome.FAIL, reason)
    assert detail.startswith(words)


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_it_goes_on_in_tls(server: Server, authority: Authority, address: str) -> None:
    check = made("mysql", tls=True, ca_file=authority.ca_file, user="secure", password="secret")
    outcome, _, detail = await check_once(check, Endpoint(address, server.port))
    assert outcome is Outcome.PASS
    assert detail.endswith(", certificate expires in 29 days, logged in as secure")


async def test_a_certificate_of_another_name_fails(server: Server, authority: Authority) -> None:
    check = made("mysql", tls=True, ca_file=authority.ca_file, sni="www.example.com")
    outcome, reason, detail = await check_once(check, Endpoint("127.0.0.1", server.port))
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert "www.example.com" in detail


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"query": "SELECT @@global.read_only", "expect": "0"}, 'query: "0"'),
        ({"query": "SELECT 'grün', 2 UNION SELECT 3, 4", "expect_regex": "^gr"}, 'query: "grün"'),
        ({"query": "SELECT NULL"}, "query: NULL"),
        ({"query": "SELECT REPEAT('x', 40000)"}, f'query: "{"x" * 60}…"'),
    ],
)
async def test_a_query_passes(server: Server, options: dict[str, str], words: str) -> None:
    outcome, _, detail = await check_once(made("mysql", **WITH, **options), Endpoint("127.0.0.1", server.port))
    assert outcome is Outcome.PASS
    assert detail.endswith(f", logged in as monitor, {words}")


@pytest.mark.parametrize(
    ("options", "reason", "words"),
    [
        ({"query": "SELECT 1", "expect": "'0'"}, "content", 'query: "1", must be "0"'),
        ({"query": "SELECT 1 WHERE FALSE"}, "content", "query: no row, must be one at least"),
        ({"query": "DO 1"}, "content", "query: no row, must be one at least"),
        ({"query": "SELECT x"}, "status", "query: 1054 Unknown column 'x' in "),
        ({"query": "SELECT 1 FROM nix.t"}, "status", "query: 1142 SELECT command denied to user 'monitor'@"),
        ({"query": "SELECT REPEAT('x', 100000)"}, "limit", "query: a packet of "),
        ({"max_lag": "1s"}, "content", "replication: the server is no replica"),
    ],
)
async def test_another_answer_fails(server: Server, options: dict[str, str], reason: str, words: str) -> None:
    check = made("mysql", **WITH, **options)
    outcome, found, detail = await check_once(check, Endpoint("127.0.0.1", server.port))
    assert (outcome, found) == (Outcome.FAIL, reason)
    assert detail.startswith(words)


async def test_a_full_server_fails(server: Server) -> None:
    endpoint = Endpoint("127.0.0.1", server.port)
    with contextlib.ExitStack() as clients:
        for _ in range(MAX_CONNECTIONS + 1):
            client = clients.enter_context(socket.create_connection((endpoint.address, endpoint.port), 10.0))
            assert client.recv(512)  # a handshake, or that it is full
        result = await check_once(made("mysql"), endpoint)
    assert result == (Outcome.FAIL, "status", "handshake: 1040 Too many connections")
    await checked_until(made("mysql", **WITH), endpoint, Outcome.PASS)


async def test_a_replica_passes_while_it_follows(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    source = f"MASTER_HOST='127.0.0.1', MASTER_PORT={server.port}, MASTER_USER='admin', MASTER_PASSWORD='secret'"
    statements = [f"CHANGE MASTER TO {source}, MASTER_DELAY=3600", *REPLICA]
    directory = tmp_path_factory.mktemp("replica")
    with mariadbd(directory, statements, ["--server-id=2", "--replicate-do-db=shop"]) as (port, _):
        replica = Endpoint("127.0.0.1", port)
        for address in peers.ADDRESSES:
            result = await check_once(made("mysql", max_lag="1h", **WITH), Endpoint(address, port))
            assert result == (Outcome.FAIL, "content", "replication: replication does not run")
        begun = await check_once(made("mysql", query="START SLAVE", **ADMIN), replica)
        assert begun == (Outcome.FAIL, "content", "query: no row, must be one at least")
        passed = await checked_until(made("mysql", max_lag="1h", **WITH), replica, Outcome.PASS)
        assert passed[2].endswith(" s behind")
        outcome, reason, detail = await checked_until(made("mysql", max_lag="0s", **WITH), replica, Outcome.FAIL)
    assert (outcome, reason) == (Outcome.FAIL, "content")
    assert detail.startswith("replication: ")
    assert detail.endswith(" s behind, must be 0s at most")


async def test_a_port_that_nobody_listens_on_fails() -> None:
    with peers.unheard() as bound:
        outcome, reason, _ = await check_once(made("mysql"), peers.endpoint_of(bound))
    assert (outcome, reason) == (Outcome.FAIL, "refused")


async def test_it_fails_when_any_step_fails(server: Server) -> None:
    check = made("mysql", query="SELECT 1", **WITH)
    await fails_at_every_step(check, Endpoint("127.0.0.1", server.port), steps=3)


async def test_it_fails_when_the_way_into_tls_fails(server: Server) -> None:
    check = made("mysql", tls=True, verify=False, **WITH)
    await fails_at_every_step(check, Endpoint("127.0.0.1", server.port), steps=3)


async def test_a_server_that_hangs_fails_at_the_deadline(server: Server) -> None:
    with stopped(server.process):
        result = await check_once(made("mysql"), Endpoint("127.0.0.1", server.port), SOON_SECONDS)
    assert result[:2] == (Outcome.FAIL, "timeout")
