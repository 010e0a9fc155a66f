"""The director's listener: bounded in connections, and in the time a connection may sit there without a request."""

import asyncio
import contextlib
import os
import resource
from collections.abc import AsyncIterator, Callable
from typing import cast

from aiohttp import web

from feedback.errors import FeedbackError
from feedback.model import Endpoint

IDLE_SECONDS = 30.0
SHUTDOWN_SECONDS = 2.0
BACKLOG = 1024


class _TooMany(asyncio.Protocol):
    """Ends a connection as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the peer know at once."""
        if isinstance(transport, asyncio.Transport):
            transport.abort()


@contextlib.asynccontextmanager
async def serving(app: web.Application, listen: Endpoint) -> AsyncIterator[Endpoint]:
    """Serve the application within the block; yields where (the port is chosen where `listen` has 0).

    At most half of the process' file descriptors go to connections: checks and the table need theirs. Raises
    FeedbackError when the address can't be had.
    """
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
    runner = web.AppRunner(
        app, access_log=None, keepalive_timeout=IDLE_SECONDS, shutdown_timeout=SHUTDOWN_SECONDS, handle_signals=False
    )
    await runner.setup()
    try:
        serve = cast("web.Server", runner.server)  # there since the set-up
        server = await _listen(lambda: _TooMany() if len(serve.connections) >= most else serve(), listen)
        try:
            yield Endpoint(*server.sockets[0].getsockname()[:2])
        finally:
            server.close()
    finally:
        await runner.cleanup()


async def _listen(accept: Callable[[], asyncio.BaseProtocol], listen: Endpoint) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(
            accept, listen.address, listen.port, backlog=BACKLOG, reuse_address=True, reuse_port=False
        )
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise FeedbackError(f"can't listen on {listen}: {why}") from None
