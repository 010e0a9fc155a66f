"""The agent asked by the real HAProxy, whose weights and states follow."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from feedback.agent.agent import Agent
from feedback.agent.agent_check import words
from feedback.agent.answering import answering
from feedback.agent.config_file import load_agent_config
from feedback.model import Endpoint
from feedback.report import HostState, Report, Wish
from tests.agent.director_server import until
from tests.checks.servers.process import free_port, program, running

pytestmark = pytest.mark.loopback

CONFIG = """
global
  stats socket {directory}/admin level admin
defaults
  mode tcp
  timeout client 10s
  timeout server 10s
  timeout connect 1s
backend web
  balance roundrobin
  default-server inter 100ms agent-inter 100ms agent-send ask\\n
  server rs1 127.0.0.1:{port} weight 200 check agent-check agent-port {port}
"""


class Haproxy:
    """A running HAProxy with one server, which it asks our agent about."""

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "admin"

    def server(self) -> dict[str, str]:
        """Return what HAProxy shows of the server."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(10)
            admin.connect(str(self._socket))
            admin.sendall(b"show stat\n")
            with admin.makefile() as answer:
                names = answer.readline().lstrip("# ").rstrip("\n").split(",")
                rows = [dict(zip(names, line.rstrip("\n").split(","), strict=False)) for line in answer if "," in line]
        return next(row for row in rows if row["svname"] == "rs1")

    async def comes_to(self, status: str, weight: str) -> None:
        def there() -> bool:
            server = self.server()
            return (server["status"], server["weight"]) == (status, weight)

        await until(there, f"HAProxy to show {status} with {weight}")


@contextlib.contextmanager
def haproxy(directory: Path, port: int) -> Iterator[Haproxy]:
    """HAProxy, which asks the agent at this port about the server there, and checks that one by connecting to it."""
    directory.mkdir()
    (directory / "haproxy.cfg").write_text(CONFIG.format(directory=directory, port=port))
    found = Haproxy(directory)
    command = [program("haproxy", "haproxy"), "-db", "-q", "-f", "haproxy.cfg"]
    with running(command, directory, (directory / "admin").exists):
        yield found


@contextlib.asynccontextmanager
async def agent(directory: Path, port: int, load: Path) -> AsyncIterator[Agent]:
    """An agent without directors, whose one metric stands in a file, until the end of the block."""
    config = directory / "agent.yaml"
    config.write_text(
        f"agent: {{name: rs1, interval: 50ms, control: {directory}/control}}\n"
        f"agent_check: {{listen: '127.0.0.1:{port}', load: {{jobs: 1.0}}}}\n"
        f"metrics: {{jobs: {{source: exec, command: [cat, {load}]}}}}\n"
    )
    running_agent = Agent(load_agent_config(config))
    stop = asyncio.Event()
    task = asyncio.create_task(running_agent.run(stop))
    try:
        yield running_agent
    finally:
        stop.set()
        await task


async def test_haproxy_follows_load_drain_and_return(tmp_path: Path) -> None:
    port, load = free_port(), tmp_path / "load"
    load.write_text("0.25")
    with haproxy(tmp_path / "haproxy", port) as proxy:
        async with agent(tmp_path, port, load) as its_agent:
            await proxy.comes_to("UP", "150")
            load.write_text("3")
            await proxy.comes_to("UP", "2")
            await its_agent.change_wish(Wish.DRAIN)
            await proxy.comes_to("DRAIN (agent)", "2")
            load.write_text("0.5")
            await its_agent.change_wish(Wish.READY)
            await proxy.comes_to("UP", "100")


async def test_haproxy_takes_a_host_out_that_says_down_and_back_in(tmp_path: Path) -> None:
    port, reports = free_port(), [Report({"cpu": 0.5})]

    def line(_: bytes) -> bytes:
        return words(reports[-1], {}, drains=False)

    with haproxy(tmp_path / "haproxy", port) as proxy:
        async with answering(Endpoint("127.0.0.1", port), "agent_check.listen", line):
            await proxy.comes_to("UP", "100")
            reports.append(Report({}, state=HostState.DOWN, why="the disk is full"))
            await proxy.comes_to("DOWN (agent)", "100")
            assert "the disk is full" in proxy.server()["last_agt"]
            reports.append(Report({"cpu": 0.25}))
            await proxy.comes_to("UP", "150")
