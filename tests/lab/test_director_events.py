"""What agents find of their hosts is in the table before any check could have told, and out of it by their word."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from feedback.model import Endpoint, Forwarding
from tests.lab.cluster import ADDRESSES, VIP, Cluster, wait_until
from tests.lab.directing import ALIVE, INSIDE, PORT, Director, KilledServer, agent, service, token_file

HOSTS = ("rs1", "rs2")
PATIENT = {"interval": "2s", "fast_interval": "2s", "timeout": "1s", "rise": 2, "fall": 200}
"""The checks would take more than six minutes to find a server down: what changes here, the agents have changed."""
WEB = service(
    checks=[ALIVE],
    check=PATIENT,
    destinations={host: f"{ADDRESSES[host][0]}:{PORT}" for host in HOSTS},
    weights={"policy": "static"},
)
EVEN = {"rs1": 100, "rs2": 100}


@dataclass
class Site:
    cluster: Cluster
    director: Director
    servers: dict[str, KilledServer]
    flag: Path

    def comes_to(self, **weights: int) -> None:
        wait_until(lambda: self.director.weights("web") == weights)

    def why(self) -> str:
        return str(self.director.view("web", "rs1")["why"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    flag = directory / "maintenance"
    watches = {"http": {"listener": PORT, "hold": "100ms"}, "flag": {"file": str(flag), "hold": "100ms"}}
    agents = [
        agent(directory, host, metrics={"memory": {}}, watches=watches if host == "rs1" else {}) for host in HOSTS
    ]
    with Cluster(Forwarding.MASQUERADE) as cluster:
        servers = {host: KilledServer(host) for host in HOSTS}
        try:
            for server in servers.values():
                server.start()
            with Director(directory, {"web": WEB}, listen=str(INSIDE), token_file=token_file(directory)) as director:
                for one in agents:
                    one.start()
                wait_until(lambda: all(director.view("web", host)["utilization"] is not None for host in HOSTS))
                yield Site(cluster, director, servers, flag)
        finally:
            for one in agents:
                one.destroy()
            for server in servers.values():
                server.kill()


def test_a_server_that_is_killed_is_out_of_the_table_long_before_its_checks_decide_and_back_when_it_listens(
    site: Site,
) -> None:
    site.comes_to(**EVEN)
    site.servers["rs1"].kill()
    site.comes_to(rs2=100)
    assert site.why() == f"down, removed: its host says down (nobody listens on TCP port {PORT})"
    assert [site.cluster.fetch(Endpoint(VIP, 80)) for _ in range(6)] == ["ok"] * 6
    site.servers["rs1"].start()
    site.comes_to(**EVEN)
    assert [check["health"] for check in site.director.view("web", "rs1")["checks"]] == ["up"]


def test_a_file_drains_its_host_for_as_long_as_it_is_there(site: Site) -> None:
    site.comes_to(**EVEN)
    site.flag.touch()
    site.comes_to(rs1=0, rs2=100)
    assert site.why().startswith(f"drained by its host ({site.flag} is there): ")
    site.flag.unlink()
    site.comes_to(**EVEN)
