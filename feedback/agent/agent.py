"""The agent as a whole: sources are sampled, every director gets every report, and the host's wishes are passed on."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from feedback.agent.agent_check import words
from feedback.agent.answering import answering
from feedback.agent.collect import Collector
from feedback.agent.config import AgentConfig
from feedback.agent.connection import Connection, StreamConnection
from feedback.agent.control import Answer, listening, serve
from feedback.agent.prometheus import answer as answer_prometheus
from feedback.agent.secure import Secure
from feedback.agent.transport import Link
from feedback.agent.url import parse_director_url
from feedback.agent.wish import keep_wish, load_wish, wish_path
from feedback.notify import Notifier
from feedback.report import Hello, Report, Wish, encode

log = logging.getLogger(__name__)

GOODBYE_SECONDS = 2.0
"""How long the end of the agent waits until the directors have heard its goodbye."""

Connect = Callable[..., Awaitable[Connection]]
"""Takes a director's URL, the token, and over TLS what it goes by."""


class Agent:
    """One agent, from its configuration."""

    def __init__(
        self, config: AgentConfig, connect: Connect = StreamConnection.open, notifier: Notifier | None = None
    ) -> None:
        self._config = config
        self._notifier = notifier or Notifier()
        self._wish_path = None if config.control is None else wish_path(config.control)
        hello = Hello(config.name, wish=load_wish(self._wish_path), interval_seconds=config.interval_seconds)
        secure = None if config.tls is None else Secure(config.tls)
        self._links = [_link(url, hello, config, connect, secure=secure) for url in config.directors]
        self._wish = hello.wish
        self._report = Report(metrics={})
        self._collector = Collector(config.metrics.values(), config.interval_seconds, self._publish, config.watches)

    async def run(self, stop: asyncio.Event) -> None:
        """Report until `stop`; then say goodbye to every director, and return once they have heard it."""
        async with contextlib.AsyncExitStack() as stack:
            listener = None if self._config.control is None else stack.enter_context(listening(self._config.control))
            await self._answer(stack)
            async with asyncio.TaskGroup() as group:
                work = [group.create_task(self._collector.run(), name="collect")]
                if listener is not None:
                    work.append(group.create_task(serve(listener, self.change_wish), name="control"))
                work.append(group.create_task(self._notifier.attend(self._status, self._late_seconds), name="notify"))
                links = [group.create_task(link.run(), name=f"link {link.director}") for link in self._links]
                await stop.wait()
                self._notifier.stopping()
                for task in work:
                    task.cancel()
                await self._leave(links)
                for task in links:
                    task.cancel()

    async def change_wish(self, wish: Wish) -> Answer:
        """Keep the wish, pass it to every director at once, and tell who has accepted it."""
        log.info("wish wish=%s", wish)
        keep_wish(self._wish_path, wish)
        self._wish = wish
        async with asyncio.TaskGroup() as group:
            tasks = {
                link.director: group.create_task(link.tell(wish), name=f"tell {link.director}") for link in self._links
            }
        said = {director: task.result() for director, task in tasks.items()}
        return Answer(
            agent=self._config.name,
            wish=wish,
            accepted=tuple(director for director, missing in said.items() if not missing),
            missing={director: missing for director, missing in said.items() if missing},
        )

    async def _leave(self, links: list[asyncio.Task[None]]) -> None:
        log.info("leaving")
        self._wish = Wish.DRAIN
        for link in self._links:
            link.leave("the agent was told to end")
        if links:
            await asyncio.wait(links, timeout=GOODBYE_SECONDS)

    async def _answer(self, stack: contextlib.AsyncExitStack) -> None:
        """Answer on the ports that the configuration asks for, until the stack is closed."""
        check, prometheus = self._config.agent_check, self._config.prometheus
        if check is not None:
            line = partial(self._words, check.load)
            await stack.enter_async_context(answering(check.listen, "agent_check.listen", line))
        if prometheus is not None:
            await stack.enter_async_context(answering(prometheus, "prometheus.listen", self._exposition))

    def _words(self, load: Mapping[str, float], _asked: bytes) -> bytes:
        return words(self._report, load, drains=self._wish is Wish.DRAIN)

    def _exposition(self, request: bytes) -> bytes | None:
        return answer_prometheus(request, self._config.name, self._report, drains=self._wish is Wish.DRAIN)

    def _status(self) -> str:
        connected = sum(link.connected for link in self._links)
        words = f"{connected} of {len(self._links)} directors connected"
        if self._config.metrics:
            words += f", {len(self._report.metrics)} of {len(self._config.metrics)} metrics measured"
        state = Wish.DRAIN if self._wish is Wish.DRAIN else self._report.state
        return f"{words}, {state}{self._report.why and f': {self._report.why}'}"

    def _late_seconds(self) -> float:
        return self._collector.late_seconds(asyncio.get_running_loop().time())

    def _publish(self, report: Report) -> None:
        begins = not self._report.sequence
        self._report = report
        if begins:
            self._notifier.ready(self._status())
        frame = encode(report)
        for link in self._links:
            link.offer(frame)


def _link(
    director: str,
    hello: Hello,
    config: AgentConfig,
    connect: Connect,
    *,
    secure: Secure | None,
) -> Link:
    url = parse_director_url(director)
    if secure is None or not url.secure:
        return Link(director, hello, partial(connect, url, config.token), draw)
    return Link(director, hello, partial(connect, url, config.token, secure), draw, secure.renew)


def draw() -> float:
    """Return a random number from 0 to 1, without `random` and its tables in memory."""
    return int.from_bytes(os.urandom(4), "big") / 2**32


async def run_agent(config: AgentConfig) -> None:
    """Run an agent until SIGTERM or SIGINT. Raises FeedbackError when it can't begin."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    log.info("agent starts name=%s directors=%d metrics=%d", config.name, len(config.directors), len(config.metrics))
    await Agent(config, notifier=Notifier.from_environment(os.environ, os.getpid())).run(stop)


async def report_once(config: AgentConfig) -> Report:
    """Sample every source once and return the report."""
    return await Collector(config.metrics.values(), config.interval_seconds, lambda _: None, config.watches).once()
