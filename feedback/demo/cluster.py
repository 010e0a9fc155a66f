"""The demo's cluster: realservers, their agents, the director and the client, as processes on loopback."""

import asyncio
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from feedback.demo.figures import PhaseLoad
from feedback.demo.jobs import METRIC, JobQueue
from feedback.demo.process import START_TIMEOUT_SECONDS, DemoError, Process
from feedback.demo.realserver import WORK_SECONDS, Totals
from feedback.director.snapshot import ServiceView
from feedback.errors import FeedbackError
from feedback.model import Endpoint, Family
from feedback.options import show_duration

SERVICE = "web"
SPEEDS: Mapping[str, float] = {"rs1": 1.0, "rs2": 1.0, "rs3": 2.0, "rs4": 4.0}
LOAD_RATIO = 0.6  # of the total capacity
REQUESTS_PER_SECOND = LOAD_RATIO * sum(SPEEDS.values()) / WORK_SECONDS
BASE_WEIGHT = 100
CHECK_INTERVAL_SECONDS = 0.5
CHECK_TIMEOUT_SECONDS = 1.0  # a busy host is no dead realserver
RISE = 2
FALL = 2
REPORT_SECONDS = 0.5
COMMAND_TIMEOUT_SECONDS = 20.0
METRICS = {"busy": 1, "queue": 25}  # what the realservers export, and each one's limit
BATCH = "rs1"  # has jobs to do besides, which no metric of its web server shows
POLL_SECONDS = 0.05
WATCH_SECONDS = 0.25


class Port(msgspec.Struct, frozen=True):
    """A realserver's first answer."""

    port: int


class Cluster:
    """All processes of the demo. `response_seconds` and `slow_start_seconds` are the director's settings.

    look: asks the director's API for the service.
    """

    _client: Process

    def __init__(
        self,
        directory: Path,
        look: Callable[[], ServiceView],
        *,
        vip: Endpoint,
        listen: Endpoint,
        response_seconds: float,
        slow_start_seconds: float,
    ) -> None:
        self._look = look
        self.vip = vip
        self.listen = listen
        self.jobs = JobQueue(directory, BATCH)
        self._directory = directory
        self._response_seconds = response_seconds
        self._slow_start_seconds = slow_start_seconds
        self._ports: dict[str, int] = {}
        self._processes: set[Process] = set()
        self._realservers: dict[str, Process] = {}
        self._daemons: list[Process] = []

    @property
    def realservers(self) -> Mapping[str, Process]:
        """The realservers' processes as they are now."""
        return self._realservers

    @property
    def url(self) -> str:
        """Where the director's API and dashboard are."""
        return f"http://{self.listen}"

    async def start(self) -> None:
        """Start everything, with equal weights that stay so. Returns when every realserver is in the table."""
        for option, endpoint in (("--vip", self.vip), ("--listen", self.listen)):
            _refuse_if_in_use(option, endpoint)
        for name in SPEEDS:
            self._start_realserver(name)
        for name in SPEEDS:
            await self._learn_port(name)
        self._write_director_config("static")
        self._start_daemon("director", "director", self._director_file, "--log-level", "warning")
        for name in SPEEDS:
            self._start_daemon(f"agent of {name}", "agent", self._write_agent_config(name))
        arguments = (str(self.vip), str(REQUESTS_PER_SECOND))
        self._client = self._start("client", "feedback.demo.client", *arguments, answers=True)
        self._daemons.append(self._client)
        await self._client.read(dict)
        await self.wait_until(
            lambda service: all(it.in_table and it.utilization is not None for it in service.destinations),
            "every realserver is in the table",
            START_TIMEOUT_SECONDS,
        )

    async def stop(self) -> None:
        """End every process that was ever started and may still run."""
        await asyncio.gather(*(process.stop() for process in self._processes))

    async def reconfigure(self, policy: str) -> None:
        """Change the weights' policy in the director's configuration, and have it read again."""
        self._write_director_config(policy)
        await self.command("reload")

    async def command(self, *arguments: str) -> None:
        """Run one `feedback` command against the director, as an operator does."""
        process = self._start(f"feedback {' '.join(arguments)}", "feedback", *arguments, "--director", self.url)
        await process.succeed(COMMAND_TIMEOUT_SECONDS)
        self._processes.remove(process)

    async def restart_realserver(self, name: str) -> None:
        """Start a realserver again, at the port it had before."""
        self._start_realserver(name)
        await self._learn_port(name)

    async def kill_realserver(self, name: str) -> None:
        """Kill its process. Its status files go too, as a host's /run does: no agent may report what was."""
        process = self._realservers[name]
        await process.kill()
        self._processes.remove(process)
        for metric in METRICS:
            self._status_file(name, metric).unlink(missing_ok=True)

    async def totals(self) -> dict[str, Totals]:
        """Return what each running realserver has done since its start, as itself measures it."""
        running = [name for name, process in self._realservers.items() if process.running]
        answers = await asyncio.gather(*(self._realservers[name].ask("", Totals) for name in running))
        return dict(zip(running, answers, strict=True))

    async def load(self, question: str) -> PhaseLoad:
        """Tell the client to `start`, to begin a new `phase` or to `stop`; return its counts of this phase till now."""
        return await self._client.ask(question, PhaseLoad)

    async def service(self) -> ServiceView:
        """Return the service as the director's API shows it. Raises FeedbackError when it does not answer."""
        return await asyncio.to_thread(self._look)

    async def wait_until(self, holds: Callable[[ServiceView], bool], what: str, timeout_seconds: float) -> ServiceView:
        """Return the first view of the service of which it holds. Raises DemoError when that takes too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        trouble = ""
        while loop.time() < deadline:
            self._raise_if_ended()
            try:
                view = await self.service()
            except FeedbackError as error:  # it has not begun to listen yet
                trouble = f": {error}"
            else:
                if holds(view):
                    return view
                trouble = ": " + "; ".join(f"{it.name}: {it.why}" for it in view.destinations)
            await asyncio.sleep(POLL_SECONDS)
        raise DemoError(f"waited {timeout_seconds:g} s until {what}, in vain{trouble}")

    async def watch(self) -> None:
        """Raise DemoError as soon as a process has ended that should not; the realservers may."""
        while True:
            self._raise_if_ended()
            await asyncio.sleep(WATCH_SECONDS)

    def _raise_if_ended(self) -> None:
        for process in self._daemons:
            if not process.running:
                raise DemoError(f"the {process.name} has ended: {process.last_words()}")

    def _start(self, name: str, module: str, *arguments: str, answers: bool = False) -> Process:
        """Start a process, for `stop` to end: nothing can come in between."""
        process = Process(self._directory, name, module, *arguments, answers=answers)
        self._processes.add(process)
        return process

    def _start_daemon(self, name: str, command: str, config: Path, *options: str) -> None:
        self._daemons.append(self._start(name, "feedback", command, "--config", str(config), *options))

    def _start_realserver(self, name: str) -> None:
        arguments = (name, str(SPEEDS[name]), str(self._ports.get(name, 0)), str(self._directory))
        self._realservers[name] = self._start(name, "feedback.demo.realserver", *arguments, answers=True)

    async def _learn_port(self, name: str) -> None:
        self._ports[name] = (await self._realservers[name].read(Port)).port

    def _status_file(self, name: str, metric: str) -> Path:
        return self._directory / f"{name}.{metric}"

    @property
    def _director_file(self) -> Path:
        return self._directory / "director.yaml"

    def _write_director_config(self, policy: str) -> None:
        self._director_file.write_text(yaml.safe_dump(self._director_config(policy), sort_keys=False))

    def _director_config(self, policy: str) -> dict[str, Any]:
        timing = {"interval": CHECK_INTERVAL_SECONDS, "timeout": CHECK_TIMEOUT_SECONDS}
        return {
            "director": {"name": "demo", "table": "memory", "listen": str(self.listen)},
            "services": {
                SERVICE: {
                    "address": str(self.vip),
                    "scheduler": "wrr",
                    "check": {key: show_duration(value) for key, value in timing.items()}
                    | {"rise": RISE, "fall": FALL},
                    "checks": [{"http": {"path": "/alive", "status": 200, "body": "I'm alive"}}],
                    "weights": {
                        "policy": policy,
                        "response": show_duration(self._response_seconds),
                        "load": dict.fromkeys((*METRICS, METRIC), 1.0),
                        "slow_start": show_duration(self._slow_start_seconds),
                    },
                    "destinations": {
                        name: {"address": f"127.0.0.1:{self._ports[name]}", "weight": BASE_WEIGHT} for name in SPEEDS
                    },
                }
            },
        }

    def _write_agent_config(self, name: str) -> Path:
        """Write what an agent reads: its realserver's two status files, as the output of a program; and the plugin."""
        file = self._directory / f"agent-{name}.yaml"
        metrics: dict[str, Any] = {
            metric: {
                "source": "exec",
                "command": [shutil.which("cat") or "cat", str(self._status_file(name, metric))],
                "limit": limit,
            }
            for metric, limit in METRICS.items()
        }
        if name == BATCH:
            metrics[METRIC] = {"source": "exec", "command": self.jobs.command}  # which says its own limit
        agent = {
            "name": name,
            "directors": [f"ws://{self.listen}/agent"],
            "interval": show_duration(REPORT_SECONDS),
            "control": None,
        }
        file.write_text(yaml.safe_dump({"agent": agent, "metrics": metrics}, sort_keys=False))
        return file


def _refuse_if_in_use(option: str, endpoint: Endpoint) -> None:
    family = socket.AF_INET6 if endpoint.family is Family.IPV6 else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((endpoint.address, endpoint.port))
            probe.listen()
        except OSError as error:
            raise DemoError(
                f"{endpoint} can't be listened on ({error.strerror}): choose another address with {option} HOST:PORT"
            ) from None
