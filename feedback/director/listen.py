"""The director's listeners: bounded in connections, in TLS handshakes, and in the time a connection may sit there."""

import asyncio
import contextlib
import logging
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import cast

import msgspec
from aiohttp import web

from feedback.director.door import Door
from feedback.errors import FeedbackError
from feedback.model import Endpoint

log = logging.getLogger(__name__)

IDLE_SECONDS = 30.0
SHUTDOWN_SECONDS = 2.0
BACKLOG = 1024
HANDSHAKE_SECONDS = 5.0
ACCEPT_AGAIN_SECONDS = 0.5

Refused = Callable[[str, str], None]
"""Is told of a handshake that failed: the address it came from, and why."""


class Listener(msgspec.Struct, frozen=True):
    """Where to listen, and what returns the TLS to speak with the next connection there; None: none."""

    where: Endpoint
    context: Callable[[], ssl.SSLContext] | None = None


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
        given = [one if isinstance(one, Listener) else Listener(one) for one in listeners]
        sockets = [stack.enter_context(_listen(listener.where)) for listener in given]
        hall = _Hall(cast("web.Server", runner.server), refused)  # there since the set-up
        stack.push_async_callback(hall.close)
        for listening, listener in zip(sockets, given, strict=True):
            hall.open(listening, listener)
        yield Endpoint(*sockets[0].getsockname()[:2])


def _listen(where: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if ":" in where.address else socket.AF_INET
    try:
        listening = socket.create_server((where.address, where.port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise FeedbackError(f"can't listen on {where}: {why}") from None
    listening.setblocking(False)
    return listening


class _Hall:
    """What the connections of all listeners share.

    Connections are accepted here and not by the event loop, so that one is counted, and may be sent away, before a byte
    of TLS is spoken with it.
    """

    def __init__(self, serve: web.Server, refused: Refused) -> None:
        self._door = Door(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._refused = refused
        self._serve = serve
        self._tasks: set[asyncio.Task[None]] = set()
        self._addresses: dict[web.RequestHandler, str] = {}
        self._lost = serve.connection_lost
        vars(serve)["connection_lost"] = self._end  # aiohttp tells its server alone of a connection's end

    def open(self, listening: socket.socket, listener: Listener) -> None:
        """Accept connections there from now on."""
        self._start(self._accept(listening, listener.context), f"accept on {listener.where}")

    async def close(self) -> None:
        """Accept no more, and end the handshakes that are going on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket, context: Callable[[], ssl.SSLContext] | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, peer = await loop.sock_accept(listening)
            except ConnectionError:  # it has gone already
                continue
            except OSError as error:  # no file descriptor or no memory is left: those who wait may have one later
                log.warning("can't accept connections: %s", os.strerror(error.errno or 0))
                await asyncio.sleep(ACCEPT_AGAIN_SECONDS)
                continue
            address = peer[0]
            if not self._door.enter(address):
                connected.close()
            elif context is not None and not self._door.begin(address, loop.time()):
                self._door.leave(address)
                connected.close()
            else:
                self._start(self._serve_one(connected, address, context and context()), f"connection from {address}")

    async def _serve_one(self, connected: socket.socket, address: str, context: ssl.SSLContext | None) -> None:
        """Hand a connection to aiohttp, once it has spoken TLS where it must."""
        handler = self._serve()
        self._addresses[handler] = address
        deadline = None if context is None else HANDSHAKE_SECONDS
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: handler, connected, ssl=context, ssl_handshake_timeout=deadline
            )
        except OSError as error:
            self._leave(handler)
            self._refused(address, words_of(error))
        except BaseException:
            self._leave(handler)
            raise
        finally:
            if context is not None:
                self._door.end(address)

    def _end(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self._lost(handler, exc)
        self._leave(handler)

    def _leave(self, handler: web.RequestHandler) -> None:
        """Count a connection out, once."""
        address = self._addresses.pop(handler, None)
        if address is not None:
            self._door.leave(address)


def words_of(error: OSError) -> str:
    """Return why a handshake failed, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if isinstance(error, ConnectionAbortedError):
        return f"no TLS within {HANDSHAKE_SECONDS:g} s"
    return f"it has gone: {os.strerror(error.errno)}" if error.errno else "it has gone"
