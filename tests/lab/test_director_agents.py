"""Agents on the realservers: their load moves weights, their goodbyes and wishes drain, their deaths change nothing."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from feedback.model import Endpoint, Forwarding
from tests.lab.cluster import ADDRESSES, VIP, Cluster, wait_until
from tests.lab.directing import (
    INSIDE,
    PORT,
    REPORT_SECONDS,
    Director,
    Process,
    Transfer,
    Watch,
    agent,
    feedback,
    service,
    token_file,
)
from tests.lab.traffic import STREAM_CHUNK_BYTES

HOSTS = ("rs1", "rs2")
THREE_REPORTS_SECONDS = 3 * REPORT_SECONDS
WEB = service(
    destinations={host: f"{ADDRESSES[host][0]}:{PORT}" for host in HOSTS},
    weights={"policy": "equalize", "response": "1s"},
)


@dataclass
class Site:
    cluster: Cluster
    director: Director
    agents: dict[str, Process]
    directory: Path

    def load(self, rs1: float, rs2: float) -> None:
        """Let the hosts be so busy from now on, and wait until the director knows."""
        for host, load in (("rs1", rs1), ("rs2", rs2)):
            (self.directory / f"{host}.load").write_text(str(load))
        wait_until(lambda: [self.director.view("web", host)["utilization"] for host in HOSTS] == [rs1, rs2])

    def state(self, host: str) -> str:
        return str(self.director.view("web", host)["agent"])

    def settle(self) -> None:
        wait_until(lambda: all(self.state(host) == "connected" for host in HOSTS))
        wait_until(lambda: len(self.weights) == len(HOSTS) and all(self.weights.values()))

    @property
    def weights(self) -> dict[str, int]:
        return self.director.weights("web")

    def told(self, event: str) -> bool:
        return any(event in one for one in self.director.events())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    agents = {host: agent(directory, host) for host in HOSTS}
    with Cluster(Forwarding.MASQUERADE) as cluster:
        for host in HOSTS:
            cluster.serve(host, PORT)
            (directory / f"{host}.load").write_text("0.5")
            agents[host].start()
        try:
            with Director(directory, {"web": WEB}, listen=str(INSIDE), token_file=token_file(directory)) as director:
                yield Site(cluster, director, agents, directory)
        finally:
            for process in agents.values():
                process.destroy()


def test_weights_move_away_from_the_busier_host_and_clients_follow(site: Site) -> None:
    site.settle()
    site.load(0.9, 0.1)
    wait_until(lambda: 2 * site.weights["rs1"] <= site.weights["rs2"])
    served = [site.cluster.fetch(Endpoint(VIP, 80)) for _ in range(30)]
    assert served.count("rs2") > served.count("rs1")
    assert site.director.view("web", "rs1")["metrics"] == {"load": 0.9}
    assert site.told("rs1 in web: weight 100 to ")
    assert site.told(": utilization 0.90, service mean 0.50")


def test_an_agent_that_is_killed_is_absent_at_once_and_its_weight_holds(site: Site) -> None:
    site.settle()
    site.load(0.5, 0.5)
    before = site.weights
    with Watch(WEB) as watch:
        site.agents["rs1"].destroy()
        seconds = wait_until(lambda: site.state("rs1") == "absent")
        assert seconds < THREE_REPORTS_SECONDS
        assert site.told("agent rs1 is gone")
        wait_until(lambda: site.director.view("web", "rs1")["utilization"] is None)
    assert watch.seen == [before]
    site.agents["rs1"].start()
    site.settle()


def test_a_host_that_says_goodbye_is_quiesced_at_once_until_it_is_back(site: Site) -> None:
    site.settle()
    with Transfer(WEB) as transfer:
        host = transfer.destination
        site.agents[host].send(signal.SIGTERM)
        seconds = wait_until(lambda: site.weights[host] == 0)
        assert seconds < THREE_REPORTS_SECONDS
        assert site.agents[host].wait() == 0
        assert site.director.view("web", host)["why"].startswith("host is shutting down: ")
        assert {site.cluster.fetch(Endpoint(VIP, 80)) for _ in range(6)} == set(HOSTS) - {host}
        assert transfer.finish() == bytes(20 * STREAM_CHUNK_BYTES)
    site.agents[host].start()
    site.settle()
    assert site.told(f"agent {host} says goodbye")
    assert site.told(f"agent {host} is back from {ADDRESSES[host][0]}")


def test_a_host_is_drained_and_made_ready_from_the_host_itself(site: Site) -> None:
    site.settle()
    config = str(site.directory / "rs1.yaml")
    drained = feedback("agent", "--config", config, "--drain", namespace="rs1")
    assert (drained.returncode, drained.stdout) == (0, "rs1: drain accepted by 1 of 1 directors\n")
    wait_until(lambda: site.weights["rs1"] == 0)
    assert {site.cluster.fetch(Endpoint(VIP, 80)) for _ in range(6)} == {"rs2"}
    assert site.director.view("web", "rs1")["why"].startswith("drained by its host")
    ready = feedback("agent", "--config", config, "--ready", namespace="rs1")
    assert (ready.returncode, ready.stdout) == (0, "rs1: ready accepted by 1 of 1 directors\n")
    wait_until(lambda: site.weights["rs1"] > 0)
    assert "rs1" in {site.cluster.fetch(Endpoint(VIP, 80)) for _ in range(30)}
