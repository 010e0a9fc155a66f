"""The feed `snmp` against net-snmp's snmpd."""

import subprocess
from collections.abc import Iterator

import pytest

from feedback.director.feeds.snmp import Object, SnmpFeed
from feedback.model import AgentState, Endpoint
from feedback.secret import Secret
from tests.checks.servers.process import stopped
from tests.checks.servers.snmpd import COMMUNITY, snmpd
from tests.director.feeds.fed import feeding

pytestmark = pytest.mark.loopback

Server = tuple[Endpoint, subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with snmpd(tmp_path_factory.mktemp("snmpd")) as running:
        yield running


async def test_ucds_objects_tell_cpu_and_memory(server: Server) -> None:
    endpoint, _ = server
    # The agent looks at the host every five seconds, and says the same in between.
    async with feeding(SnmpFeed(community=Secret(COMMUNITY)), endpoint, interval_seconds=0.5) as fed:
        view = await fed.until_connected("cpu", "memory")
        assert 0 <= view.metrics["cpu"] <= 1
        assert 0 < view.metrics["memory"] < 1


async def test_further_objects_are_metrics_with_a_limit(server: Server) -> None:
    endpoint, _ = server
    objects = {
        "load": Object(oid="1.3.6.1.4.1.2021.10.1.5.1", limit=10_000.0),
        "none": Object(oid="1.3.6.1.4.1.2021.99.1", limit=1.0),
    }
    async with feeding(SnmpFeed(community=Secret(COMMUNITY), mib="none", objects=objects), endpoint) as fed:
        view = await fed.until_connected("load")
        assert 0 <= view.metrics["load"] < 1
        assert view.failures == {"none": "the agent has no such number at 1.3.6.1.4.1.2021.99.1"}


async def test_an_agent_that_has_nothing_of_the_kind_is_no_agent(server: Server) -> None:
    endpoint, _ = server
    feed = SnmpFeed(community=Secret(COMMUNITY), mib="host_resources")  # which this agent knows after a minute
    async with feeding(feed, endpoint) as fed:
        await fed.until_told("agent rs1 can't be asked: content: the agent has nothing of what mib: host_resources")


async def test_an_agent_that_hangs_is_gone_and_comes_back(server: Server) -> None:
    endpoint, process = server
    objects = {"load": Object(oid="1.3.6.1.4.1.2021.10.1.5.1", limit=10_000.0)}
    feed = SnmpFeed(community=Secret(COMMUNITY), mib="none", objects=objects)
    async with feeding(feed, endpoint, timeout_seconds=0.5) as fed:
        await fed.until_connected("load")
        with stopped(process):
            await fed.until(lambda view: view.state is AgentState.ABSENT, "to be gone")
            await fed.until_told("is gone: timeout: ")
        await fed.until_connected("load")


async def test_a_wrong_community_gets_no_answer(server: Server) -> None:
    endpoint, _ = server
    async with feeding(SnmpFeed(community=Secret("wrong")), endpoint, timeout_seconds=0.3) as fed:
        await fed.until_told("agent rs1 can't be asked: timeout: ")
        assert fed.view.state is AgentState.ABSENT
