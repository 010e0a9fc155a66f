"""The agent's source `nfsd` on a kernel's own NFS server, whose requests come over loopback."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from feedback.agent.source import SourceError
from feedback.agent.sources.nfsd import NfsdSource
from feedback.checks.nfs import NfsCheck
from feedback.checks.runner import run_once
from feedback.model import Endpoint, Outcome
from feedback.net import Target
from tests.checks.servers.process import accepts, program, running
from tests.lab.cluster import run

HERE = Target(Endpoint("127.0.0.1", 2049), "rs1", "files")


@pytest.fixture
def _nfsd(tmp_path: Path) -> Iterator[None]:
    """Have the kernel's server, with rpcbind, and no threads yet."""
    with ExitStack() as stack:
        run("modprobe", "nfsd")
        run("mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd")
        stack.callback(run, "umount", "/proc/fs/nfsd")  # which the source must not hinder
        Path("/run/rpcbind").mkdir(exist_ok=True)
        ready = accepts(Endpoint("127.0.0.1", 111))
        stack.enter_context(running([program("rpcbind", "rpcbind"), "-f"], tmp_path / "rpcbind", ready))
        stack.callback(subprocess.run, ["rpc.nfsd", "0"], check=False)
        yield


@pytest.mark.usefixtures("_nfsd")
async def test_requests_that_found_an_idle_thread_have_not_waited() -> None:
    source = NfsdSource()
    with pytest.raises(SourceError, match=r"^nfsd does not run: it has no threads$"):
        await source.sample()
    run("rpc.nfsd", "2")
    assert (await source.sample()).ratio == 0
    before = _counters()
    assert (await asyncio.to_thread(_ask)) is Outcome.PASS
    assert _counters() != before
    assert 0 <= (await source.sample()).ratio < 1
    run("rpc.nfsd", "0")
    with pytest.raises(SourceError, match=r"^nfsd does not run: it has no threads$"):
        await source.sample()


def _counters() -> str:
    return Path("/proc/fs/nfsd/pool_stats").read_text()


def _ask() -> Outcome:
    return asyncio.run(run_once(NfsCheck(version=3), HERE, 20.0)).outcome
