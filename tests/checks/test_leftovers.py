"""What a run leaves behind: nothing. The director's garbage collector hardly ever looks."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from feedback.checks.chat import ChatCheck, Step
from feedback.checks.exec import ExecCheck
from feedback.checks.http import HttpCheck
from feedback.checks.runner import Run, Runner
from feedback.checks.tcp import TcpCheck
from feedback.checks.udp import UdpCheck
from feedback.engine import Engine
from feedback.engine.datagrams import UdpSocket
from feedback.engine.program import Program
from feedback.engine.stream import TcpStream
from feedback.model import CheckResult, Endpoint
from feedback.net import Target
from tests.checks.peers import Talk, answering, reset, silent, tcp_peer, until

pytestmark = pytest.mark.loopback

CHECKS = [
    TcpCheck(),
    TcpCheck(port=9),
    TcpCheck(address="240.0.0.1"),
    HttpCheck(body="alive"),
    HttpCheck(status=404),
    HttpCheck(port=9),
    ChatCheck(steps=[Step(expect="never")], quit="QUIT\r\n"),
    UdpCheck(send="x", port=9),
    UdpCheck(send="x", expect="y", port=9),
    ExecCheck(command=["true"]),
    ExecCheck(command=["sleep", "60"]),
    ExecCheck(command=["/nowhere/at/all"]),
]
TALKS: list[Talk] = [answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nalive"), reset, silent]


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def run_all(endpoint: Endpoint) -> None:
    engine = Engine(asyncio.get_running_loop())
    runner = Runner(engine)
    results: list[CheckResult] = []
    for check in CHECKS:
        runner.start(check, Target(endpoint), 0.1, results.append)
    await until(lambda: len(results) == len(CHECKS) and not engine.dying)
    engine.close()


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("talk", TALKS, ids=["answering", "reset", "silent"])
async def test_a_run_that_has_ended_is_gone_without_the_collectors_help(talk: Talk) -> None:
    async with tcp_peer(talk) as endpoint:
        await run_all(endpoint)
    left = [type(item).__name__ for item in gc.get_objects() if isinstance(item, Run | TcpStream | UdpSocket | Program)]
    assert left == []
