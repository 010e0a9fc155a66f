"""The `rpc` check over real sockets: NFS-Ganesha, listed by a made-up rpcbind, as a real one insists on port 111.

The real one is in the lab.
"""

import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from feedback.checks.codecs import rpc_message, xdr
from feedback.checks.rpc import RpcCheck
from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.peers import Answer, Talk, check_once, udp_peer
from tests.checks.rpc_scripts import listed, reply
from tests.checks.servers.ganesha import ganesha
from tests.checks.servers.process import free_port, stopped
from tests.checks.servers.relay import REASONS, relay

pytestmark = pytest.mark.loopback

HANGING_SECONDS = 1.0

Server = tuple[Endpoint, subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ganesha(tmp_path_factory.mktemp("ganesha"), "0, 1") as started:
        yield started


def registrations(port: int) -> bytes:
    """Return what an rpcbind lists that knows NFS on a port, on every transport."""
    ports = f"{port >> 8}.{port & 255}"
    addresses = {"tcp": "0.0.0.0", "udp": "0.0.0.0", "tcp6": "::", "udp6": "::"}
    return listed(*((100003, 4, netid, f"{address}.{ports}") for netid, address in addresses.items()))


def over_udp(port: int, lost: int = 0) -> Answer:
    """Return how such an rpcbind answers datagrams. The first few get lost."""
    return lambda call, count: None if count <= lost else reply(registrations(port), xdr.Reader(call).uint())


def over_tcp(port: int) -> Talk:
    """Return how such an rpcbind answers on a connection."""

    async def talk(connection: socket.socket) -> None:
        while call := await peers.hear(connection):
            xid = xdr.Reader(call[4:]).uint()
            await peers.say(connection, rpc_message.record(reply(registrations(port), xid)))

    return talk


def check(rpcbind: Endpoint, **options: Any) -> RpcCheck:
    return RpcCheck(port=rpcbind.port, **options)


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_program_is_asked_on_every_transport_that_is_listed(server: Server, address: str) -> None:
    (endpoint, _), family = server, "6" if ":" in address else ""
    async with peers.tcp_peer(over_tcp(endpoint.port), address) as rpcbind:
        assert await check_once(check(rpcbind, programs=["nfs"]), rpcbind) == (
            Outcome.PASS,
            "",
            f"2 answered: nfs/4 tcp{family}, nfs/4 udp{family}",
        )


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_datagram_may_get_lost(server: Server, lost: int) -> None:
    endpoint, _ = server
    async with udp_peer(over_udp(endpoint.port, lost)) as (rpcbind, peer):
        result = await check_once(check(rpcbind, all=True, transport="udp"), rpcbind)
        assert result == (Outcome.PASS, "", "1 answered: nfs/4 udp")
        assert len(peer.heard) == lost + 1
        assert len(set(peer.heard)) == 1


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_program_that_is_stopped_gives_no_answer(server: Server, transport: Any) -> None:
    endpoint, process = server
    async with peers.tcp_peer(over_tcp(endpoint.port)) as tcp, udp_peer(over_udp(endpoint.port)) as (udp, _):
        rpcbind = tcp if transport == "tcp" else udp
        with stopped(process):
            outcome, reason, detail = await check_once(
                check(rpcbind, programs=["nfs/4"], transport=transport), rpcbind, HANGING_SECONDS
            )
        assert (outcome, reason) == (Outcome.FAIL, "timeout")
        assert detail == f"nfs/4 {transport} NULL: no answer from {endpoint} within 1 s"


@pytest.mark.parametrize(("transport", "stage"), [("tcp", "nfs/4 tcp"), ("udp", "nfs/4 udp NULL")])
async def test_a_program_that_is_gone_is_refused(transport: Any, stage: str) -> None:
    endpoint = Endpoint("127.0.0.1", free_port())
    async with peers.tcp_peer(over_tcp(endpoint.port)) as tcp, udp_peer(over_udp(endpoint.port)) as (udp, _):
        rpcbind = tcp if transport == "tcp" else udp
        result = await check_once(check(rpcbind, all=True, transport=transport), rpcbind)
        assert result == (Outcome.FAIL, "refused", f"{stage}: connection refused by {endpoint}")


async def test_another_program_on_rpcbind_s_port_is_none(server: Server) -> None:
    endpoint, _ = server
    outcome, reason, detail = await check_once(check(endpoint), endpoint)
    assert (outcome, reason) == (Outcome.FAIL, "status")
    assert detail == "rpcbind DUMP: PROG_UNAVAIL: the server does not have this program"


async def test_rpcbind_fails_at_every_step(server: Server) -> None:
    endpoint, _ = server
    async with peers.tcp_peer(over_tcp(endpoint.port)) as rpcbind:
        for step in range(2):
            for spoil in REASONS:
                async with relay(rpcbind, step, spoil) as spoilt:
                    outcome, reason, _ = await check_once(check(spoilt), spoilt, HANGING_SECONDS)
                    assert outcome is Outcome.FAIL
                    assert reason in REASONS[spoil]
