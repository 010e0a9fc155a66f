"""One WebSocket connection over a TCP stream: the thin shell around `feedback.agent.websocket`."""

import asyncio
import contextlib
import os
import socket
from asyncio import sslproto
from typing import Protocol, Self, cast

from feedback.agent.secure import Secure, TlsError, tls_words
from feedback.agent.url import DirectorUrl
from feedback.agent.websocket import Heard, LostError, WebSocketClient
from feedback.errors import WireError
from feedback.secret import Secret

CONNECT_TIMEOUT_SECONDS = 5.0
WRITE_TIMEOUT_SECONDS = 5.0
UNHEARD = "; its log says whether it refuses this agent's certificate"
MAX_UNSENT_BYTES = 64 * 1024
READ_BYTES = 4096
sslproto.SSLProtocol.max_size = 16 * 1024  # as much as one record has; else asyncio keeps 256 kB for each connection

KEEPALIVE_IDLE_SECONDS = 3
KEEPALIVE_INTERVAL_SECONDS = 1
KEEPALIVE_PROBES = 3
USER_TIMEOUT_MILLISECONDS = 6000
"""How long sent bytes may stay unacknowledged: a director whose host is gone is noticed by then."""


class Connection(Protocol):
    """An open connection to a director, as the transport uses it. Every method may raise LostError."""

    @property
    def signs(self) -> int:
        """How many signs of life the director has given so far."""

    async def send(self, payload: bytes) -> None:
        """Send one message, and wait until the kernel has it."""

    def send_now(self, payload: bytes) -> bool:
        """Send one message, or return False when it would have to wait."""

    async def receive(self) -> tuple[bytes, ...]:
        """Wait for messages from the director, and return them."""

    def ping(self) -> None:
        """Ask for a sign of life, unless that would have to wait."""

    async def close(self) -> None:
        """Send a Close; `receive` then ends with LostError when the director has answered it."""

    def abort(self, why: str = "") -> None:
        """Drop the connection, at once and whatever its state. `receive` then ends with a LostError that says why."""


class StreamConnection(asyncio.BufferedProtocol):
    """A `Connection` on asyncio's transports, without its streams: what comes often wakes up no task."""

    def __init__(self) -> None:
        self._client = WebSocketClient(os.urandom)
        self._buffer = bytearray(READ_BYTES)
        self._messages: tuple[bytes, ...] = ()
        self._end: WireError | None = None
        self._news = asyncio.Event()  # messages, the director's acceptance, or the end
        self._flushed = asyncio.Event()  # the kernel has taken everything
        self._flushed.set()
        self._upgraded = False
        self.signs = 0

    @classmethod
    async def open(cls, url: DirectorUrl, token: Secret | None, secure: Secure | None = None) -> Self:
        """Connect, over TLS as `secure` has it for a `wss` URL, and ask for the WebSocket.

        Raises LostError or RefusedError.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                context = secure.context() if secure is not None else None
                loop = asyncio.get_running_loop()
                name = None if context is None else cast("str", url.host.encode())  # as str it takes the tables of IDNA
                _, connection = await loop.create_connection(cls, url.host, url.port, ssl=context, server_hostname=name)
                try:
                    await connection.upgrade(url, token)
                except LostError as error:
                    connection.abort()
                    # What its TLS refuses in this end's certificate comes after the handshake, and without a word
                    raise LostError(f"{error}{UNHEARD if secure is not None else ''}") from None
                except BaseException:
                    connection.abort()
                    raise
                return connection
        except TlsError as error:
            raise LostError(str(error)) from None
        except TimeoutError:
            raise LostError(f"no connection within {CONNECT_TIMEOUT_SECONDS:g} s") from None
        except OSError as error:
            raise LostError(f"can't connect: {words_of(error)}") from None

    async def send(self, payload: bytes) -> None:
        """Send one message, and wait until the kernel has it."""
        await self._write(self._client.message(payload))

    def send_now(self, payload: bytes) -> bool:
        """Send one message, unless the kernel has not taken everything before it."""
        if not self._flushed.is_set():
            return False
        self._put(self._client.message(payload))
        return True

    async def receive(self) -> tuple[bytes, ...]:
        """Wait for messages, and return them. Raises what ended the connection, once all before it were taken."""
        while not self._messages:
            await self._hear()
        messages, self._messages = self._messages, ()
        return messages

    def ping(self) -> None:
        """Ask for a sign of life, unless the kernel has not taken everything before it."""
        if self._flushed.is_set():
            self._put(self._client.ping())

    async def close(self) -> None:
        """Send a Close."""
        await self._write(self._client.close())

    def abort(self, why: str = "dropped") -> None:
        """Drop the connection."""
        self._end = self._end or LostError(why)
        self._news.set()
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and have asyncio tell as soon as the kernel does not take everything."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1, low=0)  # over TLS, 0 would be reached by nothing at all

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - what is larger comes in pieces
        """Return where to put what comes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has come."""
        self._take(self._client.feed(bytes(self._buffer[:nbytes])))

    def eof_received(self) -> None:
        """Take notice that the director has ended the stream."""
        self._take(self._client.feed(b""))

    def connection_lost(self, exc: Exception | None) -> None:
        """Let those who wait hear why there is no connection any more."""
        words = words_of(exc) if isinstance(exc, OSError) else "it was closed"
        self._end = self._end or LostError(f"connection lost: {words}")
        self._news.set()
        self._flushed.set()

    def pause_writing(self) -> None:
        """Take notice that the kernel has not taken everything."""
        self._flushed.clear()

    def resume_writing(self) -> None:
        """Take notice that the kernel has taken everything."""
        self._flushed.set()

    def _take(self, heard: Heard) -> None:
        if self._end is not None:
            return
        self.signs += 1
        self._messages += heard.messages
        self._end = heard.end
        if heard.reply:
            # Nobody waits for a pong to be taken, so a director that pings and never reads ends here
            if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
                self._end = LostError("the director does not read")
            else:
                self._transport.write(heard.reply)
        if heard.messages or self._end is not None or not self._upgraded:
            self._news.set()

    async def upgrade(self, url: DirectorUrl, token: Secret | None) -> None:
        """Ask for the WebSocket, and wait until the director has accepted. Raises LostError or RefusedError."""
        watch_closely(self._transport.get_extra_info("socket"))
        await self._write(self._client.request(url, token))
        while not self._client.is_open:
            await self._hear()
        self._upgraded = True

    async def _hear(self) -> None:
        """Wait for news. Raises what ended the connection."""
        if self._end is not None:
            raise self._end
        self._news.clear()
        await self._news.wait()

    async def _write(self, data: bytes) -> None:
        self._put(data)
        if self._flushed.is_set():
            return  # the kernel has taken it, as it does nearly always: no timer is needed
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_SECONDS):
                await self._flushed.wait()
        except TimeoutError:
            raise LostError(f"the director has not read for {WRITE_TIMEOUT_SECONDS:g} s") from None
        if self._end is not None:
            raise self._end

    def _put(self, data: bytes) -> None:
        if self._end is not None:
            raise self._end
        self._transport.write(data)


def words_of(error: OSError) -> str:
    """Return the kernel's, the resolver's or TLS's sentence; asyncio wraps a refused connection in one of its own."""
    if words := tls_words(error):
        return words
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


def watch_closely(connected: socket.socket) -> None:
    """Let the kernel notice a peer that is gone without a word within seconds, and send small frames at once."""
    options = (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MILLISECONDS),
    )
    for level, option, value in options:
        with contextlib.suppress(OSError):  # helpful, never needed: silence is noticed by pings too
            connected.setsockopt(level, option, value)
