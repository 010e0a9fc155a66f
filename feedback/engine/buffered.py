"""Reading through one buffer: what every stream shares, on a socket or on a script."""

from collections.abc import Coroutine
from typing import Any

from feedback.errors import CheckFailed, Reason

RECEIVE_BYTES = 16 * 1024
"""What one system call asks for: more than most answers, and cheap to allocate."""


class BufferedReader:
    """Reads built on `receive`. A subclass says how bytes arrive."""

    buffer: bytes
    """Received and not yet read; b"" at first."""

    async def receive(self, limit: int) -> bytes:
        """Return the next bytes that arrive, at most `limit`; b"" once the peer has ended the stream."""
        raise NotImplementedError

    def peer(self) -> str:
        """Return the other end's name for messages."""
        raise NotImplementedError

    async def read_until(self, separator: bytes, limit: int) -> bytes:
        """Return bytes up to and with `separator`. Raises CheckFailed: `closed`, or `limit` without it."""
        searched = 0
        while (found := self.buffer.find(separator, searched, limit)) < 0:
            if len(self.buffer) >= limit:
                raise CheckFailed(Reason.LIMIT, f"more than {limit} bytes from {self.peer()} in one piece")
            searched = max(0, len(self.buffer) - len(separator) + 1)
            await self._fill()
        return self._take(found + len(separator))

    async def read_exactly(self, count: int) -> bytes:
        """Return exactly `count` bytes. Raises CheckFailed(closed) when the peer ends the stream first."""
        while len(self.buffer) < count:
            await self._fill()
        return self._take(count)

    def read_some(self, limit: int) -> Coroutine[Any, Any, bytes]:
        """Return what is there, at least one byte and at most `limit`; b"" once the peer has ended the stream."""
        if self.buffer:
            return self.read_exactly(min(limit, len(self.buffer)))
        return self.receive(min(limit, RECEIVE_BYTES))

    async def _fill(self) -> None:
        data = await self.receive(RECEIVE_BYTES)
        if not data:
            raise CheckFailed(Reason.CLOSED, f"{self.peer()} closed the connection after {_bytes(len(self.buffer))}")
        self.buffer += data

    def _take(self, count: int) -> bytes:
        data = self.buffer[:count]
        self.buffer = self.buffer[count:]
        return data


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count} bytes"
