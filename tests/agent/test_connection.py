"""The WebSocket over real TCP, against directors that misbehave."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Ping

from feedback.agent import connection
from feedback.agent.connection import StreamConnection
from feedback.agent.url import DirectorUrl, parse_director_url
from feedback.agent.websocket import LostError, RefusedError
from feedback.report import Accepted, SetWish, Wish, encode
from tests.agent.director_server import DirectorServer, until

pytestmark = pytest.mark.loopback

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def raw_server(handler: Handler) -> AsyncIterator[DirectorUrl]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        yield DirectorUrl("127.0.0.1", server.sockets[0].getsockname()[1], "/agent")


async def listen_without_end(opened: StreamConnection) -> None:
    while True:
        await opened.receive()


async def test_messages_go_both_ways_and_a_close_is_acknowledged() -> None:
    async with DirectorServer() as director:
        opened = await StreamConnection.open(parse_director_url(director.url), None)
        await opened.send(encode(SetWish(Wish.DRAIN)))
        assert await opened.receive() == (encode(Accepted(Wish.DRAIN)),)
        signs = opened.signs
        opened.ping()
        await until(lambda: opened.signs > signs, "the answer to a ping")
        await opened.close()
        with pytest.raises(LostError, match="closed the connection with code 1000"):
            await opened.receive()
        opened.abort()
    assert director.frames == [SetWish(Wish.DRAIN)]


async def test_a_port_where_nobody_listens_is_a_loss_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LostError, match=r"^can't connect: Connection refused$"):
        await StreamConnection.open(DirectorUrl("127.0.0.1", port, "/agent"), None)


async def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_SECONDS", 0.1)
    gone = asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        gone.set()
        writer.close()

    async with raw_server(never) as url:
        with pytest.raises(LostError, match=r"^no connection within 0\.1 s$"):
            await StreamConnection.open(url, None)
        async with asyncio.timeout(20):
            await gone.wait()  # the half-open connection was closed


async def test_a_refusal_is_told_and_the_connection_closed() -> None:
    async with DirectorServer(refuse=403) as director:
        with pytest.raises(RefusedError, match=r"HTTP status 403: no agent of this name is expected$"):
            await StreamConnection.open(parse_director_url(director.url), None)


async def test_a_director_that_stops_reading_is_dropped_after_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WRITE_TIMEOUT_SECONDS", 0.1)
    async with DirectorServer(reads=False) as director:
        opened = await StreamConnection.open(parse_director_url(director.url), None)

        async def send_without_end() -> None:
            while True:
                await opened.send(bytes(60_000))

        with pytest.raises(LostError, match=r"^the director has not read for 0\.1 s$"):
            await asyncio.wait_for(send_without_end(), 20)
        opened.abort()
        assert director.frames == []


async def test_a_director_that_pings_and_never_reads_is_dropped_after_a_bound() -> None:
    async def ping_without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = WSConnection(ConnectionType.SERVER)
        server.receive_data(await reader.readuntil(b"\r\n\r\n"))
        (_,) = server.events()
        writer.write(server.send(AcceptConnection()))
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        pings = server.send(Ping(payload=bytes(125))) * 100
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(pings)
                await writer.drain()
        writer.close()

    async with raw_server(ping_without_end) as url:
        opened = await StreamConnection.open(url, None)
        opened._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with pytest.raises(LostError, match=r"^the director does not read$"):
            await asyncio.wait_for(listen_without_end(opened), 20)
        opened.abort()


async def test_a_reset_is_seen_at_once() -> None:
    async with DirectorServer() as director:
        opened = await StreamConnection.open(parse_director_url(director.url), None)
        await until(lambda: director.attempts == 1, "the connection")
        await director.__aexit__()
        with pytest.raises(LostError):
            await asyncio.wait_for(listen_without_end(opened), 20)
        opened.abort()


async def test_the_kernel_is_told_to_notice_a_peer_that_is_gone_without_a_word() -> None:
    async with DirectorServer() as director:
        opened = await StreamConnection.open(parse_director_url(director.url), None)
        tcp = opened._transport.get_extra_info("socket")
        assert tcp.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 6000
        opened.abort()
