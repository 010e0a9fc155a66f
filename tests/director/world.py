"""A director in virtual time: the real loop, prober and memory table; checks whose outcomes a test decides."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from feedback.checks.check import Check
from feedback.checks.tcp import TcpCheck
from feedback.director.agents import Agents
from feedback.director.config import (
    Cadence,
    CheckConfig,
    DestinationConfig,
    DirectorConfig,
    ServiceConfig,
    WeightsConfig,
)
from feedback.director.events import EventLog
from feedback.director.link import Link
from feedback.director.loop import Director, agent_names
from feedback.director.prober import Prober
from feedback.director.state_file import load_state
from feedback.director.table.contract import Table
from feedback.director.table.memory import MemoryTable
from feedback.model import CheckResult, Endpoint, Forwarding, Outcome, ServiceKey, Transport
from feedback.net import Target
from feedback.report import Hello, Report, encode

WEB = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.10", 80))
CADENCE = Cadence(interval_seconds=2.0, fast_interval_seconds=0.5, timeout_seconds=1.0, rise=2, fall=3)
CHECK = CheckConfig(name="tcp", check=TcpCheck(), cadence=CADENCE)
PASS = CheckResult(Outcome.PASS, "", "connected", 0.01)
REFUSED = CheckResult(Outcome.FAIL, "refused", "nobody listens", 0.01)
BUG = CheckResult(Outcome.UNKNOWN, "bug", "ZeroDivisionError", 0.01)


def at(number: int) -> Endpoint:
    return Endpoint(f"10.2.0.{number}", 8080)


def destinations(*numbers: int, **fields: Any) -> dict[str, DestinationConfig]:
    """Return destinations rs<number>, each with an agent of its own name."""
    plain: dict[str, Any] = {"forwarding": Forwarding.MASQUERADE}
    return {
        f"rs{number}": DestinationConfig(name=f"rs{number}", key=at(number), agent=f"rs{number}", **(plain | fields))
        for number in numbers
    }


def service(**fields: Any) -> ServiceConfig:
    plain: dict[str, Any] = {
        "name": "web",
        "key": WEB,
        "scheduler": "wlc",
        "forwarding": Forwarding.MASQUERADE,
        "checks": (CHECK,),
        "weights": WeightsConfig(policy="static"),
        "destinations": destinations(1, 2),
    }
    return ServiceConfig(**(plain | fields))


def config(*services: ServiceConfig, **fields: Any) -> DirectorConfig:
    plain: dict[str, Any] = {"name": "lvs1", "table": "memory"}
    return DirectorConfig(services={one.name: one for one in services or (service(),)}, **(plain | fields))


class _Handle:
    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self.cancel = timer.cancel


class ScriptedRunner:
    """Runs nothing: a check of a destination ends as `results` says, after the time that the result says it took.

    A result is for `service/destination/check`, `service/destination` or `destination`, whichever is there first.
    """

    def __init__(self) -> None:
        self.results: dict[str, CheckResult] = {}
        self.starts: list[tuple[float, str]] = []
        self.running: set[str] = set()

    def start(
        self, check: Check, target: Target, _timeout: float, done: Callable[[CheckResult], None], _kept: object = None
    ) -> _Handle:
        loop = asyncio.get_running_loop()
        destination = f"{target.service}/{target.destination}"
        run = f"{destination}/{check.name}"
        assert run not in self.running, "two runs of one check at once"
        self.running.add(run)
        self.starts.append((loop.time(), target.destination))
        names = (run, destination, target.destination)
        result = next((self.results[name] for name in names if name in self.results), PASS)

        def end() -> None:
            self.running.discard(run)
            done(result)

        return _Handle(loop.call_later(result.duration_seconds, end))


class World:
    """A director and everything around it. Made inside a virtual loop; time passes in `after`."""

    def __init__(self, wanted: DirectorConfig, *, table: Table | None = None, state: Path | None = None) -> None:
        self.now = asyncio.get_running_loop().time
        self.config = wanted
        self.table = table or MemoryTable()
        self.runner = ScriptedRunner()
        self.log = EventLog(self.now)
        kept = load_state(str(state) if state else None)
        self.agents = Agents(agent_names(wanted), self.log.record, kept.wishes)
        self.prober = Prober(self.runner, self.now, self._wake)  # type: ignore[arg-type]
        self.director = Director(
            wanted,
            load=self._load,
            table=self.table,
            prober=self.prober,
            agents=self.agents,
            events=self.log,
            state=kept,
            now=self.now,
        )

    async def _load(self) -> DirectorConfig:
        return self.config

    def _wake(self) -> None:
        self.director.wake()

    async def __aenter__(self) -> Self:
        await self.director.start()
        self._tasks = [asyncio.create_task(self.prober.run()), asyncio.create_task(self.director.run())]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Die as by SIGKILL: nothing is put in order, the table stays."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def after(self, seconds: float) -> "World":
        """Let time pass."""
        await asyncio.sleep(seconds)
        for task in self._tasks:
            assert not task.done(), task
        return self

    async def weights(self, key: ServiceKey = WEB) -> dict[str, int] | None:
        """Return the weights in the table by the destination's last byte as rs<byte>; None without the service."""
        state = (await self.table.read()).get(key)
        if state is None:
            return None
        return {f"rs{at.address.rpartition('.')[2]}": one.weight for at, one in state.destinations.items()}

    def messages(self, kind: str | None = None) -> list[str]:
        return [event.message for event in self.log.events() if kind in (None, event.kind)]

    def why(self, destination: str) -> str:
        return {view.name: view.why for view in self.director.snapshot().services[0].destinations}[destination]

    def connect(self, agent: str) -> Link:
        """Let an agent say hello."""
        link = Link(agent, lambda _error: None)
        self.agents.hear(link, encode(Hello(agent)), self.now())
        self.director.wake()
        return link

    def report(self, link: Link, metrics: Mapping[str, float]) -> None:
        self.agents.hear(link, encode(Report(metrics)), self.now())
