"""A connection from a source to a server: bytes with limits, and one error that names the server."""

import contextlib
import functools
import os
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Protocol

import msgspec

from feedback.agent.place import Place
from feedback.agent.source import SourceError
from feedback.denied import why
from feedback.errors import CheckFailed

if TYPE_CHECKING:  # see feedback.agent.without_tls
    import asyncio
    import ssl

READ_BYTES = 16 * 1024


class DeniedError(SourceError):
    """The agent's user may not do what a source needs: an administrator must permit it."""


class Tls(msgspec.Struct, frozen=True):
    """How to speak TLS: whether the certificate must be right, by which authorities, and for which name."""

    verify: bool = True
    ca_file: str | None = None
    name: str | None = None


class Stream(Protocol):
    """A connection. What comes too late is the collector's to end; what is wrong ends as SourceError."""

    async def write(self, data: bytes) -> None:
        """Send all of `data`."""

    async def read_until(self, separator: bytes, limit: int) -> bytes:
        """Return bytes up to and with `separator`, of which there may be `limit`."""

    async def read_exactly(self, count: int) -> bytes:
        """Return exactly `count` bytes."""

    async def read_some(self, limit: int) -> bytes:
        """Return what is there, at least one byte and at most `limit`; b"" once the server has ended the stream."""


class BufferedStream:
    """A `Stream` on asyncio's."""

    def __init__(self, reader: "asyncio.StreamReader", writer: "asyncio.StreamWriter") -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()

    async def write(self, data: bytes) -> None:
        """Send all of `data`."""
        self._writer.write(data)
        await self._writer.drain()

    async def read_until(self, separator: bytes, limit: int) -> bytes:
        """Return bytes up to and with `separator`, of which there may be `limit`."""
        start = 0
        while (at := self._buffer.find(separator, start, limit)) < 0:
            if len(self._buffer) >= limit:
                raise SourceError(f"more than {limit} bytes where {separator!r} should be")
            start = max(0, len(self._buffer) + 1 - len(separator))
            await self._read_more()
        return self._take(at + len(separator))

    async def read_exactly(self, count: int) -> bytes:
        """Return exactly `count` bytes."""
        while len(self._buffer) < count:
            await self._read_more()
        return self._take(count)

    async def read_some(self, limit: int) -> bytes:
        """Return what is there, at least one byte and at most `limit`; b"" once the server has ended the stream."""
        if self._buffer:
            return self._take(min(limit, len(self._buffer)))
        return await self._reader.read(limit)

    async def _read_more(self) -> None:
        data = await self._reader.read(READ_BYTES)
        if not data:
            raise SourceError("the connection was closed before the answer was over")
        self._buffer += data

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


@contextlib.asynccontextmanager
async def connected(place: Place, tls: Tls | None = None, name: str = "") -> AsyncIterator[Stream]:
    """Connect, and close at the end of the block. Whatever goes wrong in it raises SourceError with the place's name.

    The codecs' CheckFailed is turned into it, too.
    """
    with named(f"can't connect to {name or place}"):
        reader, writer = await _open(place, tls)
    try:
        with named(name or str(place)):
            yield BufferedStream(reader, writer)
    finally:
        writer.transport.abort()  # nobody waits for what a server that hangs has not read


async def _open(place: Place, tls: Tls | None) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter]":
    import asyncio  # noqa: PLC0415 - see feedback.agent.without_tls

    if place.path:
        return await asyncio.open_unix_connection(place.path, limit=READ_BYTES)
    if tls is None:
        return await asyncio.open_connection(place.host, place.port, limit=READ_BYTES)
    context, name = tls_context(tls.verify, tls.ca_file), tls.name or place.host
    return await asyncio.open_connection(place.host, place.port, limit=READ_BYTES, ssl=context, server_hostname=name)


@functools.lru_cache(maxsize=16)  # it reads every certificate of the system's
def tls_context(verify: bool, ca_file: str | None) -> "ssl.SSLContext":
    """Return what a TLS connection goes by. Raises OSError where the file can't be read."""
    import ssl  # noqa: PLC0415 - whoever speaks no TLS needs none of it

    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.contextmanager
def named(what: str) -> Iterator[None]:
    """Put the server's name before what goes wrong with it in the block, be it SourceError, CheckFailed or OSError."""
    try:
        yield
    except SourceError as error:
        raise SourceError(f"{what}: {error}") from None
    except CheckFailed as error:
        raise SourceError(f"{what}: {error.detail}") from None
    except OSError as error:
        if isinstance(error, PermissionError):
            raise DeniedError(f"{what}: {why(error)}") from None
        raise SourceError(f"{what}: {words_of(error)}") from None


def words_of(error: OSError) -> str:
    """Return the kernel's, the resolver's or OpenSSL's sentence; asyncio wraps a refused one in one of its own."""
    if error.errno and error.errno > 0 and not getattr(error, "reason", None):
        return os.strerror(error.errno)
    return getattr(error, "verify_message", None) or error.strerror or str(error) or type(error).__name__
