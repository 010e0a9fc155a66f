"""The `memcached` check against memcached."""

import re
import socket
import subprocess
from collections.abc import Iterator

import pytest

from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.made import made
from tests.checks.peers import check_once
from tests.checks.servers.memcached import memcached
from tests.checks.servers.process import stopped
from tests.checks.servers.relay import fails_at_every_step

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Serve, with one key stored."""
    with memcached(tmp_path_factory.mktemp("memcached")) as (port, process):
        with socket.create_connection(("127.0.0.1", port), 10.0) as connection:
            connection.sendall(b"set warm 0 0 5\r\nready\r\n")
            assert connection.recv(512) == b"STORED\r\n"
        yield port, process


@pytest.fixture
def port(server: tuple[int, subprocess.Popen[bytes]]) -> int:
    return server[0]


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_it_says_the_version(port: int, address: str) -> None:
    outcome, _, detail = await check_once(made("memcached"), Endpoint(address, port))
    assert outcome is Outcome.PASS
    assert re.fullmatch(r"version \d+\.\d+\.\d+.*", detail)


async def test_it_asks_for_a_key(port: int) -> None:
    endpoint = Endpoint("127.0.0.1", port)
    assert await check_once(made("memcached", key="warm"), endpoint) == (Outcome.PASS, "", "key with 5 bytes")
    result = await check_once(made("memcached", key="cold"), endpoint)
    assert result == (Outcome.FAIL, "content", 'get: answered "END"')


async def test_a_key_that_is_too_long_fails_with_the_server_s_words(port: int) -> None:
    outcome, reason, detail = await check_once(made("memcached", key="k" * 300), Endpoint("127.0.0.1", port))
    assert (outcome, reason) == (Outcome.FAIL, "status")
    assert detail.startswith('get: answered "CLIENT_ERROR ')


async def test_a_port_that_nobody_listens_on_fails() -> None:
    with peers.unheard() as bound:
        outcome, reason, _ = await check_once(made("memcached"), peers.endpoint_of(bound))
    assert (outcome, reason) == (Outcome.FAIL, "refused")


async def test_it_fails_when_any_step_fails(port: int) -> None:
    await fails_at_every_step(made("memcached", key="warm"), Endpoint("127.0.0.1", port), steps=3)


async def test_a_server_that_hangs_fails_at_the_deadline(server: tuple[int, subprocess.Popen[bytes]]) -> None:
    port, process = server
    with stopped(process):
        result = await check_once(made("memcached"), Endpoint("127.0.0.1", port), SOON_SECONDS)
    assert result[:2] == (Outcome.FAIL, "timeout")
