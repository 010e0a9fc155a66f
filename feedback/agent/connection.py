"""One WebSocket connection over a TCP stream: the thin shell around `feedback.agent.websocket`."""

import asyncio
import contextlib
import os
import socket
from typing import Protocol, Self

from feedback.agent.secure import Secure, TlsError, tls_words
from feedback.agent.url import DirectorUrl
from feedback.agent.websocket import Heard, LostError, WebSocketClient
from feedback.secret import Secret

CONNECT_TIMEOUT_SECONDS = 5.0
WRITE_TIMEOUT_SECONDS = 5.0
UNHEARD = "; its log says whether it refuses this agent's certificate"
MAX_UNSENT_BYTES = 64 * 1024
READ_BYTES = 4096

KEEPALIVE_IDLE_SECONDS = 3
KEEPALIVE_INTERVAL_SECONDS = 1
KEEPALIVE_PROBES = 3
USER_TIMEOUT_MILLISECONDS = 6000
"""How long sent bytes may stay unacknowledged: a director whose host is gone is noticed by then."""


class Connection(Protocol):
    """An open connection to a director, as the transport uses it. Every method may raise LostError."""

    async def send(self, payload: bytes) -> None:
        """Send one message, and wait until the kernel has it."""

    def send_now(self, payload: bytes) -> bool:
        """Send one message, or return False when it would have to wait."""

    async def receive(self) -> tuple[bytes, ...]:
        """Wait until the director shows a sign of life; return the messages that came, often none."""

    async def ping(self) -> None:
        """Ask for a sign of life."""

    async def close(self) -> None:
        """Send a Close; `receive` then ends with LostError when the director has answered it."""

    def abort(self) -> None:
        """Drop the connection, at once and whatever its state."""


class StreamConnection:
    """A `Connection` on asyncio's streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._client = WebSocketClient(os.urandom)
        self._heard = Heard()  # what came and is not taken yet
        writer.transport.set_write_buffer_limits(high=0)  # `drain` waits until the kernel has everything

    @classmethod
    async def open(cls, url: DirectorUrl, token: Secret | None, secure: Secure | None = None) -> Self:
        """Connect, over TLS as `secure` has it for a `wss` URL, and ask for the WebSocket.

        Raises LostError or RefusedError.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                context = secure.context() if secure is not None else None
                reader, writer = await asyncio.open_connection(url.host, url.port, limit=READ_BYTES, ssl=context)
                connection = cls(reader, writer)
                try:
                    await connection._upgrade(url, token)
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
        if self._writer.transport.get_write_buffer_size() > 0:
            return False
        self._put(self._client.message(payload))
        return True

    async def ping(self) -> None:
        """Ask for a sign of life."""
        await self._write(self._client.ping())

    async def close(self) -> None:
        """Send a Close."""
        await self._write(self._client.close())

    async def receive(self) -> tuple[bytes, ...]:
        """Wait for a sign of life, and return the messages that came with it."""
        if not self._heard.messages:
            await self._hear()
        messages, self._heard = self._heard.messages, Heard(end=self._heard.end)
        return messages

    def abort(self) -> None:
        """Drop the connection."""
        self._writer.transport.abort()

    async def _upgrade(self, url: DirectorUrl, token: Secret | None) -> None:
        watch_closely(self._writer.get_extra_info("socket"))
        await self._write(self._client.request(url, token))
        while not self._client.is_open:
            await self._hear()

    async def _hear(self) -> None:
        """Read once. Raises what ended the connection, after everything before it was taken."""
        if self._heard.end is not None:
            raise self._heard.end
        try:
            heard = self._client.feed(await self._reader.read(READ_BYTES))
        except OSError as error:
            raise LostError(f"connection lost: {words_of(error)}") from None
        if heard.reply:
            self._put(heard.reply)
        if heard.end is not None and not heard.messages:
            raise heard.end
        self._heard = heard

    async def _write(self, data: bytes) -> None:
        self._put(data)
        if self._writer.transport.get_write_buffer_size() == 0:
            return  # the kernel has taken it, as it does nearly always: no timer is needed
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_SECONDS):
                await self._writer.drain()
        except TimeoutError:
            raise LostError(f"the director has not read for {WRITE_TIMEOUT_SECONDS:g} s") from None
        except OSError as error:
            raise LostError(f"connection lost: {words_of(error)}") from None

    def _put(self, data: bytes) -> None:
        """Hand bytes to the stream. Pongs are not waited for, so a director that pings and never reads ends here."""
        if self._writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            raise LostError("the director does not read")
        self._writer.write(data)


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
