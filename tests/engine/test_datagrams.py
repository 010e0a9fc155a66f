"""UDP on real sockets: answers, silence, loss, and ICMP's word that nobody listens."""

import asyncio
import socket

import pytest

from feedback.checks.udp import UdpCheck
from feedback.model import Endpoint, Outcome
from feedback.net import Net, Target
from tests.checks import peers
from tests.checks.peers import ADDRESSES, check_once, udp_peer

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""


@pytest.mark.parametrize("address", ADDRESSES)
async def test_the_expected_answer_passes(address: str) -> None:
    async with udp_peer(lambda data, _: b"pong " + data, address) as (endpoint, peer):
        result = await check_once(UdpCheck(send="ping", expect="pong ping"), endpoint)
        assert result == (Outcome.PASS, "", 'answered "pong ping"')
        assert peer.heard == [b"ping"]


async def test_another_answer_fails() -> None:
    async with udp_peer(lambda *_: b"pong") as (endpoint, _):
        outcome, reason, _ = await check_once(UdpCheck(send="ping", expect_hex="00"), endpoint)
        assert (outcome, reason) == (Outcome.FAIL, "content")


async def test_a_lost_datagram_is_sent_again() -> None:
    async with udp_peer(lambda _, number: b"pong" if number == 2 else None) as (endpoint, peer):
        result = await check_once(UdpCheck(send="ping", expect="pong"), endpoint, SOON_SECONDS)
        assert result == (Outcome.PASS, "", 'answered "pong"')
        assert peer.heard == [b"ping", b"ping"]


async def test_silence_fails_by_the_deadline() -> None:
    async with udp_peer(lambda *_: None) as (endpoint, peer):
        outcome, reason, detail = await check_once(UdpCheck(send="ping", expect="pong"), endpoint, SOON_SECONDS)
        assert (outcome, reason) == (Outcome.FAIL, "timeout")
        assert detail.startswith(f"no answer from {endpoint}")
        assert peer.heard == [b"ping", b"ping"]


async def test_silence_passes_where_nothing_is_expected() -> None:
    async with udp_peer(lambda *_: None) as (endpoint, _):
        result = await check_once(UdpCheck(send="ping"), endpoint, SOON_SECONDS)
        assert result == (Outcome.PASS, "", "not refused")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("check", [UdpCheck(send="ping"), UdpCheck(send="ping", expect="pong")])
async def test_a_port_on_which_nobody_listens_refuses(address: str, check: UdpCheck) -> None:
    with peers.unheard(address, socket.SOCK_DGRAM) as bound:
        endpoint = peers.endpoint_of(bound)
        bound.connect(bound.getsockname())  # it hears nobody but itself
        result = await check_once(check, endpoint)
        assert result == (Outcome.FAIL, "refused", f"connection refused by {endpoint}")


async def test_an_answer_from_elsewhere_is_none() -> None:
    with peers.unheard(kind=socket.SOCK_DGRAM) as elsewhere:
        async with udp_peer(lambda *_: None) as (endpoint, peer):
            peer.on_sender = lambda sender: elsewhere.sendto(b"pong", sender)
            outcome, reason, _ = await check_once(UdpCheck(send="ping", expect="pong"), endpoint, SOON_SECONDS)
            assert (outcome, reason) == (Outcome.FAIL, "timeout")
            assert len(peer.heard) == 2


async def test_an_empty_datagram_is_an_answer() -> None:
    async with udp_peer(lambda *_: b"") as (endpoint, _):
        assert await check_once(UdpCheck(send="ping"), endpoint) == (Outcome.PASS, "", "answered 0 bytes")


async def test_the_largest_datagram_is_read_whole() -> None:
    async with udp_peer(lambda *_: b"a" * 65_506 + b"b") as (endpoint, _):
        result = await check_once(UdpCheck(send="ping", expect_regex="b$"), endpoint)
        assert result[0] is Outcome.PASS


async def test_what_no_datagram_can_hold_says_nothing_of_the_service() -> None:
    async with udp_peer(lambda *_: b"pong") as (endpoint, _):
        result = await check_once(UdpCheck(send="a" * 70_000), endpoint)
        assert result == (Outcome.UNKNOWN, "local", f"this host can't reach {endpoint}: Message too long")


async def test_a_way_that_this_host_does_not_have_says_nothing_of_the_service() -> None:
    endpoint = Endpoint("255.255.255.255", 53)
    result = await check_once(UdpCheck(send="ping"), endpoint)
    assert result == (Outcome.UNKNOWN, "local", f"this host can't reach {endpoint}: Permission denied")


@pytest.mark.parametrize("made", [peers.MadeCheck, peers.MadeAsyncioCheck])
async def test_a_check_that_reads_and_reads_lets_others_have_their_turn(made: type[peers.MadeCheck]) -> None:
    count, turns = 64, []
    loop = asyncio.get_running_loop()

    def turn() -> None:
        turns.append(True)
        loop.call_soon(turn)

    async def swallow(target: Target, net: Net) -> str:
        async with net.connect_udp(target) as datagrams:
            await datagrams.send(b"ping")
            _, sender = bound.recvfrom(16)
            for _ in range(count):
                bound.sendto(b"a", sender)
            turns.clear()
            heard = [await datagrams.receive() for _ in range(count)]
        assert len(turns) >= count // 8 // 2  # half, for what has come lets it go on, too
        return f"heard {len(heard)}"

    with peers.unheard(kind=socket.SOCK_DGRAM) as bound:
        loop.call_soon(turn)
        result = await check_once(made(function=swallow), peers.endpoint_of(bound))
    assert result == (Outcome.PASS, "", f"heard {count}")


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_socket_knows_where_its_datagrams_come_from(address: str) -> None:
    async def probe(target: Target, net: Net) -> str:
        async with net.connect_udp(target) as datagrams:
            await datagrams.send(b"who am I?")
            assert await datagrams.receive() == str(datagrams.local_endpoint()).encode()
        return ""

    senders: list[tuple[str, int]] = []
    async with udp_peer(lambda *_: str(Endpoint(*senders[-1][:2])).encode(), address) as (endpoint, peer):
        peer.on_sender = senders.append
        assert await check_once(peers.MadeCheck(function=probe), endpoint) == (Outcome.PASS, "", "")
