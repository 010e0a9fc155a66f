"""The `postgresql` check against PostgreSQL: every kind of login, TLS, queries, a standby, and servers that can't."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator

import msgspec
import pytest

from feedback.checks.codecs import postgresql_message
from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.made import made
from tests.checks.peers import check_once
from tests.checks.repeated import checked_until
from tests.checks.servers.postgres import ADMIN, Cluster, made_cluster, owned_directory
from tests.checks.servers.process import stopped
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

ACCESS = f"""
host    all         {ADMIN}  all trust
host    replication {ADMIN}  all trust
hostssl all         secure   all scram-sha-256
host    all         md5      all md5
host    all         clear    all password
host    all         monitor,feedback all scram-sha-256
"""

SETTINGS = """
ssl = on
max_connections = 30
"""

ACCOUNTS = [
    "SET password_encryption = 'md5'",
    "CREATE USER md5 PASSWORD 'secret'",
    "SET password_encryption = 'scram-sha-256'",
    "CREATE USER monitor PASSWORD 'secret'",
    "CREATE USER secure PASSWORD 'sécret'",
    "CREATE USER clear PASSWORD 'secret'",
]

WITH = {"user": "monitor", "password": "secret", "database": "postgres"}
AS_ADMIN = {"user": ADMIN, "database": "postgres"}


class Primary(msgspec.Struct, frozen=True):
    """A primary, and a copy of it from before it ran."""

    port: int
    process: subprocess.Popen[bytes]
    before: Cluster

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self.port)


@pytest.fixture(scope="module")
def primary(authority: Authority) -> Iterator[Primary]:
    pair = authority.issue("postgresql", "DNS:db.example.com,IP:127.0.0.1,IP:::1")
    with made_cluster(ACCOUNTS, ACCESS, SETTINGS) as cluster, owned_directory() as directory:
        cluster.put("server.crt", pair.certificate.read_text())
        cluster.put("server.key", pair.key.read_text())
        before = cluster.copied_to(directory)
        with cluster.running() as (port, process):
            yield Primary(port, process, before)


async def run(endpoint: Endpoint, statements: str) -> None:
    """Run statements as the administrator, of which the last one gives a row."""
    result = await check_once(made("postgresql", query=statements, **AS_ADMIN), endpoint)
    assert result[0] is Outcome.PASS, result


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_server_that_asks_for_a_login_passes(primary: Primary, address: str) -> None:
    result = await check_once(made("postgresql"), Endpoint(address, primary.port))
    assert result == (Outcome.PASS, "", "asks for a login by SCRAM-SHA-256")


@pytest.mark.parametrize("user", ["monitor", "md5", ADMIN])
@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_login_passes(primary: Primary, address: str, user: str) -> None:
    check = made("postgresql", user=user, password="secret", database="postgres")
    outcome, _, detail = await check_once(check, Endpoint(address, primary.port))
    assert outcome is Outcome.PASS
    assert detail.startswith("PostgreSQL ")
    assert detail.endswith(f", logged in as {user}")


async def test_a_password_in_clear_is_sent_where_that_is_allowed(primary: Primary) -> None:
    options = {"user": "clear", "password": "secret", "database": "postgres"}
    passed = await check_once(made("postgresql", login_without_tls=True, **options), primary.endpoint)
    assert passed[0] is Outcome.PASS
    refused = await check_once(made("postgresql", **options), primary.endpoint)
    words = "login: the server wants the password in clear: set tls, or else login_without_tls"
    assert refused == (Outcome.FAIL, "auth", words)


@pytest.mark.parametrize(
    ("options", "reason", "words"),
    [
        ({**WITH, "password": "guessed"}, "auth", "FATAL 28P01: password authentication failed for user "),
        ({**WITH, "user": "md5", "password": "guessed"}, "auth", "FATAL 28P01: password authentication failed for "),
        ({**WITH, "user": "nix"}, "auth", "FATAL 28000: no pg_hba.conf entry for host "),
        ({**WITH, "user": "secure"}, "auth", "FATAL 28000: no pg_hba.conf entry for host "),
        ({**WITH, "database": "nix"}, "status", 'FATAL 3D000: database "nix" does not exist'),
    ],
)
async def test_a_refused_login_fails_with_the_server_s_words(
    primary: Primary, options: dict[str, str], reason: str, words: str
) -> None:
    outcome, found, detail = await check_once(made("postgresql", **options), primary.endpoint)
    assert (outcome, found) == (Outcome.FAIL, reason)
    assert detail.startswith(f"login: {words}")


@pytest.mark.parametrize("user", ["secure", "clear"])
@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_it_goes_on_in_tls(primary: Primary, authority: Authority, address: str, user: str) -> None:
    options = {"user": user, "password": "sécret" if user == "secure" else "secret", "database": "postgres"}
    check = made("postgresql", tls=True, ca_file=authority.ca_file, **options)
    outcome, _, detail = await check_once(check, Endpoint(address, primary.port))
    assert outcome is Outcome.PASS
    assert detail.endswith(f", certificate expires in 29 days, logged in as {user}")


async def test_a_certificate_of_another_name_fails(primary: Primary, authority: Authority) -> None:
    check = made("postgresql", tls=True, ca_file=authority.ca_file, sni="www.example.com")
    outcome, reason, detail = await check_once(check, primary.endpoint)
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert "www.example.com" in detail


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"query": "SELECT true", "expect": "t"}, 'query: "t"'),
        ({"query": "SELECT 'grün', 2 UNION ALL SELECT 'rot', 4", "expect_regex": "^gr"}, 'query: "grün"'),
        ({"query": "SELECT NULL"}, "query: NULL"),
        ({"role": "primary", "max_lag": "0s"}, "primary"),
    ],
)
async def test_a_query_passes(primary: Primary, options: dict[str, str], words: str) -> None:
    outcome, _, detail = await check_once(made("postgresql", **WITH, **options), primary.endpoint)
    assert outcome is Outcome.PASS
    assert detail.endswith(f", logged in as monitor, {words}")


@pytest.mark.parametrize(
    ("options", "reason", "words"),
    [
        ({"query": "SELECT true", "expect": "f"}, "content", 'query: "t", must be "f"'),
        ({"query": "SELECT 1 WHERE false"}, "content", "query: no row, must be one at least"),
        ({"query": "SELECT 1/0"}, "status", "query: ERROR 22012: division by zero"),
        ({"query": "SELECT repeat('x', 100000)"}, "protocol", "query: not a message of PostgreSQL: "),
        ({"role": "standby"}, "content", "role: the server is a primary, must be a standby"),
    ],
)
async def test_another_answer_fails(primary: Primary, options: dict[str, str], reason: str, words: str) -> None:
    outcome, found, detail = await check_once(made("postgresql", **WITH, **options), primary.endpoint)
    assert (outcome, found) == (Outcome.FAIL, reason)
    assert detail.startswith(words)


@pytest.mark.parametrize("options", [{}, WITH])
async def test_a_full_server_fails(primary: Primary, options: dict[str, str]) -> None:
    with contextlib.ExitStack() as clients:
        answer = b"R"
        while answer == b"R":  # it would like a password, and waits for it
            client = clients.enter_context(socket.create_connection(("127.0.0.1", primary.port), 10.0))
            client.sendall(postgresql_message.startup("monitor", "postgres"))
            answer = client.recv(1)
        outcome, reason, detail = await check_once(made("postgresql", **options), primary.endpoint)
    assert (outcome, reason) == (Outcome.FAIL, "status")
    assert detail.endswith("FATAL 53300: sorry, too many clients already")
    await checked_until(made("postgresql", **WITH), primary.endpoint, Outcome.PASS)


async def test_a_standby_passes_while_it_follows(primary: Primary) -> None:
    with owned_directory() as directory:
        standby = primary.before.copied_to(directory)
        standby.put("standby.signal", "")
        source = f"primary_conninfo = 'host=127.0.0.1 port={primary.port} user={ADMIN}'\n"
        standby.put("postgresql.conf", source, append=True)
        with standby.running() as (port, _):
            replica = Endpoint("127.0.0.1", port)
            check = made("postgresql", role="standby", max_lag="0s", **WITH)
            for address in peers.ADDRESSES:
                _, _, detail = await checked_until(check, Endpoint(address, port), Outcome.PASS)
                assert detail.endswith(", standby, 0.0 s behind")
            await run(primary.endpoint, "CREATE TABLE first (); SELECT 'made'")
            replayed = made("postgresql", query="SELECT 'first'::regclass", expect="first", **AS_ADMIN)
            await checked_until(replayed, replica, Outcome.PASS)
            await run(replica, "SELECT pg_wal_replay_pause()")
            await run(primary.endpoint, "CREATE TABLE second (); SELECT 'made'")
            outcome, reason, detail = await checked_until(check, replica, Outcome.FAIL)
            assert (outcome, reason) == (Outcome.FAIL, "content")
            assert detail.startswith("role: ")
            assert detail.endswith(" s behind, must be 0s at most")
            await run(replica, "SELECT pg_wal_replay_resume()")
            await checked_until(check, replica, Outcome.PASS)
            for statement in ("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"):
                await check_once(made("postgresql", query=statement, **AS_ADMIN), replica)
            alone = await checked_until(check, replica, Outcome.FAIL)  # it has all that it got, and gets no more
            assert alone[2].endswith(" s behind, must be 0s at most")
            promoted = made("postgresql", query="SELECT pg_promote()", expect="t", **AS_ADMIN)
            assert (await check_once(promoted, replica))[0] is Outcome.PASS
            await checked_until(made("postgresql", role="primary", max_lag="0s", **WITH), replica, Outcome.PASS)


async def test_a_server_that_takes_nobody_yet_fails(primary: Primary) -> None:
    with owned_directory() as directory:
        cold = primary.before.copied_to(directory)
        cold.put("standby.signal", "")
        cold.put("postgresql.conf", "hot_standby = off\nrestore_command = 'false'\n", append=True)
        with cold.running() as (port, _):
            result = await check_once(made("postgresql"), Endpoint("127.0.0.1", port))
    assert result[:2] == (Outcome.FAIL, "status")
    assert result[2].startswith("session: FATAL 57P03: the database system is ")


async def test_a_port_that_nobody_listens_on_fails() -> None:
    with peers.unheard() as bound:
        outcome, reason, _ = await check_once(made("postgresql"), peers.endpoint_of(bound))
    assert (outcome, reason) == (Outcome.FAIL, "refused")


async def test_it_fails_when_any_step_fails(primary: Primary) -> None:
    check = made("postgresql", role="primary", **WITH)
    await fails_at_every_step(check, primary.endpoint, steps=5)


async def test_it_fails_when_the_way_into_tls_fails(primary: Primary) -> None:
    check = made("postgresql", tls=True, verify=False, **WITH)
    await fails_at_every_step(check, primary.endpoint, steps=3)


async def test_a_server_that_hangs_fails_at_the_deadline(primary: Primary) -> None:
    with stopped(primary.process):
        result = await check_once(made("postgresql"), primary.endpoint, SOON_SECONDS)
    assert result[:2] == (Outcome.FAIL, "timeout")
