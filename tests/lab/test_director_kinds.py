"""Every kind of service through the director: at an IPv6 address, behind a firewall mark, and for datagrams."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from feedback.model import Endpoint, Family, Forwarding
from tests.lab.cluster import REALSERVERS, VIP, VIP6, Cluster, family_address, wait_until
from tests.lab.directing import ALIVE, DETECTION_SECONDS, PORT, Director
from tests.lab.traffic import EchoServer, RealServer

ECHO_PORT = 5353
ALL = dict.fromkeys(REALSERVERS, 100)
QUESTION = b"who?"


def destinations(family: Family, port: int) -> dict[str, str]:
    return {host: str(Endpoint(family_address(host, family), port)) for host in REALSERVERS}


KINDS: Mapping[str, dict[str, Any]] = {
    "six": {
        "address": f"[{VIP6}]:80",
        "scheduler": "rr",
        "checks": [ALIVE],
        "destinations": destinations(Family.IPV6, PORT),
    },
    "marked": {
        "fwmark": 80,
        "scheduler": "rr",
        "checks": [ALIVE],
        "destinations": destinations(Family.IPV4, PORT),
    },
    "datagrams": {
        "address": f"[{VIP6}]:53",
        "protocol": "udp",
        "scheduler": "rr",
        "checks": [{"udp": {"send": "alive?", "expect": "alive?"}}],
        "destinations": destinations(Family.IPV6, ECHO_PORT),
    },
}


@dataclass
class Site:
    cluster: Cluster
    director: Director
    servers: dict[str, RealServer]
    echoes: dict[str, EchoServer]

    def ask(self) -> str:
        return self.cluster.ask(Endpoint(VIP6, 53), QUESTION).partition(":")[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Cluster(Forwarding.MASQUERADE) as cluster:
        cluster.mark(VIP, 80)
        servers = {host: cluster.serve(host, PORT) for host in REALSERVERS}
        echoes = {host: cluster.serve_udp(host, ECHO_PORT) for host in REALSERVERS}
        with Director(tmp_path_factory.mktemp("site"), KINDS) as director:
            wait_until(lambda: all(director.weights(name) == ALL for name in KINDS))
            yield Site(cluster, director, servers, echoes)


def test_clients_are_served_by_every_kind_of_service(site: Site) -> None:
    asks: dict[str, Callable[[], str]] = {
        "six": lambda: site.cluster.fetch(Endpoint(VIP6, 80)),
        "marked": lambda: site.cluster.fetch(Endpoint(VIP, 443)),
        "datagrams": site.ask,
    }
    for kind, ask in asks.items():
        assert sorted(ask() for _ in range(6)) == sorted(2 * REALSERVERS), kind


def test_a_server_that_answers_no_datagrams_is_out_in_time_and_comes_back(site: Site) -> None:
    site.echoes["rs2"].stop()
    seconds = wait_until(lambda: "rs2" not in site.director.weights("datagrams"))
    assert seconds <= DETECTION_SECONDS
    assert {site.ask() for _ in range(4)} == {"rs1", "rs3"}
    assert site.director.weights("six") == ALL
    site.cluster.serve_udp("rs2", ECHO_PORT)
    wait_until(lambda: site.director.weights("datagrams") == ALL)
    assert "rs2" in {site.ask() for _ in range(3)}


def test_a_dead_server_leaves_services_at_ipv6_addresses_and_behind_marks(site: Site) -> None:
    site.servers["rs1"].stop()
    left = {"rs2": 100, "rs3": 100}
    assert (
        wait_until(lambda: site.director.weights("six") == site.director.weights("marked") == left) <= DETECTION_SECONDS
    )
    assert {site.cluster.fetch(Endpoint(VIP6, 80)) for _ in range(4)} == {"rs2", "rs3"}
    assert {site.cluster.fetch(Endpoint(VIP, 80)) for _ in range(4)} == {"rs2", "rs3"}
    site.cluster.serve("rs1", PORT)
    wait_until(lambda: site.director.weights("six") == site.director.weights("marked") == ALL)
