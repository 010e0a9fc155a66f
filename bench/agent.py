"""What the agent costs its host, beside a node exporter: `python bench/agent.py [--seconds 30] [--runs 3]`."""

import argparse
import asyncio
import contextlib
import gzip
import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from aiohttp import web
from measure import median_and_range, resident_mb, table

from feedback.report import Report, decode_agent_frame

WARM_UP_SECONDS = 3.0
INTERVAL_SECONDS = 1.0
COLLECTORS = ("cpu", "meminfo", "pressure", "loadavg", "stat")
CONFIG = """\
agent: {{name: rs1, directors: ["{url}"], interval: 1s, control: null}}
metrics:
  cpu: {{}}
  memory: {{}}
  pressure: {{}}
  load: {{}}
  network: {{interface: lo, capacity: 1Gbit}}
"""

PROMETHEUS = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Accept-Encoding": "gzip",
}
"""How Prometheus asks."""

METHOD = """\
The agent reports cpu, memory, pressure, load and network once a second over a WebSocket on loopback. At the same time
two of Debian's prometheus-node-exporter are scraped once a second each as Prometheus does it, on kept connections and
compressed: one ("few") with its collectors {collectors} alone, the other with its default set. CPU time of each process
(all threads, /proc/PID/task/*/schedstat) over {seconds:g} s after {warm_up:g} s of warming up, by the number of reports
or scrapes. Resident memory at the end of that.
Start: from the start of the process to its first report's arrival, or to the end of its first scrape. {runs} runs, each
with new processes: median, and in brackets the lowest and the highest."""


class Result(msgspec.Struct, frozen=True):
    """One run: CPU microseconds per report or scrape, share of a core, resident megabytes, seconds to the first one."""

    microseconds: float
    core_ratio: float
    resident_mb: float
    start_seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of one run (default: 30)")
    parser.add_argument("--runs", type=int, default=3, help="runs (default: 3)")
    parser.add_argument("--role", choices=("director",), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "director":
        asyncio.run(listen_for_ever())
    else:
        compare(arguments.seconds, arguments.runs)


def compare(seconds: float, runs: int) -> None:
    print(
        METHOD.format(collectors=", ".join(COLLECTORS), seconds=seconds, warm_up=WARM_UP_SECONDS, runs=runs), end="\n\n"
    )
    results: dict[str, list[Result]] = {}
    for _ in range(runs):
        for who, result in measure(seconds).items():
            results.setdefault(who, []).append(result)
    print(table(HEAD, [row(who, measured) for who, measured in results.items()]))
    ours, few, _ = (statistics.median(run.microseconds for run in measured) for measured in results.values())
    print(f"a report / a scrape of few collectors = {ours / few:.3f}")


HEAD = ("", "CPU us each", "% of a core", "resident MB", "ms to the first")


def row(who: str, runs: list[Result]) -> tuple[str, ...]:
    return (
        who,
        median_and_range([run.microseconds for run in runs]),
        f"{100 * statistics.median(run.core_ratio for run in runs):.3f}",
        f"{statistics.median(run.resident_mb for run in runs):.1f}",
        f"{1000 * statistics.median(run.start_seconds for run in runs):.0f}",
    )


def measure(seconds: float) -> dict[str, Result]:
    with contextlib.ExitStack() as stack:
        candidates: list[Agent | Exporter] = [
            stack.enter_context(Agent()),
            stack.enter_context(
                Exporter("node exporter, few", ["--collector.disable-defaults", *map(flag, COLLECTORS)])
            ),
            stack.enter_context(Exporter("node exporter", [])),
        ]
        time.sleep(WARM_UP_SECONDS)
        before = [(one.count(), cpu_seconds(one.process.pid), time.monotonic()) for one in candidates]
        time.sleep(seconds)
        return {one.name: result(one, *values) for one, values in zip(candidates, before, strict=True)}


def result(one: "Agent | Exporter", count: int, cpu: float, since: float) -> Result:
    used, elapsed, made = cpu_seconds(one.process.pid) - cpu, time.monotonic() - since, one.count() - count
    assert abs(made - elapsed / INTERVAL_SECONDS) < 3, f"{one.name}: {made} in {elapsed:.1f} s"
    return Result(used / made * 1e6, used / elapsed, resident_mb(one.process.pid), one.start_seconds)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process's threads, to the nanosecond: the ticks of /proc/PID/stat are 10 ms."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


class Agent(contextlib.ExitStack):
    """The agent, and a director that counts its reports."""

    name = "agent"

    def __init__(self) -> None:
        super().__init__()
        self._director = self.enter_context(running([sys.executable, __file__, "--role", "director"]))
        config = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="feedback-bench-"))) / "agent.yaml"
        config.write_text(CONFIG.format(url=line_of(self._director)))
        started = time.monotonic()
        self.process = self.enter_context(running([sys.executable, "-m", "feedback", "agent", "--config", str(config)]))
        self.start_seconds = float(line_of(self._director)) - started

    def count(self) -> int:
        assert self._director.stdin is not None
        self._director.stdin.write("\n")
        self._director.stdin.flush()
        return int(line_of(self._director))


class Exporter(contextlib.ExitStack):
    """A node exporter, and a thread that scrapes it."""

    def __init__(self, name: str, options: list[str]) -> None:
        super().__init__()
        self.name = name
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
        started = time.monotonic()
        self.process = self.enter_context(
            running(["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}", *options])
        )
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        self._scrapes = 0
        while not self._scrapes:
            try:
                self._scrape()
            except ConnectionRefusedError:
                self._connection.close()
        self.start_seconds = time.monotonic() - started
        self._over = threading.Event()
        scraper = threading.Thread(target=self._scrape_for_ever)
        scraper.start()
        self.callback(scraper.join)
        self.callback(self._over.set)

    def count(self) -> int:
        return self._scrapes

    def _scrape_for_ever(self) -> None:
        while not self._over.wait(INTERVAL_SECONDS):
            self._scrape()

    def _scrape(self) -> None:
        self._connection.request("GET", "/metrics", headers=PROMETHEUS)
        assert b"node_" in gzip.decompress(self._connection.getresponse().read())
        self._scrapes += 1


def flag(collector: str) -> str:
    return f"--collector.{collector}"


def line_of(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process says."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, "the other process has ended"
    return line


async def listen_for_ever() -> None:
    """Take reports; say where, when the first has come, and how many it were whenever a line is asked for."""
    count = 0

    async def take(request: web.Request) -> web.WebSocketResponse:
        nonlocal count
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        async for message in websocket:
            if isinstance(decode_agent_frame(message.data), Report):
                count += 1
                if count == 1:
                    print(time.monotonic(), flush=True)
        return websocket

    def answer() -> None:
        if not sys.stdin.readline():
            os._exit(0)
        print(count, flush=True)

    app = web.Application()
    app.router.add_get("/agent", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"ws://127.0.0.1:{runner.addresses[0][1]}/agent", flush=True)
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), answer)
    await asyncio.Event().wait()


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=10)


if __name__ == "__main__":
    main()
