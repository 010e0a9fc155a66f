"""Peers on loopback for checks: servers that behave, and servers that do not; and checks made of a function."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from feedback.checks.check import Check
from feedback.checks.runner import Runner, run_once
from feedback.engine import Engine
from feedback.engine.kept import Kept
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Net, Target

LINGER_0 = struct.pack("ii", 1, 0)

ADDRESSES = ("127.0.0.1", "::1")

Talk = Callable[[socket.socket], Coroutine[Any, Any, None]]
Answer = Callable[[bytes, int], bytes | None]


class MadeCheck(Check):
    """A check that does what a function does."""

    function: Callable[[Target, Net], Coroutine[Any, Any, Any]]

    async def probe(self, target: Target, net: Net) -> str:
        detail: str = await self.function(target, net)
        return detail


class MadeAsyncioCheck(MadeCheck):
    """The same as an asyncio task."""

    uses_asyncio = True


async def check_once(check: Check, endpoint: Endpoint, timeout_seconds: float = 10.0) -> tuple[Outcome, str, str]:
    """Run a check once and return its outcome, reason and detail."""
    return outcome(await run_once(check, Target(endpoint, "rs1", "web"), timeout_seconds))


async def check_often(check: Check, endpoint: Endpoint, count: int, timeout_seconds: float = 10.0) -> list[CheckResult]:
    """Run a check so many times, one run after the other, as the director does: with what they keep for each other."""
    loop = asyncio.get_running_loop()
    engine, kept = Engine(loop), Kept()
    runner = Runner(engine)
    results = []
    try:
        for _ in range(count):
            done: asyncio.Future[CheckResult] = loop.create_future()
            loop.call_soon(runner.start, check, Target(endpoint), timeout_seconds, done.set_result, kept)
            results.append(await done)
    finally:
        kept.close()
        engine.close()
    return results


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def endpoint_of(bound: socket.socket) -> Endpoint:
    return Endpoint(*bound.getsockname()[:2])


def listener(address: str = "127.0.0.1", backlog: int = 128) -> socket.socket:
    """Return a socket that listens: the kernel accepts for it, and nobody says anything."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, 0), family=family, backlog=backlog)


def unheard(address: str = "127.0.0.1", kind: int = socket.SOCK_STREAM) -> socket.socket:
    """Return a socket that keeps a port on which nobody listens."""
    bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    bound.bind((address, 0))
    return bound


@contextlib.contextmanager
def deaf() -> Iterator[Endpoint]:
    """Listen with a full queue: the kernel drops what else would connect, as a dead host's network does."""
    with listener(backlog=0) as full, contextlib.ExitStack() as clients:
        where = full.getsockname()
        while True:
            client = clients.enter_context(socket.socket())
            client.settimeout(0.1)
            try:
                client.connect(where)
            except TimeoutError:
                break
        yield endpoint_of(full)


@contextlib.asynccontextmanager
async def tcp_peer(talk: Talk, address: str = "127.0.0.1") -> AsyncIterator[Endpoint]:
    """Serve within the block: `talk` has each connection, which is closed after it. What it raises fails the test."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def speak(connection: socket.socket) -> None:
        with connection, contextlib.suppress(ConnectionError):  # a check may go when it has seen enough
            await talk(connection)

    async def accept() -> None:
        while True:
            connection, _ = await loop.sock_accept(listening)
            connections.enter_context(connection)  # which its task may be cancelled too early to close
            connection.setblocking(False)
            task = loop.create_task(speak(connection))
            tasks.add(task)
            task.add_done_callback(_discard)

    def _discard(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is None:
            tasks.discard(task)

    with listener(address, backlog=1024) as listening, contextlib.ExitStack() as connections:
        listening.setblocking(False)
        tasks.add(loop.create_task(accept()))
        try:
            yield endpoint_of(listening)
        finally:
            await _end(tasks)


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended


async def hear(connection: socket.socket) -> bytes:
    """Return what comes next from a check, at most 64 KiB."""
    return await asyncio.get_running_loop().sock_recv(connection, 64 * 1024)


async def say(connection: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(connection, data)


def answering(*parts: bytes) -> Talk:
    """Return a talk that hears once and says the parts."""

    async def talk(connection: socket.socket) -> None:
        await hear(connection)
        for part in parts:
            await say(connection, part)

    return talk


async def reset(connection: socket.socket) -> None:
    """Hear once, and cut the connection by RST."""
    await hear(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)


async def silent(connection: socket.socket) -> None:
    """Hear until the check is gone."""
    while await hear(connection):
        pass


def dripping(byte: bytes, seconds: float = 0.02) -> Talk:
    """Return a talk that says one byte at a time, for ever."""

    async def talk(connection: socket.socket) -> None:
        while True:
            await say(connection, byte)
            await asyncio.sleep(seconds)

    return talk


class Flood:
    """Says a beginning and then the same for ever: as much as the check takes."""

    def __init__(self, beginning: bytes, chunk: bytes) -> None:
        self.beginning = beginning
        self.chunk = chunk
        self.sent_bytes = 0

    async def __call__(self, connection: socket.socket) -> None:
        await say(connection, self.beginning)
        while True:
            await say(connection, self.chunk)
            self.sent_bytes += len(self.chunk)


class UdpPeer:
    """Answers each datagram with what a function makes of it and of its number; None: not at all."""

    def __init__(self, bound: socket.socket, answer: Answer) -> None:
        self.heard: list[bytes] = []
        self.on_sender: Callable[[Any], object] = lambda _sender: None
        self._socket = bound
        self._answer = answer

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data, sender = await loop.sock_recvfrom(self._socket, 64 * 1024)
            self.heard.append(data)
            self.on_sender(sender)
            answer = self._answer(data, len(self.heard))
            if answer is not None:
                self._socket.sendto(answer, sender)


@contextlib.asynccontextmanager
async def udp_peer(answer: Answer, address: str = "127.0.0.1") -> AsyncIterator[tuple[Endpoint, UdpPeer]]:
    """Serve within the block."""
    with unheard(address, socket.SOCK_DGRAM) as bound:
        bound.setblocking(False)
        peer = UdpPeer(bound, answer)
        task = asyncio.create_task(peer.serve())
        try:
            yield endpoint_of(bound), peer
        finally:
            await _end({task})


def descriptors() -> dict[str, str]:
    """Return this process's open descriptors and what they are."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            found[entry.name] = str(entry.readlink())
    return found


def pid_in(path: Path) -> int:
    return int(path.read_text())


def is_listed(pid: int) -> bool:
    """Return whether a process is there, if only as a zombie."""
    return Path(f"/proc/{pid}").exists()


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that has ended and is not reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return when the condition holds; it must in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the kernel or another process changes it, and tells nobody
            await asyncio.sleep(0.005)
