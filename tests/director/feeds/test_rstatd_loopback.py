"""The feed `rstatd` against Debian's rpc.rstatd, which a made-up rpcbind lists: a real one insists on port 111.

The real one is in the lab.
"""

import os
import socket

import pytest

from feedback.checks.codecs import rpc_message, xdr
from feedback.director.feeds.rstatd import RstatdFeed
from feedback.model import AgentState
from tests.checks import peers
from tests.checks.rpc_scripts import listed, reply
from tests.checks.servers.process import stopped
from tests.checks.servers.rstatd import rstatd
from tests.director.feeds.fed import feeding

pytestmark = pytest.mark.loopback


def listing(port: int) -> peers.Talk:
    """Return an rpcbind that knows rstatd on a port."""

    async def talk(connection: socket.socket) -> None:
        while call := await peers.hear(connection):
            found = listed((100001, 3, "udp", f"0.0.0.0.{port >> 8}.{port & 255}"))
            await peers.say(connection, rpc_message.record(reply(found, xdr.Reader(call[4:]).uint())))

    return talk


async def test_a_host_tells_its_cpu_and_load() -> None:
    with rstatd() as (endpoint, _):
        async with feeding(RstatdFeed(rstatd_port=endpoint.port, cpus=os.cpu_count()), endpoint) as fed:
            view = await fed.until_connected("cpu", "load")
            assert 0 <= view.metrics["cpu"] <= 1
            assert view.metrics["load"] * (os.cpu_count() or 1) == pytest.approx(os.getloadavg()[0], abs=2)


async def test_rpcbind_says_where_it_is() -> None:
    with rstatd() as (endpoint, _):
        async with (
            peers.tcp_peer(listing(endpoint.port)) as rpcbind,
            feeding(RstatdFeed(port=rpcbind.port), rpcbind) as fed,
        ):
            await fed.until_connected("cpu")


async def test_a_host_that_hangs_is_gone_and_comes_back() -> None:
    with rstatd() as (endpoint, server):
        async with feeding(RstatdFeed(rstatd_port=endpoint.port), endpoint, timeout_seconds=0.5) as fed:
            await fed.until_connected("cpu")
            with stopped(server):
                await fed.until(lambda view: view.state is AgentState.ABSENT and not view.metrics, "to be gone")
                await fed.until_told("is gone: timeout: ")
            await fed.until_connected("cpu")
