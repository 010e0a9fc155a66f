"""The director's listeners: bounded in connections, in TLS handshakes, and in the time a connection may sit there."""

import asyncio
import contextlib
import os
import resource
import ssl
from collections.abc import AsyncIterator, Callable
from typing import cast

import msgspec
from aiohttp import web

from feedback.director.door import Door
from feedback.errors import FeedbackError
from feedback.model import Endpoint

IDLE_SECONDS = 30.0
SHUTDOWN_SECONDS = 2.0
BACKLOG = 1024
HANDSHAKE_SECONDS = 5.0
TLS_SHUTDOWN_SECONDS = 1.0

Refused = Callable[[str, str], None]
"""Is told of a handshake that failed: the address it came from, and why."""


class Listener(msgspec.Struct, frozen=True):
    """Where to listen, and the TLS to speak there; None: none."""

    where: Endpoint
    context: ssl.SSLContext | None = None


@contextlib.asynccontextmanager
async def serving(
    app: web.Application, *listeners: Endpoint | Listener, refused: Refused = lambda *_: None
) -> AsyncIterator[Endpoint]:
    """Serve the application within the block; yields where the first listener is (its port is chosen where it has 0).

    At most half of the process' file descriptors go to connections: checks and the table need theirs. Raises
    FeedbackError when an address can't be had.
    """
    runner = web.AppRunner(
        app, access_log=None, keepalive_timeout=IDLE_SECONDS, shutdown_timeout=SHUTDOWN_SECONDS, handle_signals=False
    )
    await runner.setup()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        hall = _Hall(cast("web.Server", runner.server), refused)  # there since the set-up
        stack.callback(hall.close)
        servers = []
        for one in listeners:
            listener = one if isinstance(one, Listener) else Listener(one)
            servers.append(await _listen(hall, listener))
            stack.callback(servers[-1].close)
        yield Endpoint(*servers[0].sockets[0].getsockname()[:2])


async def _listen(hall: "_Hall", listener: Listener) -> asyncio.Server:
    where = listener.where
    try:
        return await asyncio.get_running_loop().create_server(
            lambda: _Arrival(hall, listener.context),
            where.address,
            where.port,
            backlog=BACKLOG,
            reuse_address=True,
            reuse_port=False,
        )
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise FeedbackError(f"can't listen on {where}: {why}") from None


class _Hall:
    """What the connections of all listeners share."""

    def __init__(self, serve: web.Server, refused: Refused) -> None:
        self.door = Door(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self.refused = refused
        self.handshakes: set[asyncio.Task[None]] = set()
        self._serve = serve
        self._addresses: dict[web.RequestHandler, str] = {}
        self._lost = serve.connection_lost
        vars(serve)["connection_lost"] = self._leave  # aiohttp tells its server alone of a connection's end

    def admit(self, transport: asyncio.Transport, address: str) -> web.RequestHandler:
        """Let aiohttp serve a connection from here on."""
        handler = self._serve()
        self._addresses[handler] = address
        transport.set_protocol(handler)
        handler.connection_made(transport)
        return handler

    def close(self) -> None:
        """End the handshakes that are going on."""
        for task in self.handshakes:
            task.cancel()

    def _leave(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self._lost(handler, exc)
        address = self._addresses.pop(handler, None)
        if address is not None:
            self.door.leave(address)


class _Arrival(asyncio.Protocol):
    """A connection that has just come: it is sent away, served, or served once it has spoken TLS."""

    def __init__(self, hall: _Hall, context: ssl.SSLContext | None) -> None:
        self._hall = hall
        self._context = context

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Decide, before a byte is read."""
        arrived = cast("asyncio.Transport", transport)
        peer = arrived.get_extra_info("peername")  # None where it has gone already
        address = peer[0] if peer else ""
        if not self._hall.door.enter(address):
            arrived.abort()
        elif self._context is None:
            self._hall.admit(arrived, address)
        elif not self._hall.door.begin(address, asyncio.get_running_loop().time()):
            self._hall.door.leave(address)
            arrived.abort()
        else:
            arrived.pause_reading()
            task = asyncio.create_task(self._shake_hands(arrived, address, self._context), name=f"TLS with {address}")
            self._hall.handshakes.add(task)
            task.add_done_callback(self._hall.handshakes.discard)

    async def _shake_hands(self, arrived: asyncio.Transport, address: str, context: ssl.SSLContext) -> None:
        early = _Early()
        secured = None
        try:
            secured = await asyncio.get_running_loop().start_tls(
                arrived,
                early,
                context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS,
            )
        except OSError as error:
            self._hall.refused(address, words_of(error))
        finally:
            self._hall.door.end(address)
            if secured is None:
                self._hall.door.leave(address)
                arrived.abort()
        if secured is not None:
            early.go_on(self._hall.admit(secured, address))


class _Early(asyncio.Protocol):
    """Keeps what comes between the end of a handshake and the begin of service: one record or two, or the end."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._lost = False

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self._data += data

    def connection_lost(self, _: Exception | None) -> None:
        """Keep that, too."""
        self._lost = True

    def go_on(self, handler: asyncio.Protocol) -> None:
        """Hand everything over."""
        if self._data:
            handler.data_received(bytes(self._data))
        if self._lost:
            handler.connection_lost(None)


def words_of(error: OSError) -> str:
    """Return why a handshake failed, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if isinstance(error, ConnectionAbortedError):
        return f"no TLS within {HANDSHAKE_SECONDS:g} s"
    return f"it has gone: {os.strerror(error.errno)}" if error.errno else "it has gone"
