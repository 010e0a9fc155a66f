"""What an agent's report costs the director: `python bench/reports.py [--seconds 10] [--runs 3]`."""

import argparse
import asyncio
import contextlib
import random
import re
import statistics
import time
import urllib.request

import aiohttp
import msgspec
import uvloop
from measure import cpu_seconds, in_role, line_of, median_and_range, resident_mb, table

from feedback.director.agents import Agents
from feedback.director.api import make_app
from feedback.director.counts import Counts
from feedback.director.events import EventLog
from feedback.director.listen import serving
from feedback.director.receive import Receiver
from feedback.director.snapshot import Snapshot
from feedback.model import Admin, Endpoint
from feedback.report import Hello, Report, encode

AGENTS = 200
REPORTS_PER_SECOND = 10.0
INTERVAL_SECONDS = 1 / REPORTS_PER_SECOND
WARM_UP_SECONDS = 2.0
METRICS = ("cpu", "memory", "pressure", "load", "network", "queue.mail")

METHOD = """\
{agents} agents on loopback, in a process of their own, each with one WebSocket and {rate:g} reports a second of
{metrics} metrics, spread over time. CPU time (user and system, /proc/PID/stat) of the process with the director's own
API and receiver, on uvloop, over {seconds:g} s after {warm_up:g} s of warming up, by the number of reports that it
took. {runs} runs, each with new processes: median, and in brackets the lowest and the highest. Memory: what the same
process' resident memory has grown by since before the agents came, by their number."""


class Result(msgspec.Struct, frozen=True):
    """One run: CPU microseconds per report, reports per second, and kilobytes of memory per connection."""

    microseconds: float
    rate: float
    connection_kb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of one run (default: 10)")
    parser.add_argument("--runs", type=int, default=3, help="runs (default: 3)")
    parser.add_argument("--role", choices=("director", "agents"), help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "director":
        uvloop.run(receive_for_ever())
    elif arguments.role == "agents":
        uvloop.run(report_for_ever(arguments.url))
    else:
        report(arguments.seconds, arguments.runs)


def report(seconds: float, runs: int) -> None:
    method = METHOD.format(
        agents=AGENTS,
        rate=REPORTS_PER_SECOND,
        metrics=len(METRICS),
        seconds=seconds,
        warm_up=WARM_UP_SECONDS,
        runs=runs,
    )
    print(method, end="\n\n")
    results = [measure(seconds) for _ in range(runs)]
    row = (
        "report",
        median_and_range([result.microseconds for result in results]),
        median_and_range([result.rate for result in results]),
        f"{statistics.median(result.connection_kb for result in results):.0f}",
    )
    print(table(("", "CPU us per report", "reports/s", "kB per connection"), [row]))


def measure(seconds: float) -> Result:
    with contextlib.ExitStack() as stack:
        director = stack.enter_context(in_role(__file__, "--role", "director"))
        url = line_of(director)
        before_mb = resident_mb(director.pid)
        agents = stack.enter_context(in_role(__file__, "--role", "agents", "--url", url))
        line_of(agents)
        time.sleep(WARM_UP_SECONDS)
        reports, cpu, since = count(url), cpu_seconds(director.pid), time.monotonic()
        time.sleep(seconds)
        cpu, elapsed = cpu_seconds(director.pid) - cpu, time.monotonic() - since
        reports = count(url) - reports
        grown_kb = 1024 * (resident_mb(director.pid) - before_mb)
        return Result(cpu / reports * 1e6, reports / elapsed, grown_kb / AGENTS)


def count(url: str) -> int:
    """Return how many reports the director has taken, by its own metrics."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as response:
        found = re.search(r"^feedback_agent_reports_total (\S+)$", response.read().decode(), re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


class Nothing:
    """A director without services: what is measured is the way of a report, up to where the loop would read it."""

    def __init__(self) -> None:
        self.events = EventLog(time.time)

    def snapshot(self) -> Snapshot:
        return Snapshot(director="bench", services=())

    def trouble(self) -> str:
        return ""

    async def set_admin(self, service: str, destination: str, state: Admin) -> None:
        raise NotImplementedError

    async def reload(self) -> None:
        raise NotImplementedError


def name(number: int) -> str:
    return f"rs{number}"


async def receive_for_ever() -> None:
    control = Nothing()
    agents = Agents(map(name, range(AGENTS)), control.events.record)
    app = make_app(control, Receiver(agents, lambda: None, time.monotonic), Counts())
    async with serving(app, Endpoint("127.0.0.1", 0)) as where:
        print(f"http://{where}", flush=True)
        await asyncio.Event().wait()


async def report_for_ever(url: str) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
        connected = asyncio.Barrier(AGENTS + 1)
        for number in range(AGENTS):
            group.create_task(agent(session, url, number, connected), name=name(number))
        await connected.wait()
        print("connected", flush=True)


async def agent(session: aiohttp.ClientSession, url: str, number: int, connected: asyncio.Barrier) -> None:
    draw = random.Random(number)
    async with session.ws_connect(f"{url}/agent") as socket:
        await socket.send_bytes(encode(Hello(name(number), interval_seconds=INTERVAL_SECONDS)))
        await connected.wait()
        due = asyncio.get_running_loop().time() + INTERVAL_SECONDS * number / AGENTS
        sequence = 0
        while True:
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            sequence += 1
            metrics = {metric: draw.random() for metric in METRICS}
            await socket.send_bytes(encode(Report(metrics, sequence=sequence, sent_at=time.time())))
            due += INTERVAL_SECONDS


if __name__ == "__main__":
    main()
