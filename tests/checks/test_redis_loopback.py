"""The `redis` check against Redis: in clear and in TLS, with users, and a replica with its master and without."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.made import made
from tests.checks.peers import check_once
from tests.checks.repeated import checked_until
from tests.checks.servers import process
from tests.checks.servers.process import stopped
from tests.checks.servers.redis_server import redis_server
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

WITH = {"user": "monitor", "password": "secret"}


class Servers(msgspec.Struct, frozen=True):
    """A master and its replica: their ports, and their processes. The master wants a password."""

    master: int
    master_tls: int
    master_process: subprocess.Popen[bytes]
    replica: int


@pytest.fixture(scope="module")
def servers(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    pair = authority.issue("redis", "DNS:cache.example.com,IP:127.0.0.1,IP:::1")
    directory = tmp_path_factory.mktemp("redis")
    tls_port = process.free_port()
    tls = ["--tls-port", str(tls_port), "--tls-cert-file", str(pair.certificate), "--tls-key-file", str(pair.key)]
    tls += ["--tls-ca-cert-file", authority.ca_file, "--tls-auth-clients", "no"]
    users = ["--requirepass", "secret", "--user", "monitor", "on", ">secret", "+ping", "+info"]
    users += ["--user", "guest", "on", "nopass", "+ping"]
    at_once = ["--repl-ping-replica-period", "1", "--repl-diskless-sync-delay", "0"]
    with redis_server(directory / "master", *tls, *users, *at_once) as (master, server):
        following = ["--replicaof", "127.0.0.1", str(master), "--masterauth", "secret"]
        with redis_server(directory / "replica", *following) as (replica, _):
            yield Servers(master, tls_port, server, replica)


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_server_that_answers_passes(servers: Servers, address: str) -> None:
    assert await check_once(made("redis"), Endpoint(address, servers.replica)) == (Outcome.PASS, "", "PONG")


@pytest.mark.parametrize("options", [WITH, {"password": "secret"}])
@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_login_passes(servers: Servers, address: str, options: dict[str, str]) -> None:
    check = made("redis", role="master", max_lag="1s", **options)
    assert await check_once(check, Endpoint(address, servers.master)) == (Outcome.PASS, "", "PONG, master")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "PING: NOAUTH Authentication required."),
        ({"password": "guessed"}, "AUTH: WRONGPASS "),
        ({"user": "guest", "password": "any", "role": "master"}, "INFO replication: NOPERM "),
    ],
)
async def test_a_login_that_is_lacking_or_refused_fails(servers: Servers, options: dict[str, str], words: str) -> None:
    outcome, reason, detail = await check_once(made("redis", **options), Endpoint("127.0.0.1", servers.master))
    assert (outcome, reason) == (Outcome.FAIL, "auth")
    assert detail.startswith(words)


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_tls_is_spoken_from_the_start(servers: Servers, authority: Authority, address: str) -> None:
    check = made("redis", tls=True, ca_file=authority.ca_file, **WITH)
    result = await check_once(check, Endpoint(address, servers.master_tls))
    assert result == (Outcome.PASS, "", "PONG, certificate expires in 29 days")


async def test_a_certificate_of_another_name_fails(servers: Servers, authority: Authority) -> None:
    check = made("redis", tls=True, ca_file=authority.ca_file, sni="www.example.com")
    outcome, reason, detail = await check_once(check, Endpoint("127.0.0.1", servers.master_tls))
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert "www.example.com" in detail


async def test_another_role_fails(servers: Servers) -> None:
    result = await check_once(made("redis", role="replica", **WITH), Endpoint("127.0.0.1", servers.master))
    words = "INFO replication: the server is a master, must be a replica"
    assert result == (Outcome.FAIL, "content", words)


async def test_a_replica_passes_while_it_hears_from_its_master(servers: Servers) -> None:
    replica = Endpoint("127.0.0.1", servers.replica)
    found = await checked_until(made("redis", role="replica", max_lag="30s"), replica, Outcome.PASS)
    assert found[2].startswith("PONG, replica, heard from its master ")
    with stopped(servers.master_process):  # to which it is still connected
        outcome, reason, detail = await checked_until(made("redis", max_lag="1ms"), replica, Outcome.FAIL)
    assert (outcome, reason) == (Outcome.FAIL, "content")
    assert re.fullmatch(r"INFO replication: heard from its master \d+ s ago, must be 1ms at most", detail)


async def test_a_replica_that_is_not_connected_fails(tmp_path: Path) -> None:
    with peers.unheard() as bound, redis_server(tmp_path, "--replicaof", *map(str, bound.getsockname())) as (port, _):
        result = await check_once(made("redis", max_lag="30s"), Endpoint("127.0.0.1", port))
    assert result == (Outcome.FAIL, "content", "INFO replication: the replica is not connected to its master")


async def test_a_port_that_nobody_listens_on_fails() -> None:
    with peers.unheard() as bound:
        outcome, reason, _ = await check_once(made("redis"), peers.endpoint_of(bound))
    assert (outcome, reason) == (Outcome.FAIL, "refused")


async def test_it_fails_when_any_step_fails(servers: Servers) -> None:
    check = made("redis", role="master", **WITH)
    await fails_at_every_step(check, Endpoint("127.0.0.1", servers.master), steps=4)


async def test_it_fails_when_the_way_into_tls_fails(servers: Servers) -> None:
    check = made("redis", tls=True, verify=False, **WITH)
    await fails_at_every_step(check, Endpoint("127.0.0.1", servers.master_tls), steps=2)


async def test_a_server_that_hangs_fails_at_the_deadline(servers: Servers) -> None:
    with stopped(servers.master_process):
        result = await check_once(made("redis"), Endpoint("127.0.0.1", servers.master), SOON_SECONDS)
    assert result[:2] == (Outcome.FAIL, "timeout")
