"""What a check costs, beside HAProxy: `python bench/checks.py [--seconds 5] [--runs 3]`.

Both check the same targets in turns, over and over, so that whatever else the machine does meets both alike.
"""

import argparse
import asyncio
import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import uvloop
from measure import cpu_seconds, median_and_range, resident_mb, table

from feedback.checks.http import HttpCheck
from feedback.checks.runner import Runner
from feedback.checks.tcp import TcpCheck
from feedback.director import garbage
from feedback.director.config import Cadence, CheckConfig
from feedback.director.health import CheckHealth
from feedback.director.prober import ProbeConfig, ProbeKey, Prober
from feedback.engine import Engine
from feedback.model import Endpoint, Outcome
from feedback.net import Target

TARGETS = 1000
WARM_UP_SECONDS = 2.0
CHECKS = {"http": HttpCheck(path="/alive"), "tcp": TcpCheck()}

METHOD = """\
{targets} targets, each checked once a second on a new connection; one nginx process answers on {targets} addresses of
the loopback network. CPU time (user and system, /proc/PID/stat) of the process that checks, over {seconds:g} s after
{warm_up:g} s of warming up, by the number of checks that it made. Ours is the director's own prober with runner,
health and counters, on uvloop; HAProxy is Debian's, with one thread, and `option httpchk GET /alive` for http. In
turns, {runs} runs of each: median, and in brackets the lowest and the highest."""

NGINX = """\
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log crit;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  server {{
{listens}
    location = /alive {{ return 200 "I'm alive\\n"; }}
    location = /requests {{ stub_status; }}
  }}
}}
"""

HAPROXY = """\
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 1s
  timeout server 1s
  timeout client 1s
  timeout check 1s
frontend none
  bind unix@{directory}/haproxy.sock
  default_backend targets
backend targets
  {option}
{servers}
"""


def targets(port: int) -> list[Endpoint]:
    return [Endpoint(f"127.0.{number // 250 + 1}.{number % 250 + 1}", port) for number in range(TARGETS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of one run (default: 10)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--checker", choices=CHECKS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.checker:
        uvloop.run(check_for_ever(arguments.checker, arguments.port))
    else:
        compare(arguments.seconds, arguments.runs)


def compare(seconds: float, runs: int) -> None:
    print(METHOD.format(targets=TARGETS, seconds=seconds, warm_up=WARM_UP_SECONDS, runs=runs), end="\n\n")
    results: dict[tuple[str, str], list[Result]] = {}
    with tempfile.TemporaryDirectory(prefix="feedback-bench-") as name, realservers(Path(name)) as port:
        for _ in range(runs):
            for check in CHECKS:
                for checker, measure_it in CHECKERS.items():
                    measured = measure_it(check, port, Path(name), seconds)
                    results.setdefault((check, checker), []).append(measured)
    print(table(HEAD, [row(results, check, checker) for check in CHECKS for checker in CHECKERS]))
    for check in CHECKS:
        print(f"{check}: ours / HAProxy = {cost(results[check, 'ours']) / cost(results[check, 'HAProxy']):.2f}")


class Result(msgspec.Struct, frozen=True):
    """One run: CPU microseconds per check, checks per second, and resident megabytes at its end."""

    microseconds: float
    rate: float
    resident_mb: float


HEAD = ("check, by", "CPU us per check", "checks/s", "resident MB")


def row(results: dict[tuple[str, str], list[Result]], check: str, checker: str) -> tuple[str, ...]:
    runs = results[check, checker]
    return (
        f"{check}, {checker}",
        median_and_range([run.microseconds for run in runs]),
        median_and_range([run.rate for run in runs]),
        f"{statistics.median(run.resident_mb for run in runs):.0f}",
    )


def cost(runs: list[Result]) -> float:
    return statistics.median(run.microseconds for run in runs)


def measure(process: subprocess.Popen[str], count: Callable[[], int] | None, seconds: float) -> Result:
    """Watch a checker for some seconds. Where nobody counts its checks, it makes as many as it is told to."""
    time.sleep(WARM_UP_SECONDS)
    checks, cpu, since = count() if count else 0, cpu_seconds(process.pid), time.monotonic()
    time.sleep(seconds)
    cpu, elapsed = cpu_seconds(process.pid) - cpu, time.monotonic() - since
    checks = count() - checks if count else round(TARGETS * elapsed)
    return Result(cpu / checks * 1e6, checks / elapsed, resident_mb(process.pid))


def measure_haproxy(check: str, port: int, directory: Path, seconds: float) -> Result:
    servers = "\n".join(
        f"  server s{number} {endpoint} check inter 1s" for number, endpoint in enumerate(targets(port))
    )
    option = "option httpchk GET /alive" if check == "http" else ""
    config = directory / "haproxy.cfg"
    config.write_text(HAPROXY.format(directory=directory, servers=servers, option=option))
    with running(["haproxy", "-db", "-q", "-f", str(config)]) as process:
        return measure(process, partial(requests, port) if check == "http" else None, seconds)


def measure_ours(check: str, port: int, _directory: Path, seconds: float) -> Result:
    with running([sys.executable, __file__, "--checker", check, "--port", str(port)]) as process:
        return measure(process, partial(ask, process), seconds)


CHECKERS = {"HAProxy": measure_haproxy, "ours": measure_ours}


def ask(process: subprocess.Popen[str]) -> int:
    """Return how many checks our checker has made."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return int(process.stdout.readline())


async def check_for_ever(check: str, port: int) -> None:
    """Check every target once a second, and print how many checks have passed whenever a line is asked for."""
    loop = asyncio.get_running_loop()
    prober = Prober(Runner(Engine(loop)), time.monotonic, lambda: None)
    cadence = Cadence(interval_seconds=1.0, timeout_seconds=1.0)
    config = CheckConfig(name=check, check=CHECKS[check], cadence=cadence)
    wanted = {
        ProbeKey("bench", str(endpoint), check): ProbeConfig(config, Target(endpoint, str(endpoint), "bench"))
        for endpoint in targets(port)
    }
    prober.configure(wanted, lambda _key: CheckHealth())
    garbage.tune()
    loop.add_reader(sys.stdin.fileno(), answer, prober)
    await prober.run()


def answer(prober: Prober) -> None:
    """Print the count; a check that did not pass would make the figures worthless."""
    if not sys.stdin.readline():
        sys.exit()
    assert all(outcome is Outcome.PASS for _, outcome in prober.counts), prober.counts
    print(prober.counts.total(), flush=True)


@contextlib.contextmanager
def realservers(directory: Path) -> Iterator[int]:
    """Run nginx on every target's address, and return its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    listens = "\n".join(f"    listen {endpoint};" for endpoint in targets(port))
    config = directory / "nginx.conf"
    config.write_text(NGINX.format(directory=directory, listens=listens))
    with running(["nginx", "-c", str(config)]):
        for _ in range(100):
            with contextlib.suppress(OSError):
                requests(port)
                break
            time.sleep(0.05)
        yield port


def requests(port: int) -> int:
    """Return how many requests nginx has answered."""
    with urllib.request.urlopen(f"http://{targets(port)[0]}/requests", timeout=5) as response:
        return int(response.read().decode().splitlines()[2].split()[2])


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=10)


if __name__ == "__main__":
    main()
