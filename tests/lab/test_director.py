"""A real table, by each way of forwarding: clients are served, a dead server leaves in time, a drain loses nobody."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from feedback.model import Endpoint, Forwarding
from tests.lab.cluster import REALSERVERS, VIP, Cluster, wait_until
from tests.lab.directing import DETECTION_SECONDS, FALL, RISE, Director, Process, Transfer, feedback, forwarded
from tests.lab.directing import service as web
from tests.lab.traffic import STREAM_CHUNK_BYTES, RealServer

WEB = Endpoint(VIP, 80)
WEIGHTS = {"rs1": 100, "rs2": 200, "rs3": 300}


@dataclass
class Site:
    """A cluster with a director at work. `servers` may be stopped, and started again with `serve`."""

    cluster: Cluster
    director: Director
    servers: dict[str, RealServer]
    port: int

    def serve(self, host: str) -> None:
        self.servers[host] = self.cluster.serve(host, self.port)

    def settle(self) -> None:
        wait_until(lambda: self.director.weights("web") == WEIGHTS)

    def fetch(self, requests: int) -> list[str]:
        return [self.cluster.fetch(WEB) for _ in range(requests)]


@pytest.fixture(scope="module", params=list(Forwarding))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    wanted = forwarded(request.param)
    places = wanted.pop("destinations")
    destinations = {name: {"address": places[name], "weight": WEIGHTS[name]} for name in places}
    port = int(places["rs1"].rpartition(":")[2])
    with Cluster(request.param) as cluster:
        servers = {host: cluster.serve(host, port) for host in REALSERVERS}
        with Director(tmp_path_factory.mktemp("site"), {"web": web(destinations=destinations, **wanted)}) as director:
            yield Site(cluster, director, servers, port)


def test_clients_are_served_by_weight(site: Site) -> None:
    site.settle()
    served = site.fetch(30)
    assert [served.count(host) for host in REALSERVERS] == [5, 10, 15]


def test_a_realserver_that_dies_is_out_in_time_and_comes_back_after_rise_checks(site: Site) -> None:
    site.settle()
    site.servers["rs2"].stop()
    seconds = wait_until(lambda: site.director.weights("web") == {"rs1": 100, "rs3": 300})
    assert seconds <= DETECTION_SECONDS
    assert set(site.fetch(8)) == {"rs1", "rs3"}
    site.serve("rs2")
    site.settle()
    assert site.servers["rs2"].requests["/alive"] >= RISE
    assert "rs2" in site.fetch(6)
    told = [event for event in site.director.events() if event.startswith("rs2 ")]
    assert f"rs2 removed from web: http check failed {FALL} of {FALL}: refused" in told[-3]
    assert told[-1] == "rs2 added to web at weight 200: its checks pass"


def test_a_drain_lets_what_runs_end_and_lets_nothing_new_in(site: Site, tmp_path: Path) -> None:
    site.settle()
    with Transfer(site.director.services["web"]) as transfer:
        name = transfer.destination
        drain = Process("drain", "web", name, "--wait", log=tmp_path / "drain.log")
        drain.start()
        wait_until(lambda: site.director.weights("web")[name] == 0)
        assert name not in site.fetch(18)
        wait_until(lambda: "1 connection left" in drain.log)
        assert drain.running
        assert transfer.finish() == bytes(20 * STREAM_CHUNK_BYTES)
    assert drain.wait() == 0
    assert f"{name} in web: no connection is left" in drain.log
    enable = feedback("enable", "web", name, "--wait")
    assert (enable.returncode, enable.stderr) == (0, "")
    assert site.director.weights("web") == WEIGHTS
    assert name in site.fetch(6)
