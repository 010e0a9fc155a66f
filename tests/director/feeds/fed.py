"""A feeder with one host, on the real network of loopback, and what the director knows of that host."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from feedback.checks.runner import Runner
from feedback.director.agents import Agents, AgentView
from feedback.director.feeder import Feeder
from feedback.director.feeds.feed import Feed, FeedConfig
from feedback.engine import Engine
from feedback.model import AgentState, Endpoint

DEADLINE_SECONDS = 20.0


class Fed:
    """The host `rs1`: what is known of it now, and what was told."""

    def __init__(self, agents: Agents, feeder: Feeder, told: list[str]) -> None:
        self.agents = agents
        self.feeder = feeder
        self.told = told

    @property
    def view(self) -> AgentView:
        return self.agents.view("rs1", time.monotonic())

    async def until(self, condition: Callable[[AgentView], bool], what: str) -> AgentView:
        """Wait until the director knows it, with a deadline."""
        end = time.monotonic() + DEADLINE_SECONDS
        while not condition(self.view):
            if time.monotonic() > end:
                raise AssertionError(f"waited {DEADLINE_SECONDS:g} s in vain: {what}; {self.view}, {self.told}")
            self.agents.tick(time.monotonic())
            await asyncio.sleep(0.005)
        return self.view

    async def until_connected(self, *metrics: str) -> AgentView:
        return await self.until(
            lambda view: view.state is AgentState.CONNECTED and set(metrics) <= view.metrics.keys(),
            f"{metrics} to come",
        )

    async def until_told(self, words: str) -> None:
        await self.until(lambda _: any(words in one for one in self.told), f"{words!r} to be told")


@contextlib.asynccontextmanager
async def feeding(
    feed: Feed, endpoint: Endpoint, *, interval_seconds: float = 0.1, timeout_seconds: float = 10.0
) -> AsyncIterator[Fed]:
    """Ask a host within the block."""
    told: list[str] = []

    def record(_kind: str, message: str) -> None:
        told.append(message)

    with contextlib.closing(Engine(asyncio.get_running_loop())) as engine:
        agents = Agents({"rs1"}, record)
        feeder = Feeder(Runner(engine), agents, record, lambda: None, time.monotonic)
        feeder.configure(
            {
                "rs1": FeedConfig(
                    agent="rs1",
                    feed=feed,
                    endpoint=endpoint,
                    interval_seconds=interval_seconds,
                    timeout_seconds=timeout_seconds,
                )
            }
        )
        task = asyncio.create_task(feeder.run())
        try:
            yield Fed(agents, feeder, told)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
