"""Servers for client commands, which block: each in a thread of its own, on loopback."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from feedback.director.secure import Tls
from feedback.secret import Secret
from tests.director.fake_control import FakeControl
from tests.director.served import Served, served


class Director:
    """A fake director in a thread. `do` runs a function there, where the director's own things may be touched."""

    def __init__(self, served_there: Served, loop: asyncio.AbstractEventLoop) -> None:
        self.control = served_there.control
        self.url = served_there.url
        self._loop = loop

    def do(self, change: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(change)


@contextlib.contextmanager
def director(
    control: FakeControl | None = None, token: Secret | None = None, tls: Tls | None = None
) -> Iterator[Director]:
    """Serve a fake director within the block."""
    ready = threading.Event()
    running: list[Director] = []
    stop = asyncio.Event()

    async def serve() -> None:
        async with served(control, token, tls) as there:
            running.append(Director(there, asyncio.get_running_loop()))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="fake director")
    thread.start()
    assert ready.wait(10)
    try:
        yield running[0]
    finally:
        running[0].do(stop.set)
        thread.join(10)


@contextlib.contextmanager
def stranger(answer: bytes, *, hold: bool = False) -> Iterator[str]:
    """Accept one connection, read what comes at first, and answer with these bytes; yields its URL.

    With `hold` the connection stays open after the answer.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        done = threading.Event()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(answer)
                if hold:
                    done.wait(10)

        thread = threading.Thread(target=serve, name="stranger")
        thread.start()
        stack.callback(thread.join, 10)
        stack.callback(done.set)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
