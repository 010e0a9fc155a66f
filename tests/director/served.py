"""A fake director behind the real API, served on loopback."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import msgspec

from feedback.director.agents import Agents
from feedback.director.api import make_app
from feedback.director.counts import Counts
from feedback.director.listen import Listener, serving
from feedback.director.receive import Receiver
from feedback.director.secure import Tls
from feedback.model import Endpoint
from feedback.secret import Secret
from tests.director.fake_control import FakeControl

TOKEN = "a-token-of-some-length"


class Served:
    """What a test needs of it: what is behind the API, where that is, and a client that speaks to it."""

    def __init__(self, control: FakeControl, token: Secret | None, tls: Tls | None) -> None:
        self._skipped = 0.0
        self.control = control
        self.agents = Agents(["rs1", "rs2"], control.events.record)
        self.counts = Counts()
        self.woken = asyncio.Event()
        self.tls = tls
        self.handshakes_refused: list[str] = []
        self.receiver = Receiver(self.agents, self.woken.set, self.now, token, tls)
        self.app = make_app(control, self.receiver, self.counts, token, tls)
        self.where = Endpoint("127.0.0.1", 0)
        self.session = aiohttp.ClientSession()

    def now(self) -> float:
        """Return the director's monotonic seconds."""
        return time.monotonic() + self._skipped

    def skip(self, seconds: float) -> None:
        """Let the director's clock jump."""
        self._skipped += seconds

    @property
    def url(self) -> str:
        return f"http{'' if self.tls is None else 's'}://{self.where}"

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Return the status and the JSON of an answer."""
        async with self.session.request(method, self.url + path, **options) as response:
            return response.status, msgspec.json.decode(await response.read())


@contextlib.asynccontextmanager
async def served(
    control: FakeControl | None = None, token: Secret | None = None, tls: Tls | None = None
) -> AsyncIterator[Served]:
    """Serve within the block."""
    director = Served(control or FakeControl(), token, tls)
    listener = Listener(director.where, None if tls is None else tls.context)

    def refused(_: str, why: str) -> None:
        director.handshakes_refused.append(why)

    async with director.session, serving(director.app, listener, refused=refused) as director.where:
        yield director


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; it must within five seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - whatever changes it is far from here, in a server's handler
            await asyncio.sleep(0.005)
