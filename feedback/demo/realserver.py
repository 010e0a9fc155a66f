"""The demo's HTTP realserver: one worker of a given speed, and a queue in front of it.

`GET /` waits for the worker, `GET /download` takes its time without it, `GET /alive` answers at once. The worker's
busy share and its queue go into two files, which the agent's `exec` source reads as it would any program's output.
"""

import argparse
import asyncio
from collections import deque
from pathlib import Path
from typing import cast

import msgspec
import uvloop

from feedback.demo.questions import answer_questions, tell
from feedback.demo.worker import Worker

WORK_SECONDS = 0.025  # of a server of speed 1 for one request
DOWNLOAD_SECONDS = 1.5
DOWNLOAD_CHUNKS = 15
CHUNK = b"." * 4096
STATUS_INTERVAL_SECONDS = 0.25
STATUS_WINDOW_SECONDS = 1.0
MAX_REQUEST_BYTES = 8192
MAX_QUEUE = 2000


class Totals(msgspec.Struct, frozen=True):
    """What a realserver has done since its start. `open_requests` counts those it has not answered in full."""

    busy_seconds: float
    requests: int
    open_requests: int


class Realserver:
    """The state that all connections share."""

    def __init__(self, name: str, speed: float) -> None:
        self.name = name
        self.worker = Worker(WORK_SECONDS / speed)
        self.requests = 0
        self.open_requests = 0

    def totals(self, _question: str = "") -> Totals:
        """Return the totals so far."""
        busy_seconds = self.worker.busy_seconds(asyncio.get_running_loop().time())
        return Totals(busy_seconds, self.requests, self.open_requests)

    async def write_status(self, directory: Path) -> None:
        """Write the worker's busy share over the last second, and its queue's length, four times a second."""
        loop = asyncio.get_running_loop()
        samples = deque([(loop.time(), 0.0)], maxlen=round(STATUS_WINDOW_SECONDS / STATUS_INTERVAL_SECONDS) + 1)
        while True:
            now = loop.time()
            before, busy_before = samples[0]
            busy = self.worker.busy_seconds(now)
            samples.append((now, busy))
            _replace(directory / f"{self.name}.busy", (busy - busy_before) / max(now - before, 1e-3))
            _replace(directory / f"{self.name}.queue", self.worker.depth(now))
            await asyncio.sleep(STATUS_INTERVAL_SECONDS)


class HttpConnection(asyncio.Protocol):
    """One request and its answer. The server closes: a client's connection is a request, as in the table's counters."""

    transport: asyncio.Transport

    def __init__(self, server: Realserver) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._timer: asyncio.TimerHandle | None = None
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer when the request is whole."""
        if self._timer is not None:
            return
        self._received += data
        if b"\r\n\r\n" in self._received:
            self._begin(self._received.split(b" ", 2)[1])
        elif len(self._received) > MAX_REQUEST_BYTES:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the answer is lost either way
        """Forget the answer that nobody waits for; the worker's time is spent all the same."""
        if self._timer is not None:
            self._timer.cancel()
        self._server.open_requests -= self._counted

    def _begin(self, path: bytes) -> None:
        if path == b"/alive":
            self._end(b"200 OK", b"I'm alive\n")
            return
        now = self._loop.time()
        if self._server.worker.depth(now) >= MAX_QUEUE:
            self._end(b"503 Service Unavailable", b"the queue is full\n")
            return
        self._server.requests += 1
        self._server.open_requests += 1
        self._counted = True
        if path == b"/download":
            self.transport.write(self._head(b"200 OK", DOWNLOAD_CHUNKS * len(CHUNK)))
            self._download(DOWNLOAD_CHUNKS)
        else:
            self._timer = self._loop.call_at(self._server.worker.take(now), self._end, b"200 OK", b"done\n")

    def _download(self, chunks: int) -> None:
        if not chunks:
            self.transport.close()
            return
        self.transport.write(CHUNK)
        self._timer = self._loop.call_later(DOWNLOAD_SECONDS / DOWNLOAD_CHUNKS, self._download, chunks - 1)

    def _end(self, status: bytes, body: bytes) -> None:
        self.transport.write(self._head(status, len(body)) + body)
        self.transport.close()

    def _head(self, status: bytes, length: int) -> bytes:
        server = self._server.name.encode()
        return b"HTTP/1.1 %s\r\nServer: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (
            status,
            server,
            length,
        )


def _replace(path: Path, value: float) -> None:
    """Write a file such that whoever reads it reads all of it."""
    new = path.with_suffix(path.suffix + ".new")
    new.write_text(f"{value:.4g}\n")
    new.replace(path)


async def serve(name: str, speed: float, port: int, directory: Path) -> None:
    """Serve on a port of loopback (0: any that is free; the answer says which) until standard input ends."""
    server = Realserver(name, speed)
    listener = await asyncio.get_running_loop().create_server(lambda: HttpConnection(server), "127.0.0.1", port)
    status = asyncio.create_task(server.write_status(directory), name="status")
    tell({"port": listener.sockets[0].getsockname()[1]})
    await answer_questions(server.totals)
    status.cancel()


def main() -> None:
    """Run one realserver."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("speed", type=float)
    parser.add_argument("port", type=int)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.name, arguments.speed, arguments.port, arguments.directory))


if __name__ == "__main__":
    main()
