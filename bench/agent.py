"""What the agent costs its host, beside a node exporter: `python bench/agent.py [--seconds 30] [--runs 3]`."""

import argparse
import asyncio
import contextlib
import gzip
import http.client
import os
import socket
import ssl
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
from measure import line_of, median_and_range, resident_mb, table

from feedback.report import Report, decode_agent_frame

WARM_UP_SECONDS = 3.0
INTERVAL_SECONDS = 1.0
COLLECTORS = ("cpu", "meminfo", "pressure", "loadavg", "stat")
CONFIG = """\
agent: {{name: rs1, directors: ["{url}"], interval: 1s, control: null{tls}}}
metrics:
  cpu: {{}}
  memory: {{}}
  pressure: {{}}
  load: {{}}
  network: {{interface: lo, capacity: 1Gbit}}
"""

SENT_BYTES = 160
FILES = ("stat", "meminfo", "pressure/cpu", "pressure/memory", "pressure/io", "loadavg", "net/dev")
BARE = f"""\
import os, socket, sys, time
files = [os.open("/proc/" + name, os.O_RDONLY) for name in {FILES}]
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    for file in files:
        os.pread(file, 16384, 0)
    connection.send(bytes({SENT_BYTES}))
    time.sleep({INTERVAL_SECONDS})
"""
SELF_SIGNED = (
    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
    *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
)

PROMETHEUS = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Accept-Encoding": "gzip",
}
"""How Prometheus asks."""

METHOD = """\
The agent reports cpu, memory, pressure, load and network once a second over a WebSocket on loopback, one without TLS,
and one with it that trusts one authority. "bare Python" shows what no agent in Python can be below: a loop that once
a second reads the same seven files, makes nothing of them, and sends as many bytes. At the same time two of Debian's
prometheus-node-exporter are scraped once a second each as Prometheus does it, on kept connections and compressed: one
("few") with its collectors {collectors} alone, the other with its default set.
CPU time of each process (all threads, /proc/PID/task/*/schedstat) over {seconds:g} s after {warm_up:g} s of warming
up, by the number of reports or scrapes. Resident memory at the end of that. Start: from the start of the process to
its first report's arrival, or to the end of its first scrape; each starts by itself. {runs} runs, each with new
processes: median, and in brackets the lowest and the highest."""


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
    parser.add_argument("--role", choices=("director", "bare"), help=argparse.SUPPRESS)
    parser.add_argument("--certificate", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "director":
        asyncio.run(listen_for_ever(arguments.certificate))
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
    ours, few = (statistics.median(run.microseconds for run in results[who]) for who in (Agent.name, FEW))
    print(f"a report / a scrape of few collectors = {ours / few:.3f}")


FEW = "node exporter, few"
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
        few = ["--collector.disable-defaults", *map(flag, COLLECTORS)]
        candidates = [
            stack.enter_context(one)
            for one in (Agent(), SecureAgent(), Bare(), Exporter(FEW, few), Exporter("node exporter", []))
        ]
        time.sleep(WARM_UP_SECONDS)
        before = [(one.count(), cpu_seconds(one.process.pid), time.monotonic()) for one in candidates]
        time.sleep(seconds)
        return {one.name: result(one, *values) for one, values in zip(candidates, before, strict=True)}


def result(one: "Candidate", count: int, cpu: float, since: float) -> Result:
    used, elapsed, made = cpu_seconds(one.process.pid) - cpu, time.monotonic() - since, one.count() - count
    assert abs(made - elapsed / INTERVAL_SECONDS) < 3, f"{one.name}: {made} in {elapsed:.1f} s"
    return Result(used / made * 1e6, used / elapsed, resident_mb(one.process.pid), one.start_seconds)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process's threads, to the nanosecond: the ticks of /proc/PID/stat are 10 ms."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


class Candidate(contextlib.ExitStack):
    """What is measured."""

    name: str
    process: subprocess.Popen[str]
    start_seconds: float

    def count(self) -> int:
        """Return how many reports or scrapes there were."""
        raise NotImplementedError


class Agent(Candidate):
    """The agent, and a director that counts its reports."""

    name = "agent"

    def __init__(self, tls: str = "", *director: str) -> None:
        super().__init__()
        self._director = self.enter_context(running([sys.executable, __file__, "--role", "director", *director]))
        config = Path(self.enter_context(temporary_directory())) / "agent.yaml"
        config.write_text(CONFIG.format(url=line_of(self._director), tls=tls))
        started = time.monotonic()
        self.process = self.enter_context(running([sys.executable, "-m", "feedback", "agent", "--config", str(config)]))
        self.start_seconds = float(line_of(self._director)) - started

    def count(self) -> int:
        assert self._director.stdin is not None
        self._director.stdin.write("\n")
        self._director.stdin.flush()
        return int(line_of(self._director))


class SecureAgent(Agent):
    """The agent over TLS, with the director's certificate as the one authority that it trusts."""

    name = "agent, TLS"

    def __init__(self) -> None:
        with temporary_directory() as directory:
            certificate = f"{directory}/certificate.pem"
            subprocess.run([*SELF_SIGNED, "-keyout", certificate, "-out", f"{certificate}.only"], check=True)
            authority = Path(f"{certificate}.only")
            with Path(certificate).open("a") as both:
                both.write(authority.read_text())
            super().__init__(f", tls: {{ca: {authority}}}", "--certificate", certificate)


class Bare(Candidate):
    """A Python that does nothing but read and send."""

    name = "bare Python"

    def __init__(self) -> None:
        super().__init__()
        self._sink = self.enter_context(socket.create_server(("127.0.0.1", 0)))
        program = [sys.executable, "-c", BARE, str(self._sink.getsockname()[1])]
        started = time.monotonic()
        self.process = self.enter_context(running(program))
        self._connection = self.enter_context(self._sink.accept()[0])
        self._connection.recv(SENT_BYTES, socket.MSG_WAITALL)
        self.start_seconds = time.monotonic() - started
        self._received = 1

    def count(self) -> int:
        self._connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while data := self._connection.recv(1 << 16):
                self._received += len(data) // SENT_BYTES
        return self._received


class Exporter(Candidate):
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


def temporary_directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="feedback-bench-")


def flag(collector: str) -> str:
    return f"--collector.{collector}"


async def listen_for_ever(certificate: str | None) -> None:
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
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    print(f"{'ws' if context is None else 'wss'}://127.0.0.1:{runner.addresses[0][1]}/agent", flush=True)
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
