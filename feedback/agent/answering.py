"""Ports on which the agent answers: each connection gets one answer, and is closed. There are none unless asked for.

Nobody who connects can cost much: connections are few and short, and what they say is bounded.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import cast

from feedback.agent.connection import words_of
from feedback.errors import FeedbackError
from feedback.model import Endpoint

MAX_CONNECTIONS = 64
"""On each port. What is more is closed at once."""
DEADLINE_SECONDS = 3.0
"""How long a connection may last, whatever it does."""

Answer = Callable[[bytes], bytes | None]
"""What to answer to what has come so far: None to wait for more. It is asked before anything has come, too."""


@contextlib.asynccontextmanager
async def answering(endpoint: Endpoint, option: str, answer: Answer) -> AsyncIterator[None]:
    """Answer at an endpoint within the block. Raises FeedbackError, which names the option, when it can't be had."""
    connections: set[_Connection] = set()
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(lambda: _Connection(connections, answer), endpoint.address, endpoint.port)
    except OSError as error:
        raise FeedbackError(f"{option}: can't listen on {endpoint}: {words_of(error)}") from None
    try:
        yield
    finally:
        server.close()
        for connection in tuple(connections):
            connection.abort()


class _Connection(asyncio.Protocol):
    """One connection. What comes after the answer is read and dropped: closing before would take that away, too."""

    def __init__(self, connections: "set[_Connection]", answer: Answer) -> None:
        self._connections = connections
        self._answer = answer
        self._received = b""
        self._answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer, if nothing has to be asked for it."""
        self._transport = cast("asyncio.Transport", transport)
        self._deadline = asyncio.get_running_loop().call_later(DEADLINE_SECONDS, self.abort)
        if len(self._connections) >= MAX_CONNECTIONS:
            self.abort()
            return
        self._connections.add(self)
        self._try_to_answer()

    def data_received(self, data: bytes) -> None:
        """Answer, once the question is complete."""
        if not self._answered:
            self._received += data
            self._try_to_answer()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - how it was lost makes no difference
        """Count it no more."""
        self._deadline.cancel()
        self._connections.discard(self)

    def abort(self) -> None:
        """End it."""
        self._transport.abort()

    def _try_to_answer(self) -> None:
        answer = self._answer(self._received)
        if answer is not None:
            self._answered = True
            self._received = b""
            self._transport.write(answer)
            with contextlib.suppress(OSError):  # it may have gone meanwhile
                self._transport.write_eof()
