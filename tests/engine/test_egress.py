"""The way of packets out of this host: addresses, devices and marks on real sockets, and what is not to be had."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from feedback.checks.tcp import TcpCheck
from feedback.checks.udp import UdpCheck
from feedback.engine import Engine
from feedback.engine.sockets import DATAGRAM, STREAM, connect
from feedback.errors import LocalFault
from feedback.model import Endpoint, Outcome
from feedback.net import Egress, Net, Target
from tests.checks import peers
from tests.checks.peers import ADDRESSES, MadeCheck, check_once, tcp_peer, udp_peer

pytestmark = pytest.mark.loopback

KINDS = pytest.mark.parametrize("kind", [STREAM, DATAGRAM], ids=["tcp", "udp"])

MARK = 0xFFFF_FFFE
"""More than a signed integer holds."""


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(asyncio.get_running_loop())
    yield made
    made.close()


def opened(engine: Engine, kind: int, address: str, egress: Egress) -> socket.SocketType:
    """Return a socket that has connected, or has begun to."""
    with peers.unheard(address, kind & ~socket.SOCK_NONBLOCK) as bound:
        return connect(engine, kind, peers.endpoint_of(bound), lambda _mask: None, egress=egress)


@KINDS
@pytest.mark.parametrize(("address", "source"), [("127.0.0.1", "127.0.0.2"), ("::1", "::1")])
async def test_packets_come_from_the_source(engine: Engine, kind: int, address: str, source: str) -> None:
    client = opened(engine, kind, address, Egress(source=source))
    assert client.getsockname()[0] == source
    client.close()


async def test_the_port_of_a_source_is_chosen_for_where_it_goes(engine: Engine) -> None:
    """So that connections from one source to many targets are not limited by the number of ports."""
    with peers.listener() as listening:
        egress = Egress(source="127.0.0.2")
        client = connect(engine, STREAM, peers.endpoint_of(listening), lambda _mask: None, egress=egress)
        assert client.getsockopt(socket.IPPROTO_IP, 24) == 1  # IP_BIND_ADDRESS_NO_PORT
        client.close()


@KINDS
@pytest.mark.parametrize("address", ADDRESSES)
async def test_packets_leave_by_the_interface(engine: Engine, kind: int, address: str) -> None:
    client = opened(engine, kind, address, Egress(interface="lo"))
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"
    client.close()


def may_mark() -> bool:
    """Return whether this process may mark its packets: root may, and whoever has CAP_NET_ADMIN."""
    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)
        except PermissionError:
            return False
    return True


@KINDS
@pytest.mark.parametrize("address", ADDRESSES)
async def test_packets_bear_the_mark_where_that_is_permitted(engine: Engine, kind: int, address: str) -> None:
    if may_mark():
        client = opened(engine, kind, address, Egress(fwmark=MARK))
        (mark,) = struct.unpack("I", client.getsockopt(socket.SOL_SOCKET, socket.SO_MARK, 4))
        assert mark == MARK
        client.close()
    else:
        with pytest.raises(LocalFault, match=r"^fwmark needs CAP_NET_ADMIN$"):
            opened(engine, kind, address, Egress(fwmark=MARK))


@KINDS
@pytest.mark.parametrize(
    ("egress", "sentence"),
    [
        (Egress(source="192.0.2.77"), "source: 192.0.2.77 is no address of this host"),
        (Egress(source="::1"), "source: ::1 is of the other IP family than what is checked"),
        (Egress(interface="nowhere0"), "this host has no interface nowhere0"),
    ],
)
async def test_a_way_that_is_not_to_be_had_is_this_hosts_fault_and_leaves_nothing_open(
    engine: Engine, kind: int, egress: Egress, sentence: str
) -> None:
    before = peers.descriptors()
    with pytest.raises(LocalFault) as raised:
        opened(engine, kind, "127.0.0.1", egress)
    assert str(raised.value) == sentence
    assert peers.descriptors() == before


async def test_a_checks_options_choose_the_way() -> None:
    senders: list[str] = []

    async def talk(connection: socket.socket) -> None:
        await asyncio.sleep(0)
        senders.append(connection.getpeername()[0])

    async with tcp_peer(talk) as endpoint:
        assert (await check_once(TcpCheck(quiet=False, source="127.0.0.2"), endpoint))[0] is Outcome.PASS
        await peers.until(lambda: senders == ["127.0.0.2"])
    async with udp_peer(lambda *_: b"pong") as (endpoint, peer):
        peer.on_sender = lambda sender: senders.append(sender[0])
        assert (await check_once(UdpCheck(send="ping", source="127.0.0.3"), endpoint))[0] is Outcome.PASS
    assert senders == ["127.0.0.2", "127.0.0.3"]
    result = await check_once(TcpCheck(interface="nowhere0"), endpoint)
    assert result == (Outcome.UNKNOWN, "local", "this host has no interface nowhere0")


@pytest.mark.parametrize(
    ("address", "from_there"), [("127.0.0.1", "127.0.0.2"), ("127.0.0.9", "127.0.0.1")], ids=["own", "third party"]
)
async def test_every_port_of_the_targets_address_is_reached_that_way_and_no_third_party(
    address: str, from_there: str
) -> None:
    with peers.listener(address) as listening, peers.unheard(address, socket.SOCK_DGRAM) as bound:
        stream_end, datagram_end = peers.endpoint_of(listening), peers.endpoint_of(bound)

        async def probe(_target: Target, net: Net) -> str:
            async with net.connect_tcp(stream_end) as stream, net.connect_udp(datagram_end) as datagrams:
                await datagrams.send(b"ping")
                return stream.local_endpoint().address

        check = MadeCheck(function=probe, source="127.0.0.2")
        # No packet of a third party leaves from elsewhere than the kernel says, which for 127.0.0.9 is 127.0.0.1
        assert await check_once(check, Endpoint("127.0.0.1", 9)) == (Outcome.PASS, "", from_there)
        _, sender = bound.recvfrom(16)
        assert sender[0] == from_there
