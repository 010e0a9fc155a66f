"""What is too much for the realservers on a real table: thresholds that the kernel heeds, and an overflow."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from feedback.model import Endpoint, Forwarding
from tests.lab.cluster import ADDRESSES, VIP, Cluster, run, wait_until
from tests.lab.directing import INSIDE, PORT, Director, agent, counters, feedback, service, token_file
from tests.lab.traffic import RealServer

STREAM = "/stream/100"  # 2 s at least
PLACES = {host: f"{ADDRESSES[host][0]}:{PORT}" for host in ("rs1", "rs2", "rs3")}
PAIR = {host: PLACES[host] for host in ("rs1", "rs2")}


def limited(port: int, upper: int, **changes: Any) -> dict[str, Any]:
    """Return a service whose rs1 may have so many connections, and rs2 as many as come."""
    rs1 = {"address": PLACES["rs1"], "connections": {"upper": upper}}
    return service(port, checks=[], destinations={"rs1": rs1, "rs2": PLACES["rs2"]}, **changes)


OVERFLOWING = service(
    84,
    destinations=PAIR,
    overflow=PLACES["rs3"],
    drain_timeout="3s",
    weights={"policy": "static", "response": "1s"},
)
SERVICES = {
    "wrr": limited(80, 2),
    "wlc": limited(81, 2, scheduler="wlc"),
    "short": limited(82, 2),
    "hash": service(83, checks=[], scheduler="mh", destinations=PAIR, connections={"upper": 3}),
    "web": OVERFLOWING,
}


@dataclass
class Site:
    cluster: Cluster
    director: Director
    servers: dict[str, RealServer]
    directory: Path

    def load(self, utilization: float) -> None:
        """Let both hosts be so busy from now on."""
        for host in PAIR:
            (self.directory / f"{host}.load").write_text(str(utilization))

    def fetch(self, name: str) -> str:
        return self.cluster.fetch(Endpoint.parse(SERVICES[name]["address"]), timeout_seconds=1.0)

    def connections(self, name: str) -> dict[str, int]:
        """Return what the kernel holds against the thresholds."""
        there = counters(SERVICES[name])
        return {host: one.active_connections + one.inactive_connections for host, one in there.items()}

    @property
    def spare(self) -> int | None:
        return self.director.weights("web").get(PLACES["rs3"])

    @property
    def shown(self) -> tuple[bool, bool]:
        found = self.director.request("GET", "/api/v1/services/web")[1]
        return found["overloaded"], found["overflow_in_table"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    agents = [agent(directory, host) for host in PAIR]
    with Cluster(Forwarding.MASQUERADE) as cluster:
        servers = {host: cluster.serve(host, PORT) for host in PLACES}
        director = Director(directory, SERVICES, listen=str(INSIDE), token_file=token_file(directory))
        site = Site(cluster, director, servers, directory)
        site.load(0.5)
        for one in agents:
            one.start()
        try:
            with director:
                wait_until(lambda: all(director.weights(name) == dict.fromkeys(PAIR, 100) for name in SERVICES))
                yield site
        finally:
            for one in agents:
                one.destroy()


@pytest.mark.usefixtures("site")
def test_the_kernel_reports_the_thresholds_as_they_are_configured() -> None:
    lines = [line.split() for line in run("ipvsadm", "-Ln", "--thresholds", "-t", f"{VIP}:80").splitlines()]
    assert {line[1]: line[2:4] for line in lines if line[1] in PAIR.values()} == {
        PLACES["rs1"]: ["2", "0"],
        PLACES["rs2"]: ["0", "0"],
    }


@pytest.mark.parametrize("name", ["wrr", "wlc"])
def test_a_destination_at_its_upper_threshold_gets_no_new_connection(site: Site, name: str) -> None:
    address = Endpoint.parse(SERVICES[name]["address"])
    running = {host: site.servers[host] for host in PAIR}
    with site.cluster.load(address, STREAM, threads=6) as load:
        wait_until(lambda: sum(server.streams_running for server in running.values()) == 6)
        assert {host: server.streams_running for host, server in running.items()} == {"rs1": 2, "rs2": 4}
    assert load.errors == []


def test_ended_connections_count_until_the_kernel_forgets_them(site: Site) -> None:
    served = [site.fetch("short") for _ in range(12)]
    assert (served.count("rs1"), served.count("rs2")) == (2, 10)
    assert site.connections("short") == {"rs1": 2, "rs2": 10}
    assert counters(SERVICES["short"])["rs1"].active_connections == 0


def test_a_hash_scheduler_refuses_the_clients_of_a_full_destination(site: Site) -> None:
    assert (
        "the scheduler mh refuses a client whose destination has its upper number of connections" in site.director.log
    )
    (host,) = {site.fetch("hash") for _ in range(3)}
    with pytest.raises(OSError, match=r"refused|timed out"):
        site.fetch("hash")
    assert site.connections("hash") == dict.fromkeys(PAIR, 0) | {host: 3}


def test_the_overflow_takes_clients_while_both_are_full_and_is_drained_afterwards(site: Site) -> None:
    wait_until(lambda: all(site.director.view("web", host)["utilization"] == 0.5 for host in PAIR))
    assert (site.spare, site.shown) == (None, (False, False))
    site.load(1.0)
    wait_until(lambda: (site.spare or 0) >= 40)
    assert site.shown == (True, True)
    served = [site.fetch("web") for _ in range(24)]
    assert 0 < served.count("rs3") < 12
    site.director.destroy()
    before = site.director.weights("web")
    site.director.start()
    assert site.director.weights("web") == before
    site.load(0.2)
    wait_until(lambda: site.spare == 0)
    assert {site.fetch("web") for _ in range(6)} == set(PAIR)
    wait_until(lambda: site.spare is None)
    assert site.shown == (False, False)
    assert site.director.weights("web") == dict.fromkeys(PAIR, 100)
    told = site.director.events()
    assert any(event.startswith("web is no longer overloaded: ") for event in told)
    assert any(event.startswith("overflow removed from web: ") for event in told)


def test_a_higher_threshold_lets_connections_in_at_once(site: Site) -> None:
    full = site.connections("short")["rs1"]
    site.director.write(SERVICES | {"short": limited(82, 100)})
    assert (
        feedback("reload", "--director", f"http://{INSIDE}", "--token-file", str(site.directory / "token")).returncode
        == 0
    )
    assert "rs1 in short: connections upper 100: as configured" in site.director.events()
    assert {site.fetch("short") for _ in range(4)} == set(PAIR)
    assert site.connections("short")["rs1"] > full
