import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from feedback.agent.sockdiag import AcceptQueue
from feedback.agent.source import SourceError
from feedback.agent.sources.sockets import SocketsSource, drops_per_second, fullest, parse_drops
from feedback.agent.window import Span


def test_the_fullest_queue_on_the_port_counts() -> None:
    queues = [AcceptQueue(80, 1, 10), AcceptQueue(80, 30, 100), AcceptQueue(81, 9, 9)]
    assert fullest(queues, 80) == 0.3


def test_a_backlog_of_zero_is_full_with_one() -> None:
    assert fullest([AcceptQueue(80, 1, 0)], 80) == 1


def test_a_port_without_a_listener_is_told_in_words() -> None:
    with pytest.raises(SourceError, match=r"^nobody listens on TCP port 80$"):
        fullest([AcceptQueue(81, 0, 9)], 80)


@contextlib.contextmanager
def crowded(family: socket.AddressFamily, address: str) -> Iterator[int]:
    """Listen with a backlog of 10, and leave 4 clients waiting; yield the port."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server((address, 0), family=family, backlog=10))
        port: int = server.getsockname()[1]
        for _ in range(4):
            stack.enter_context(socket.create_connection((address, port)))
        yield port


@pytest.mark.loopback
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
async def test_clients_that_wait_are_a_share_of_the_backlog(family: socket.AddressFamily, address: str) -> None:
    with crowded(family, address) as port:
        source = SocketsSource(port=port)
        assert (await source.sample()).ratio == pytest.approx(0.4)
    with pytest.raises(SourceError, match=f"nobody listens on TCP port {port}"):
        await source.sample()
    with socket.create_server((address, port), family=family, backlog=10):
        assert (await source.sample()).ratio == 0


@pytest.mark.loopback
async def test_a_broken_answer_is_not_read_again_as_the_next_one() -> None:
    with crowded(socket.AF_INET, "127.0.0.1") as port:
        source = SocketsSource(port=port)
        await source.sample()
        netlink = source._sockets._netlink
        assert netlink is not None
        netlink.close()
        with pytest.raises(SourceError, match="can't ask the kernel for its sockets: Bad file descriptor"):
            await source.sample()
        assert (await source.sample()).ratio == pytest.approx(0.4)


NETSTAT = (
    b"TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPHPHits\nTcpExt: 3 40 70 9\n"
    b"IpExt: InNoRoutes InOctets\nIpExt: 0 5\n"
)


def test_drops_are_read_by_their_name() -> None:
    assert parse_drops(NETSTAT) == 70
    assert parse_drops(b"IpExt: ListenDrop\nIpExt: 1\n" + NETSTAT) == 70


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no ListenDrops"),
        (b"TcpExt: ListenDrops\n", "has no ListenDrops"),
        (b"TcpExt: ListenDrops\nTcpExt: 1 2\n", "has no ListenDrops"),
        (b"TcpExt: ListenDrops\nIpExt: 1\n\n", "has no ListenDrops"),
        (b"TcpExt: ListenDrops\nTcpExt: many\n", "b'many' where a number should be"),
    ],
)
def test_what_has_no_drops_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_drops(data)
    assert str(caught.value) == f"/proc/net/netstat: {message}"


def test_drops_are_counted_in_a_second() -> None:
    assert drops_per_second(Span(100, 130, 2.0)) == 15
    assert drops_per_second(Span(130, 0, 2.0)) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "port: must be given, but for drops, which are the whole host's"),
        ({"kind": "drops", "port": 80, "limit": 5}, "port: must be given, but for drops, which are the whole host's"),
        ({"port": 80, "limit": 5}, "limit: must be given, but for queue, whose limit is the backlog"),
        ({"kind": "established", "port": 80}, "limit: must be given, but for queue, whose limit is the backlog"),
        ({"kind": "drops"}, "limit: must be given, but for queue, whose limit is the backlog"),
    ],
)
def test_each_kind_has_its_own_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        SocketsSource(**options)
    assert str(caught.value) == message


@pytest.mark.loopback
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
async def test_open_connections_are_a_share_of_the_limit(family: socket.AddressFamily, address: str) -> None:
    with crowded(family, address) as port:
        source = SocketsSource(kind="established", port=port, limit=16)
        assert (await source.sample()).ratio == 0.25
    assert (await source.sample()).ratio == 0


@pytest.mark.loopback
async def test_handshakes_that_are_not_over_are_counted() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=10) as server, contextlib.ExitStack() as clients:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)  # their last step waits for data
        for _ in range(3):
            clients.enter_context(socket.create_connection(server.getsockname()))
        source = SocketsSource(kind="syn_received", port=server.getsockname()[1], limit=6)
        assert (await source.sample()).ratio == 0.5


@pytest.mark.loopback
async def test_a_count_that_is_cut_off_is_not_read_as_the_next_one() -> None:
    with crowded(socket.AF_INET, "127.0.0.1") as port:
        source = SocketsSource(kind="established", port=port, limit=8)
        counting = asyncio.create_task(source.sample())
        await asyncio.sleep(0)
        netlink = source._sockets._netlink
        counting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await counting
        assert netlink is not None
        assert netlink.fileno() == -1
        assert (await source.sample()).ratio == 0.5


@pytest.mark.loopback
async def test_clients_that_a_full_queue_drops_are_counted() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as clients:
        source = SocketsSource(kind="drops", limit=1e-6)
        await source.sample()
        for _ in range(4):
            client = clients.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        assert (await source.sample()).ratio > 1
