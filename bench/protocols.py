"""What one run of every check costs: `PYTHONPATH=. python bench/protocols.py [--seconds 1] [--runs 3] [CHECK ...]`.

Each checks a real server, one that the tests start. Where one can't be started, that is said at the end.
"""

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import uvloop
from cases import CASES, Server
from measure import median_and_range, table
from traffic import Traffic

from feedback.checks.check import Check
from feedback.checks.runner import Runner, run_once
from feedback.config import read_arguments
from feedback.director import garbage
from feedback.engine import Engine
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from feedback.registry import CHECKS
from tests.checks.tls_files import Authority

AT_ONCE = 8
WARM_UP_SECONDS = 0.3
TIMEOUT_SECONDS = 10.0
MESSAGE_CHARACTERS = 300
NO_ENTRY = "it has no entry in bench/cases.py"

METHOD = """\
Each check against a real server on the loopback network, by its defaults and the options named, every time on a new
connection. CPU time (user and system) of the process that checks and of the programs that it starts, over {seconds:g} s
after {warm_up:g} s of warming up, by the number of checks that it made: with the director's engine and runner, on
uvloop, {at_once} at a time, without a pause (which keeps caches warm: at a steady pace a check may cost twice as much).
{runs} runs: median, and in brackets the lowest and the highest. Bytes and round trips are those of one check. Bytes:
what TCP, UDP and ICMP carry, TLS included. A round trip: the check waits for the peer after something was sent; a TCP
handshake is one, that of TLS 1.3 another."""


class Measured(msgspec.Struct, frozen=True):
    """What one check costs: CPU microseconds of each run of the measurement; bytes and round trips of one check."""

    microseconds: list[float]
    sent_bytes: int
    received_bytes: int
    round_trips: int


HEAD = ("check", "CPU us", "sent", "received", "round trips")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one run (default: 1)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--at", help=argparse.SUPPRESS)
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="measure these only")
    arguments = parser.parse_args()
    if arguments.at:
        name, *words = arguments.checks
        check, target = read_arguments(CHECKS.get(name), words), Target(Endpoint.parse(arguments.at, 0), "rs1", "bench")
        measured = measure(check, target, arguments.seconds, arguments.runs)
        print(msgspec.json.encode(measured).decode())
    else:
        measure_all(arguments.checks or list(CHECKS.all()), arguments.seconds, arguments.runs)


def measure_all(checks: Sequence[str], seconds: float, runs: int) -> None:
    """Measure checks, each server's together, and print a table; and what was not measured, with the reason."""
    print(METHOD.format(seconds=seconds, warm_up=WARM_UP_SECONDS, at_once=AT_ONCE, runs=runs), end="\n\n")
    broken = CHECKS.broken()
    found: dict[str, Measured | str] = {name: broken.get(name, NO_ENTRY) for name in checks}
    with tempfile.TemporaryDirectory(prefix="feedback-bench-") as place:
        Path(place).chmod(0o755)  # servers of other users go in
        for server in dict.fromkeys(CASES[name].server for name in checks if name in CASES):
            names = [name for name in checks if name in CASES and CASES[name].server is server]
            found |= measure_on(server, names, Path(place), ["--seconds", str(seconds), "--runs", str(runs)])
    print(table(HEAD, [row(name, what) for name, what in sorted(found.items()) if isinstance(what, Measured)]))
    for name, what in sorted(found.items()):
        if isinstance(what, str):
            print(f"not measured: {name}: {what}")


def row(name: str, measured: Measured) -> tuple[str, ...]:
    return (
        f"{name} {CASES[name].shown()}".strip(),
        median_and_range(measured.microseconds),
        str(measured.sent_bytes),
        str(measured.received_bytes),
        str(measured.round_trips),
    )


def measure_on(server: Server, checks: Sequence[str], place: Path, options: Sequence[str]) -> dict[str, Measured | str]:
    """Start a server and measure checks on it. Where that can't be done, it is said in words, and the bench goes on."""
    found: dict[str, Measured | str] = {}
    directory = Path(tempfile.mkdtemp(prefix=f"{server.__name__}-", dir=place))
    try:
        directory.chmod(0o755)
        (directory / "authority").mkdir()
        authority = Authority(directory / "authority")
        with server(directory / "server", authority) as endpoints:
            for name in checks:
                endpoint = endpoints[CASES[name].at]
                where = str(endpoint) if endpoint.port else endpoint.address
                words = CASES[name].words(endpoint.port, authority.ca_file)
                found[name] = measure_apart([*options, "--at", where, "--", name, *words])
    except Exception as error:  # noqa: BLE001 - whatever keeps a server from starting keeps no other from it
        for name in checks:
            found.setdefault(name, in_one_line(error))
    return found


def measure_apart(words: Sequence[str]) -> Measured | str:
    """Measure in a process of its own, whose CPU time is no server's; or say why not."""
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        return in_one_line((done.stderr.splitlines() or ["it ended"])[-1])
    return msgspec.json.decode(done.stdout, type=Measured)


def in_one_line(error: object) -> str:
    return " ".join(str(error).split())[:MESSAGE_CHARACTERS]


def measure(check: Check, target: Target, seconds: float, runs: int) -> Measured:
    """Measure one check, in this process."""
    traffic = asyncio.run(count(check, target))
    microseconds = uvloop.run(spend(check, target, seconds, runs))
    return Measured(microseconds, traffic.sent_bytes, traffic.received_bytes, traffic.round_trips)


async def count(check: Check, target: Target) -> Traffic:
    """Return the traffic of one run, on asyncio's own loop. It is not the first one."""
    must_pass(await run_once(check, target, TIMEOUT_SECONDS))
    traffic = Traffic()
    with traffic.counted():
        must_pass(await run_once(check, target, TIMEOUT_SECONDS))
    return traffic


async def spend(check: Check, target: Target, seconds: float, runs: int) -> list[float]:
    """Return the CPU microseconds of one check, measured so many times."""
    loop = asyncio.get_running_loop()
    engine = Engine(loop)
    garbage.tune()
    found = []
    try:
        await Repetition(engine, check, target).run(WARM_UP_SECONDS)
        for _ in range(runs):
            before = cpu_microseconds()
            count = await Repetition(engine, check, target).run(seconds)
            found.append((cpu_microseconds() - before) / count)
    finally:
        engine.close()
    return found


class Repetition:
    """Runs a check over and over, some at a time."""

    def __init__(self, engine: Engine, check: Check, target: Target) -> None:
        self._loop = engine.loop
        self._start = partial(Runner(engine).start, check, target, TIMEOUT_SECONDS, self._done)
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._under_way = 0
        self._count = 0
        self._until = 0.0

    async def run(self, seconds: float) -> int:
        """Go on for some seconds, and return how often the check has passed. It must pass."""
        self._until = time.monotonic() + seconds
        self._under_way = AT_ONCE
        for _ in range(AT_ONCE):
            self._loop.call_soon(self._start)
        await self._over
        return self._count

    def _done(self, result: CheckResult) -> None:
        must_pass(result)
        self._count += 1
        if time.monotonic() < self._until:
            self._loop.call_soon(self._start)
            return
        self._under_way -= 1
        if not self._under_way:
            self._over.set_result(None)


def must_pass(result: CheckResult) -> None:
    """A check that did not pass would make the figures worthless."""
    if result.outcome is not Outcome.PASS:
        sys.exit(f"{result.outcome}: {result.reason}: {result.detail}")


def cpu_microseconds() -> float:
    """Return the CPU time of this process, and of the programs that it has run to their end."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used) * 1e6


if __name__ == "__main__":
    main()
