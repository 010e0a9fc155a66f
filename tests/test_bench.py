"""`make bench`: every check has its line in it, and what goes over the network is counted right."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cases import CASES
from traffic import Traffic

from feedback.checks.check import Check
from feedback.checks.runner import run_once
from feedback.config import read_arguments
from feedback.model import Endpoint, Outcome
from feedback.net import Net, Target
from feedback.registry import CHECKS
from tests.checks import peers
from tests.checks.certificates import REAL
from tests.checks.made import made
from tests.checks.peers import MadeAsyncioCheck, hear, say
from tests.checks.tls_files import Authority, Pair


def test_every_check_is_measured_or_else_give_it_a_line_in_bench_cases() -> None:
    assert sorted(CASES) == list(CHECKS.all())


@pytest.mark.parametrize("name", CASES)
def test_a_check_is_measured_with_options_that_it_has(name: str, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(ssl.DER_cert_to_PEM_cert(REAL))
    words = CASES[name].words(4711, str(ca_file))
    assert not any("{ca_file}" in word or "{port}" in word for word in words)
    assert read_arguments(CHECKS.get(name), words).name == name


def test_the_line_of_a_check_names_its_options_but_not_those_of_the_tests_servers() -> None:
    assert CASES["imaps"].shown() == "user password"
    assert CASES["rpc"].shown() == "programs transport"
    assert CASES["tcp"].shown() == ""


async def counts(check: Check, endpoint: Endpoint) -> tuple[int, int, int]:
    """Return the bytes sent and received, and the round trips, of one run that passes."""
    traffic = Traffic()
    with traffic.counted():
        result = await run_once(check, Target(endpoint), 10.0)
    assert result.outcome is Outcome.PASS, result
    return traffic.sent_bytes, traffic.received_bytes, traffic.round_trips


async def greeting(connection: socket.socket) -> None:
    """Greet, and answer once."""
    await say(connection, b"220 hello\r\n")
    await hear(connection)
    await say(connection, b"221 bye\r\n")


@pytest.mark.loopback
async def test_a_round_trip_is_a_wait_for_the_peer_after_something_was_sent() -> None:
    async with peers.tcp_peer(greeting) as endpoint:
        assert await counts(made("tcp"), endpoint) == (0, 0, 1)
        # the handshake, the greeting, the answer
        steps = '[{expect: "220 "}, {send: "QUIT\\r\\n"}, {expect: "221 "}]'
        assert await counts(made("chat", steps=steps), endpoint) == (6, 20, 3)


async def closing(connection: socket.socket) -> None:
    """Answer in two parts, and end the stream."""
    await hear(connection)
    await say(connection, b"HTTP/1.0 200 OK\r\n")
    await asyncio.sleep(0.05)  # so that the check waits twice
    await say(connection, b"\r\nalive")


@pytest.mark.loopback
async def test_to_wait_for_the_rest_is_no_round_trip_and_the_end_of_a_stream_no_byte() -> None:
    async with peers.tcp_peer(closing) as endpoint:
        sent, *others = await counts(made("http", body="alive"), endpoint)
        assert sent > 40
        assert others == [24, 2]


@pytest.mark.loopback
async def test_datagrams_are_counted() -> None:
    async with peers.udp_peer(lambda data, _count: data + b"!") as (endpoint, _):
        assert await counts(made("udp", send="hello", expect="hello"), endpoint) == (5, 6, 1)


@contextlib.asynccontextmanager
async def tls_peer(pair: Pair, newest: ssl.TLSVersion) -> AsyncIterator[Endpoint]:
    """Shake hands within the block, and say no more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    context.load_cert_chain(pair.certificate, pair.key)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    try:
        yield Endpoint(*server.sockets[0].getsockname())
    finally:
        server.close()


@pytest.mark.loopback
@pytest.mark.parametrize(("newest", "round_trips"), [(ssl.TLSVersion.TLSv1_3, 2), (ssl.TLSVersion.TLSv1_2, 3)])
async def test_a_tls_handshake_is_one_round_trip_or_two_in_old_versions(
    tmp_path: Path, newest: ssl.TLSVersion, round_trips: int
) -> None:
    authority = Authority(tmp_path)
    async with tls_peer(authority.issue("peer", "IP:127.0.0.1"), newest) as endpoint:
        sent, received, counted = await counts(made("tls", ca_file=authority.ca_file), endpoint)
    assert counted == round_trips
    assert sent > 200
    assert received > 500


async def by_a_library(target: Target, net: Net) -> str:
    """Hand the connection over to asyncio, as to a library with a protocol of its own."""
    async with net.connect_tcp(target) as stream:
        reader, writer = await asyncio.open_connection(sock=stream.detach())
    greeting = await reader.readline()
    writer.write(b"QUIT\r\n")
    await reader.readline()
    writer.close()
    await writer.wait_closed()
    return greeting.decode()


@pytest.mark.loopback
async def test_a_connection_that_a_library_takes_over_is_counted_on() -> None:
    async with peers.tcp_peer(greeting) as endpoint:
        assert await counts(MadeAsyncioCheck(function=by_a_library), endpoint) == (6, 20, 3)
