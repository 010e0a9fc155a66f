"""A director's WebSocket as far as an agent sees it, on loopback: it records frames, and misbehaves on demand."""

import asyncio
import time
from collections.abc import Callable
from typing import Self

from aiohttp import WSMsgType, web

from feedback.report import Accepted, AgentFrame, Goodbye, Hello, Report, SetWish, decode_agent_frame, encode

DEADLINE_SECONDS = 20.0


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, with a deadline."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {DEADLINE_SECONDS:g} s in vain: {what}")
        await asyncio.sleep(0.005)


class DirectorServer:
    """`refuse`: HTTP status for every agent. `greet`: bytes sent after the hello. `reads`: False never reads."""

    def __init__(self, *, refuse: int = 0, greet: bytes = b"", reads: bool = True, token: str = "") -> None:
        self.refuse = refuse
        self.greet = greet
        self.reads = reads
        self.token = token
        self.port = 0
        self.attempts = 0
        self.ended = 0
        self.paths: list[str] = []
        self.hosts: list[str] = []
        self.frames: list[AgentFrame] = []
        self._runner: web.AppRunner | None = None
        self._sockets: set[web.WebSocketResponse] = set()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/agent"

    @property
    def hellos(self) -> list[Hello]:
        return [frame for frame in self.frames if isinstance(frame, Hello)]

    @property
    def reports(self) -> list[Report]:
        return [frame for frame in self.frames if isinstance(frame, Report)]

    @property
    def wishes(self) -> list[SetWish]:
        return [frame for frame in self.frames if isinstance(frame, SetWish)]

    @property
    def goodbyes(self) -> list[Goodbye]:
        return [frame for frame in self.frames if isinstance(frame, Goodbye)]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/agent", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for websocket in list(self._sockets):
            await websocket.close(code=1001, message=b"going away")
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.attempts += 1
        self.paths.append(request.path)
        self.hosts.append(request.headers["Host"])
        if self.refuse:
            return web.Response(status=self.refuse, text="no agent of this name is expected\n")
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401, text="the token is wrong\n")
        websocket = web.WebSocketResponse(autoping=True)
        await websocket.prepare(request)
        self._sockets.add(websocket)
        try:
            await self._converse(websocket)
        finally:
            self.ended += 1
            self._sockets.discard(websocket)
        return websocket

    async def _converse(self, websocket: web.WebSocketResponse) -> None:
        if not self.reads:
            await asyncio.sleep(3600)
        async for message in websocket:
            assert message.type is WSMsgType.BINARY
            frame = decode_agent_frame(message.data)
            self.frames.append(frame)
            if isinstance(frame, Hello) and self.greet:
                await websocket.send_bytes(self.greet)
            if isinstance(frame, SetWish):
                await websocket.send_bytes(encode(Accepted(frame.wish)))
