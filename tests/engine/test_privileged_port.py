"""Connecting from a port below 1024: from one that is not in use, and from one port to many endpoints.

The ports are others here, so that every user may have them. The lab has those that only root may have.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from feedback.engine import faults, sockets
from feedback.model import Endpoint, Outcome
from feedback.net import Net, Target
from tests.checks import peers
from tests.checks.peers import MadeCheck, check_once
from tests.checks.servers.process import free_port

pytestmark = pytest.mark.loopback

_FAMILIES = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> tuple[int, ...]:
    """Let a few ports be the privileged ones."""
    few = (free_port(), free_port(), free_port())
    monkeypatch.setattr(sockets, "PRIVILEGED_PORTS", few)
    return few


@pytest.fixture
def servers() -> Iterator[list[Endpoint]]:
    """Return endpoints of both families at which the kernel accepts."""
    with ExitStack() as stack:
        yield [peers.endpoint_of(stack.enter_context(peers.listener(address))) for address in peers.ADDRESSES * 2]


async def connect(target: Target, net: Net) -> str:
    async with net.connect_tcp(target, privileged_port=True) as stream:
        return str(stream.local_endpoint().port)


async def test_a_connection_comes_from_one_of_the_ports(ports: tuple[int, ...], servers: list[Endpoint]) -> None:
    for endpoint in servers:
        outcome, _, port = await check_once(MadeCheck(function=connect), endpoint)
        assert outcome is Outcome.PASS
        assert int(port) in ports


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_datagram_comes_from_one_of_the_ports(ports: tuple[int, ...], address: str) -> None:
    senders: list[tuple[str, int]] = []

    async def send(target: Target, net: Net) -> str:
        async with net.connect_udp(target, privileged_port=True) as datagrams:
            await datagrams.send(b"ping")
            return (await datagrams.receive()).decode()

    async with peers.udp_peer(lambda *_: b"pong", address) as (endpoint, peer):
        peer.on_sender = senders.append
        assert await check_once(MadeCheck(function=send), endpoint) == (Outcome.PASS, "", "pong")
    assert senders[0][1] in ports


@pytest.mark.parametrize("free", [0, 1, 2])
async def test_ports_that_are_in_use_are_passed_over(
    ports: tuple[int, ...], servers: list[Endpoint], free: int
) -> None:
    with ExitStack() as stack:
        for port in set(ports) - {ports[free]}:
            for address in peers.ADDRESSES:
                stack.enter_context(socket.create_server((address, port), family=_FAMILIES[address]))
        for endpoint in servers:
            result = await check_once(MadeCheck(function=connect), endpoint)
            assert result == (Outcome.PASS, "", str(ports[free]))


async def test_one_port_serves_many_endpoints_at_a_time(ports: tuple[int, ...], servers: list[Endpoint]) -> None:
    async def connect_to_all(_target: Target, net: Net) -> str:
        async with (
            net.connect_tcp(servers[0], privileged_port=True),
            net.connect_tcp(servers[0], privileged_port=True),
            net.connect_tcp(servers[0], privileged_port=True),
            net.connect_tcp(servers[2], privileged_port=True) as stream,
        ):
            return str(stream.local_endpoint().port)

    outcome, _, port = await check_once(MadeCheck(function=connect_to_all), servers[0])
    assert outcome is Outcome.PASS
    assert int(port) in ports


async def test_one_endpoint_can_have_one_connection_from_each_port(
    ports: tuple[int, ...], servers: list[Endpoint]
) -> None:
    async def connect_once_too_often(target: Target, net: Net) -> str:
        async with (
            net.connect_tcp(target, privileged_port=True),
            net.connect_tcp(target, privileged_port=True),
            net.connect_tcp(target, privileged_port=True),
            net.connect_tcp(target, privileged_port=True),
        ):
            return ""

    result = await check_once(MadeCheck(function=connect_once_too_often), servers[0])
    words = f"every port from {ports[0]} to {ports[-1]} of this host is in use"
    assert result == (Outcome.UNKNOWN, "local", words)


async def test_a_port_may_be_of_an_address_that_was_asked_for(ports: tuple[int, ...], servers: list[Endpoint]) -> None:
    async def connect_from(target: Target, net: Net) -> str:
        async with net.connect_tcp(target, privileged_port=True) as stream:
            return str(stream.local_endpoint())

    check = MadeCheck(function=connect_from, source="127.0.0.2")
    outcome, _, local = await check_once(check, servers[0])
    assert outcome is Outcome.PASS
    assert local in {f"127.0.0.2:{port}" for port in ports}


def test_whoever_may_not_have_such_a_port_is_told_what_it_takes() -> None:
    fault = faults.egress("source", None, errno.EACCES)
    assert str(fault) == "a port below 1024 needs CAP_NET_BIND_SERVICE"
