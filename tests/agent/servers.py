"""Servers on loopback for the agent's sources: what they say is scripted, and where they are is a `Place`."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from feedback.agent.place import Place

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def served(talk: Talk, path: Path | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Place]:
    """Serve within the block, on a port of loopback or a Unix socket; `talk` has each connection."""

    talks: set[asyncio.Task[None]] = set()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await talk(reader, writer)
            writer.close()
            await writer.wait_closed()
        except OSError:
            writer.transport.abort()

    if path is not None:
        server = await asyncio.start_unix_server(speak, path)
        place = Place(path=str(path))
    else:
        server = await asyncio.start_server(speak, "127.0.0.1", 0, ssl=tls)
        place = Place("127.0.0.1", server.sockets[0].getsockname()[1])
    async with server:
        yield place
    await asyncio.gather(*talks)


def saying(*parts: bytes, heard: list[bytes] | None = None, first: bool = False) -> Talk:
    """Return a talk that hears once, unless the server speaks first, says the parts one by one, and closes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = b"" if first else await reader.read(65536)
        if heard is not None:
            heard.append(said)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)

    return talk


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Hear until the client is gone."""
    while await reader.read(65536):
        pass
