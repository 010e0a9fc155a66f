"""The engine as a whole: many checks at once, no descriptor left open, none to be had, and its end."""

import asyncio
import json
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from feedback.checks.check import Check
from feedback.checks.exec import ExecCheck
from feedback.checks.http import HttpCheck
from feedback.checks.runner import Runner
from feedback.checks.tcp import TcpCheck
from feedback.checks.udp import UdpCheck
from feedback.engine import Engine
from feedback.model import CheckResult, Endpoint
from feedback.net import Net, Target
from tests.checks import peers
from tests.checks.peers import tcp_peer, until

pytestmark = pytest.mark.loopback

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nI'm alive"


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Let this process open 4096 files, which any Linux host allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def run_all(runs: list[tuple[Check, Endpoint, float]]) -> Counter[str]:
    """Start all at once on one engine, and return how many ended with which outcome and reason."""
    engine = Engine(asyncio.get_running_loop())
    runner = Runner(engine)
    results: list[CheckResult] = []
    for check, endpoint, timeout_seconds in runs:
        runner.start(check, Target(endpoint), timeout_seconds, results.append)
    await until(lambda: len(results) >= len(runs), 30)
    engine.close()
    assert len(results) == len(runs)
    return Counter(f"{result.outcome} {result.reason}".strip() for result in results)


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_thousand_checks_at_once_of_one_listener_all_pass(loop_factory: type[asyncio.AbstractEventLoop]) -> None:
    async def test() -> None:
        async with tcp_peer(peers.answering(OK)) as endpoint:
            assert await run_all([(HttpCheck(body="alive"), endpoint, 30.0)] * 1000) == {"pass": 1000}

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(test())


async def test_two_thousand_checks_leave_no_descriptor_open() -> None:
    before = peers.descriptors()
    async with (
        tcp_peer(peers.answering(OK)) as well,
        tcp_peer(peers.reset) as resetting,
        tcp_peer(peers.silent) as mute,
    ):
        with peers.unheard() as bound:
            nobody = peers.endpoint_of(bound)
            mix: list[tuple[Check, Endpoint, float]] = [
                (HttpCheck(body="alive"), well, 30.0),
                (HttpCheck(body="dead"), well, 30.0),
                (TcpCheck(), well, 30.0),
                (TcpCheck(quiet=False), well, 30.0),
                (HttpCheck(), resetting, 30.0),
                (HttpCheck(), mute, 0.05),
                (HttpCheck(), nobody, 30.0),
                (UdpCheck(send="a"), nobody, 0.05),
                (TcpCheck(), Endpoint("255.255.255.255", 80), 30.0),
                (peers.MadeAsyncioCheck(function=reads_one), well, 0.05),
            ]
            counts: Counter[str] = Counter()
            for _ in range(20):
                counts += await run_all(mix * 10)
    assert counts.total() == 2000
    assert counts["pass"] >= 600
    assert counts["fail refused"] == 400
    assert counts["fail reset"] == 200
    assert counts["unknown local"] == 200
    await until(lambda: peers.descriptors() == before)


async def reads_one(target: Target, net: Net) -> str:
    async with net.connect_tcp(target) as stream:
        return (await stream.read_exactly(1)).decode()


async def test_closing_the_engine_ends_everything_and_reports_nothing(tmp_path: Path) -> None:
    before = peers.descriptors()
    engine = Engine(asyncio.get_running_loop())
    runner = Runner(engine)
    results: list[CheckResult] = []
    pid_file = tmp_path / "pid"
    script = f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 1000"
    async with tcp_peer(peers.silent) as mute, peers.udp_peer(lambda *_: None) as (silent, _):
        checks: list[tuple[Check, Endpoint]] = [
            (HttpCheck(), mute),
            (UdpCheck(send="a", expect="b"), silent),
            (peers.MadeAsyncioCheck(function=reads_one), mute),
            (ExecCheck(command=["/bin/sh", "-c", script]), mute),
        ]
        handles = [runner.start(check, Target(endpoint), 30.0, results.append) for check, endpoint in checks]
        await until(pid_file.exists)
        engine.close()
        engine.close()
        for handle in handles:
            handle.cancel()
    assert not peers.is_listed(peers.pid_in(pid_file))
    await until(lambda: peers.descriptors() == before)
    assert results == []
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await until(lambda: all(task.done() for task in others))


STARVED = """
import asyncio, json, resource, socket, sys
from pathlib import Path
from feedback.checks.exec import ExecCheck
from feedback.checks.http import HttpCheck
from feedback.checks.runner import Runner
from feedback.checks.tcp import TcpCheck
from feedback.checks.udp import UdpCheck
from feedback.engine import Engine
from feedback.model import Endpoint
from feedback.net import Target

CHECKS = {
    "tcp": TcpCheck(),
    "udp": UdpCheck(send="a"),
    "exec": ExecCheck(command=["/bin/true"]),
}

async def main():
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(type=socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        engine = Engine(asyncio.get_running_loop())
        runner = Runner(engine)
        where = {"tcp": listening, "udp": bound, "exec": listening}
        opened = len(list(Path("/proc/self/fd").iterdir())) - 1
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        seen = {}
        for name, check in CHECKS.items():
            for more in range(16):
                resource.setrlimit(resource.RLIMIT_NOFILE, (opened + more, hard))
                done = asyncio.get_running_loop().create_future()
                target = Target(Endpoint(*where[name].getsockname()))
                runner.start(check, target, 0.2 if name == "udp" else 10.0, done.set_result)
                result = await done
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                seen.setdefault(name, []).append([result.outcome, result.reason, result.detail])
                if result.outcome == "pass":
                    break
        left = len(list(Path("/proc/self/fd").iterdir())) - 1 - opened
        engine.close()
        print(json.dumps({"seen": seen, "left": left}))

asyncio.run(main())
"""


def test_having_no_descriptor_left_says_nothing_of_the_service() -> None:
    """As many as there are, and one more at a time: the first that is enough lets the check pass."""
    ended = subprocess.run([sys.executable, "-c", STARVED], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    report = json.loads(ended.stdout)
    assert report["left"] == 0
    for name in ("tcp", "udp", "exec"):
        *starved, passed = report["seen"][name]
        assert passed[0] == "pass"
        assert starved
        for outcome, reason, detail in starved:
            assert (outcome, reason) == ("unknown", "local")
            assert "Too many open files" in detail
