"""A real server of WebSockets for tests: aiohttp in a process of its own."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from feedback.model import Endpoint
from tests.checks.servers.process import accepts, running

SERVER = """
import sys
from aiohttp import WSMsgType, web

async def chat(request):
    if request.headers.get("Origin") == "https://bad.example.com":
        raise web.HTTPForbidden
    if request.query.get("token", "good") != request.headers.get("X-Token", "good"):
        raise web.HTTPUnauthorized
    socket = web.WebSocketResponse(protocols=["chat.v2"], autoping=True)
    await socket.prepare(request)
    await socket.send_str(f"welcome to {request.host}{request.path}")
    async for message in socket:
        if message.type is WSMsgType.TEXT and message.data == "bye":
            await socket.close(code=4000, message=b"as you like")
        elif message.type is WSMsgType.TEXT:
            await socket.send_bytes(b"x" * 70000)
            await socket.send_str("you said " + message.data)
    print("closed", socket.close_code, flush=True)
    return socket

async def page(request):
    return web.Response(text="hello")

async def moved(request):
    raise web.HTTPFound("/chat")

application = web.Application()
application.add_routes([web.get("/chat", chat), web.get("/page", page), web.get("/moved", moved)])
web.run_app(application, host=["127.0.0.1", "::1"], port=int(sys.argv[1]), access_log=None, print=None)
"""


@contextlib.contextmanager
def websocket_server(directory: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run it within the block, on both loopback addresses."""
    ready = accepts(*(Endpoint(address, port) for address in ("127.0.0.1", "::1")))
    with running([sys.executable, "-c", SERVER, str(port)], directory, ready) as server:
        yield server
