"""What writing and reading the kernel's IPVS table costs, in the lab's kernel: `python bench/table.py`.

The host boots the lab (tests/lab/uml.py), which runs this very file again inside and prints the lines below.
"""

import asyncio
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from feedback.director.plan import (  # noqa: E402 - found by the line above
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    SetDestination,
)
from feedback.director.table.kernel import KernelTable  # noqa: E402
from feedback.model import Destination, Endpoint, Forwarding, ServiceKey, Transport, VirtualService  # noqa: E402
from tests.lab.uml import Machine  # noqa: E402

INSIDE = "--inside"
LIMIT_SECONDS = 300
DESTINATIONS = 1000
SAMPLE = 200
RUNS = 5
AIM_MS = 20

VIP = "192.0.2.10:80"
WEB = ServiceKey.at(Transport.TCP, Endpoint.parse(VIP))
ENDPOINTS = [Endpoint(f"10.3.{number // 250}.{number % 250 + 1}", 80) for number in range(DESTINATIONS)]

METHOD = f"""\
One service with {DESTINATIONS} destinations; median of {RUNS} runs in one machine, lowest and highest beside it.
Milliseconds of the lab's clock, with nothing else running in it: it has one CPU, its CPU time ticks in steps of 10 ms,
and its system calls are slow. So compare these with each other, and run this while the host has nothing else to do."""


def main() -> None:
    """On the host: boot the lab and print what this file prints inside."""
    command = shlex.join([sys.executable, str(Path(__file__).resolve()), INSIDE])
    with Machine(f"modprobe ip_vs\ncd {shlex.quote(str(ROOT))}\nexec {command}\n", LIMIT_SECONDS) as machine:
        status = machine.wait()
        if status != "0":
            sys.exit(f"the bench failed in the lab\n{machine.account()}")
        print((machine.directory / "output").read_text(), end="")


async def inside() -> None:
    """In the lab: measure and print."""
    print(METHOD)
    table = KernelTable()
    await table.apply([AddService(VirtualService(WEB, "wlc"))])
    await measure_ours(table)
    await measure_ipvsadm()
    await table.apply([DeleteService(WEB)])
    await asyncio.to_thread(measure_pyroute2)  # its sockets run a loop of their own, so not beside ours


async def measure_ours(table: KernelTable) -> None:
    """Measure adding, changing, reading and deleting every destination through KernelTable."""
    times: dict[str, list[float]] = {"add": [], "set": [], "read": [], "delete": []}
    for run in range(RUNS):
        added = [AddDestination(WEB, Destination(each, Forwarding.MASQUERADE, 100)) for each in ENDPOINTS]
        changed = [SetDestination(WEB, Destination(each, Forwarding.MASQUERADE, run)) for each in ENDPOINTS]
        deleted = [DeleteDestination(WEB, each) for each in ENDPOINTS]
        times["add"].append(await clocked(partial(table.apply, added)))
        times["set"].append(await clocked(partial(table.apply, changed)))
        times["read"].append(await clocked(table.read))
        times["delete"].append(await clocked(partial(table.apply, deleted)))
    for name, each in times.items():
        tell(f"feedback: {name} {DESTINATIONS}", each, f"aim: {AIM_MS}")


async def measure_ipvsadm() -> None:
    """Measure the same by one ipvsadm process each, which reads lines and makes one call per line."""
    added = "".join(f"-a -t {VIP} -r {each} -m -w 100\n" for each in ENDPOINTS)
    deleted = "".join(f"-d -t {VIP} -r {each}\n" for each in ENDPOINTS)
    times: dict[str, list[float]] = {"-R, add": [], "-S -n": [], "-R, delete": []}
    for _ in range(RUNS):
        times["-R, add"].append(await clocked(partial(ipvsadm, "-R", given=added)))
        times["-S -n"].append(await clocked(partial(ipvsadm, "-S", "-n")))
        times["-R, delete"].append(await clocked(partial(ipvsadm, "-R", given=deleted)))
    for name, each in times.items():
        tell(f"ipvsadm {name} {DESTINATIONS}", each)


def measure_pyroute2() -> None:
    """Measure pyroute2's own way for a sample: one call and one answer per change."""
    from pyroute2 import IPVS, IPVSDest, IPVSService  # noqa: PLC0415 - slow to import, and needed here only

    service = IPVSService(addr="192.0.2.10", port=80, protocol=6, sched_name="wlc")
    destinations = [IPVSDest(addr=each.address, port=each.port, weight=100, fwd_method=0) for each in ENDPOINTS]
    with IPVS() as ipvs:
        ipvs.service("add", service=service)
        times = []
        for _ in range(RUNS):
            start = time.perf_counter()
            for destination in destinations[:SAMPLE]:
                ipvs.dest("add", service=service, dest=destination)
            times.append(time.perf_counter() - start)
            for destination in destinations[:SAMPLE]:
                ipvs.dest("del", service=service, dest=destination)
    tell(f"pyroute2: add {SAMPLE}, one call each", times, f"per {DESTINATIONS}: {per_thousand(times):.0f}")


def per_thousand(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1000 * DESTINATIONS / SAMPLE


async def ipvsadm(*arguments: str, given: str = "") -> None:
    subprocess.run(["ipvsadm", *arguments], input=given, text=True, check=True, capture_output=True)  # noqa: ASYNC221 - nothing else runs


async def clocked(action: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds that an action takes. It must not be refused anything."""
    start = time.perf_counter()
    result = await action()
    seconds = time.perf_counter() - start
    if isinstance(result, tuple) and result:
        sys.exit(f"refused: {result[0].message}")
    return seconds


def tell(name: str, seconds: list[float], remark: str = "") -> None:
    lowest, median, highest = (1000 * each for each in (min(seconds), statistics.median(seconds), max(seconds)))
    print(f"{name:42} {median:8.1f} ms   ({lowest:.1f} to {highest:.1f}) {remark}".rstrip())


if __name__ == "__main__":
    if INSIDE in sys.argv:
        asyncio.run(inside())
    else:
        main()
