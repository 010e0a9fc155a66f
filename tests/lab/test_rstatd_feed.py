"""The feed `rstatd` against rpc.rstatd as a daemon, which a real rpcbind lists on a port of its choice."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback.director.feeds.rstatd import RstatdFeed
from feedback.model import Endpoint
from tests.checks.servers.process import accepts, program, running
from tests.director.feeds.fed import feeding
from tests.lab.cluster import wait_until

RPCBIND = Endpoint("127.0.0.1", 111)


def daemons() -> list[int]:
    """Return the process ids of rstatd."""
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/comm") if name_in(path) == "rpc.rstatd"]


def name_in(path: Path) -> str:
    """Return a process's name; none of one that ends just now."""
    try:
        return path.read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def start_rstatd() -> None:
    """Return when it has gone into the background, registered. It keeps what output it has been given."""
    path = program("rpc.rstatd", "rstatd")
    subprocess.run([path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30, check=True)


def end_rstatd() -> None:
    for pid in daemons():
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not daemons())


@pytest.fixture
def rpcbind(tmp_path: Path) -> Iterator[None]:
    Path("/run/rpcbind").mkdir(exist_ok=True)
    with running([program("rpcbind", "rpcbind"), "-f"], tmp_path / "rpcbind", accepts(RPCBIND)):
        yield


@pytest.fixture
def rstatd(rpcbind: None) -> Iterator[None]:
    del rpcbind
    start_rstatd()
    yield
    end_rstatd()


async def test_rpcbind_says_where_rstatd_is_and_where_it_is_after_a_restart(rstatd: None) -> None:
    del rstatd
    async with feeding(RstatdFeed(cpus=1), RPCBIND, timeout_seconds=2.0) as fed:
        view = await fed.until_connected("cpu", "load")
        assert 0 <= view.metrics["cpu"] <= 1
        end_rstatd()
        await fed.until(lambda view: not view.metrics, "to be silent")
        await fed.until_told("is gone: ")
        start_rstatd()
        await fed.until_connected("cpu", "load")
