"""From the death of a server to its removal from the kernel's table, in the lab's kernel: `python bench/events.py`.

The host boots the lab (tests/lab/uml.py), which runs this very file again inside and prints the lines below.
"""

import asyncio
import contextlib
import io
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from feedback.director.table.kernel import KernelTable  # noqa: E402 - found by the line above
from feedback.model import Forwarding  # noqa: E402
from tests.lab.cluster import ADDRESSES, Cluster, wait_until  # noqa: E402
from tests.lab.directing import (  # noqa: E402
    ALIVE,
    INSIDE,
    PORT,
    Director,
    KilledServer,
    agent,
    service,
    token_file,
    weights,
)
from tests.lab.uml import Machine  # noqa: E402

INSIDE_LAB = "--inside"
LIMIT_SECONDS = 600
RUNS = 20
AIM_MS = 150
LOOK_SECONDS = 0.002
HOSTS = ("rs1", "rs2")
WATCHES = {"http": {"listener": PORT, "hold": "100ms"}}
CHECK = {"interval": "2s", "timeout": "1s", "rise": 1, "fall": 3}
WEB = service(
    checks=[ALIVE],
    check=CHECK,
    destinations={host: f"{ADDRESSES[host][0]}:{PORT}" for host in HOSTS},
    weights={"policy": "static"},
)

METHOD = f"""\
From kill -9 of one of two HTTP servers to its removal from the kernel's table, {RUNS} times, in milliseconds of the
lab's clock. The checks run every 2 s, and three failures in a row decide. The lab has one CPU, on which the director,
two agents and this bench, which looks at the table all the time, take turns, and its system calls are slow."""


def main() -> None:
    """On the host: boot the lab and print what this file prints inside."""
    command = shlex.join([sys.executable, str(Path(__file__).resolve()), INSIDE_LAB])
    with Machine(f"modprobe ip_vs\ncd {shlex.quote(str(ROOT))}\nexec {command}\n", LIMIT_SECONDS) as machine:
        status = machine.wait()
        if status != "0":
            sys.exit(f"the bench failed in the lab\n{machine.account()}")
        print((machine.directory / "output").read_text(), end="")


def inside() -> None:
    """In the lab: measure and print."""
    print(METHOD)
    for name, watches in (("a watch on the listener", WATCHES), ("checks alone", {})):
        # A director prints its log at its end
        with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()):
            seconds = measure(Path(directory), watches)
        tell(name, seconds, f"aim: {AIM_MS}" if watches else "")


def measure(directory: Path, watches: Mapping[str, object]) -> list[float]:
    """Return how many seconds each removal took."""
    agents = [agent(directory, host, metrics={"memory": {}}, watches=watches) for host in HOSTS]
    with Cluster(Forwarding.MASQUERADE):
        servers = {host: KilledServer(host) for host in HOSTS}
        try:
            for server in servers.values():
                server.start()
            with Director(directory, {"web": WEB}, listen=str(INSIDE), token_file=token_file(directory)) as director:
                for one in agents:
                    one.start()
                wait_until(lambda: all(director.view("web", host)["utilization"] is not None for host in HOSTS))
                return [removal(director, servers["rs1"]) for _ in range(RUNS)]
        finally:
            for one in agents:
                one.destroy()
            for server in servers.values():
                server.kill()


def removal(director: Director, server: KilledServer) -> float:
    """Kill the server, and return after how many seconds it is out of the table; then let it come back."""
    wait_until(lambda: director.weights("web") == {"rs1": 100, "rs2": 100})
    time.sleep(1)
    seconds = asyncio.run(gone(server))
    server.start()
    return seconds


async def gone(server: KilledServer) -> float:
    table = KernelTable()
    await table.read()
    killed = server.kill()
    while "rs1" in weights(await table.read(), WEB):  # noqa: ASYNC110 - the table tells nobody of a change
        await asyncio.sleep(LOOK_SECONDS)
    return time.monotonic() - killed


def tell(name: str, seconds: list[float], remark: str) -> None:
    lowest, median, highest = (1000 * each for each in (min(seconds), statistics.median(seconds), max(seconds)))
    print(f"{name:42} {median:8.1f} ms   ({lowest:.1f} to {highest:.1f}) {remark}".rstrip())


if __name__ == "__main__":
    if INSIDE_LAB in sys.argv:
        inside()
    else:
        main()
