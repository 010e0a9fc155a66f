"""Asks hosts without an agent for their load, each at its interval, and hands the answers on as an agent's reports.

Each answer is a frame, as if an agent had sent it: what is said, what becomes stale and what is told is decided where
it is for all agents. Questions are runs on the same engine as checks, so that none waits for another.
"""

import asyncio
from collections.abc import Callable, Mapping

from feedback.checks.check import Check
from feedback.checks.runner import Handle, Runner
from feedback.director.agents import Agents, Teller
from feedback.director.estimate import fresh
from feedback.director.feeds.feed import Feed, FeedConfig, wait_seconds
from feedback.director.link import CutOffError, Link
from feedback.director.schedule import first_start, next_start
from feedback.model import CheckResult, Outcome
from feedback.net import Net, Target
from feedback.report import Hello, Report, encode


class Question(Check):
    """A feed asked once, in the shape of a check: the runner owns its deadline and the log of its bugs."""

    feed: Feed

    def __post_init__(self) -> None:
        self.report: Report | None = None
        # What checks say of their class, a question says of its feed.
        self.__dict__.update(name=f"feed {self.feed.name}", uses_asyncio=self.feed.uses_asyncio)

    async def probe(self, target: Target, net: Net) -> str:
        """Ask."""
        self.report = await self.feed.ask(target.endpoint, net)
        return ""


class Feeder:
    """Every feed of the configuration. `wake` is called when the director should look at once."""

    def __init__(
        self,
        runner: Runner,
        agents: Agents,
        record: Callable[[str, str], None],
        wake: Callable[[], None],
        now: Callable[[], float],
    ) -> None:
        self.runner = runner
        self.agents = agents
        self.wake = wake
        self.now = now
        self._record = record
        self._hosts: dict[str, _Host] = {}
        self._running = False

    def configure(self, wanted: Mapping[str, FeedConfig]) -> None:
        """Ask these from now on. What is the same as before goes on; agents that are known no more are not told."""
        for name in [name for name, host in self._hosts.items() if wanted.get(name) != host.config]:
            self._hosts.pop(name).stop("the configuration has changed")
        for name in wanted.keys() - self._hosts.keys():
            host = self._hosts[name] = _Host(self, wanted[name], Teller(self._record))
            if self._running:
                host.begin()

    async def run(self) -> None:
        """Ask until cancelled; then nothing is left running, nor open."""
        self._running = True
        for host in self._hosts.values():
            host.begin()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._running = False
            for host in self._hosts.values():
                host.stop("the director ends")


class _Host:
    """One host that is asked, and what came of it."""

    def __init__(self, feeder: Feeder, config: FeedConfig, teller: Teller) -> None:
        self.config = config
        self._feeder = feeder
        self._teller = teller
        self._link: Link | None = None
        self._answered: float | None = None  # when the last answer came
        self._failures = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._handle: Handle | None = None

    def begin(self) -> None:
        """Ask for the first time somewhere in the first interval, always at the same place."""
        self._due = first_start(self.config.agent, self._feeder.now(), self.config.interval_seconds)
        self._plan()

    def stop(self, why: str) -> None:
        """Never ask again."""
        if self._timer is not None:
            self._timer.cancel()
        if self._handle is not None:
            self._handle.cancel()
        self._lose(why)

    def _plan(self) -> None:
        wait = max(0.0, self._due - self._feeder.now())
        self._timer = asyncio.get_running_loop().call_later(wait, self._ask)

    def _ask(self) -> None:
        question = Question(feed=self.config.feed)
        self._handle = self._feeder.runner.start(
            question, Target(self.config.endpoint), self.config.timeout_seconds, lambda end: self._end(question, end)
        )

    def _end(self, question: Question, result: CheckResult) -> None:
        self._handle = None
        now = self._feeder.now()
        if result.outcome is Outcome.PASS and question.report is not None:
            self._failures = 0
            self._answered = now
            self._hear(question.report, now)
        else:
            self._failures += 1
            self._fail(result, now)
        self._due = next_start(self._due, now, wait_seconds(self.config, self._failures))
        self._plan()

    def _hear(self, report: Report, now: float) -> None:
        """Take an answer as an agent's report, with a hello before the first."""
        frames = [encode(report)]
        if self._link is None:
            self._link = Link(str(self.config.endpoint), self._cut)
            frames.insert(0, encode(Hello(self.config.agent, interval_seconds=self.config.interval_seconds)))
        try:
            heard = [self._feeder.agents.hear(self._link, frame, now) for frame in frames]
        except CutOffError:  # which has been told: an agent of that name is connected, say
            self._link = None
            return
        if any(one.matters for one in heard):
            self._feeder.wake()

    def _fail(self, result: CheckResult, now: float) -> None:
        """Give the host up as an agent that is gone, once its last answer would be stale before this is known again."""
        why = f"{result.reason}: {result.detail}"
        interval = self.config.interval_seconds
        following = now + wait_seconds(self.config, self._failures) + result.duration_seconds
        if self._answered is None:
            if self._failures == 1:
                self._teller.tell(f"agent {self.config.agent} can't be asked: {why}", now)
        elif self._link is not None and not fresh(self._answered, following, interval):
            self._lose(why)

    def _lose(self, why: str) -> None:
        self.config.feed.forget()
        if self._link is not None:
            self._feeder.agents.lose(self._link, why, self._feeder.now())
            self._link = None
            self._feeder.wake()

    def _cut(self, _: CutOffError) -> None:
        self._link = None
