"""What servers that fail come to on a real table: remove, quiesce, fall back, or keep what may still work."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from feedback.model import Endpoint, Forwarding
from tests.lab.cluster import REALSERVERS, VIP, Cluster, inside, wait_until
from tests.lab.directing import DETECTION_SECONDS, FALL, PORT, Director, Watch, service
from tests.lab.traffic import RealServer

SORRY = Endpoint("10.2.0.1", 9090)
ALL = dict.fromkeys(REALSERVERS, 100)
SERVICES = {
    "removing": service(80, fallback=str(SORRY)),
    "quiescing": service(81, on_failure="quiesce"),
    "panicking": service(82, min_healthy=0.5),
    "unreachable": service(83, fallback=f"127.0.0.1:{SORRY.port}"),
    "impatient": service(84, fallback=str(SORRY), check={"interval": "1s", "timeout": "300ms"}),
}


class Trickle(RealServer):
    """Answers one byte a second."""

    def _answer(self, connection: socket.socket, _path: str) -> None:
        for byte in b"HTTP/1.1 200 OK\r\n\r\n":
            connection.sendall(bytes([byte]))
            time.sleep(1)


class Flood(RealServer):
    """Answers with 10 GB and no end."""

    def _answer(self, connection: socket.socket, _path: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(10_000):
            connection.sendall(b"x" * 1_000_000)


class Silence(RealServer):
    """Never answers."""

    def _answer(self, connection: socket.socket, _path: str) -> None:
        connection.recv(1)


@dataclass
class Site:
    cluster: Cluster
    director: Director
    servers: dict[str, RealServer]

    def stop(self, *hosts: str) -> None:
        for host in hosts:
            self.servers[host].stop()

    def serve(self, *hosts: str) -> None:
        for host in hosts:
            self.servers[host] = self.cluster.serve(host, PORT)

    def settle(self) -> None:
        wait_until(lambda: all(self.director.weights(name) == ALL for name in SERVICES))

    def told(self, event: str) -> bool:
        return any(event in one for one in self.director.events())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Cluster(Forwarding.MASQUERADE) as cluster:
        sorry = RealServer("sorry", SORRY.port)
        servers = {host: cluster.serve(host, PORT) for host in REALSERVERS}
        with Director(tmp_path_factory.mktemp("site"), SERVICES) as director:
            yield Site(cluster, director, servers)
        sorry.stop()


def test_a_failing_destination_is_quiesced_where_that_is_wanted(site: Site) -> None:
    site.settle()
    site.stop("rs1")
    seconds = wait_until(lambda: site.director.weights("quiescing") == ALL | {"rs1": 0})
    assert seconds <= DETECTION_SECONDS
    assert site.told("rs1 in quiescing: weight 100 to 0 (quiesced): http check failed 3 of 3: refused")
    site.serve("rs1")
    site.settle()


def test_the_fallback_serves_exactly_while_no_destination_is_usable(site: Site) -> None:
    site.settle()
    with Watch(SERVICES["removing"]) as watch:
        site.stop("rs1", "rs2", "rs3")
        wait_until(lambda: site.director.weights("removing") == {str(SORRY): 1})
        assert site.cluster.fetch(Endpoint(VIP, 80)) == "sorry"
        wait_until(lambda: site.director.weights("unreachable") == {f"127.0.0.1:{SORRY.port}": 1})
        with pytest.raises(TimeoutError):  # the kernel drops it, and the configuration's warning says so
            site.cluster.fetch(Endpoint(VIP, 83), timeout_seconds=0.5)
        assert f"services.unreachable.fallback: 127.0.0.1:{SORRY.port} is out of clients' reach" in site.director.log
        site.serve("rs2")
        wait_until(lambda: site.director.weights("removing") == {"rs2": 100})
        assert site.cluster.fetch(Endpoint(VIP, 80)) == "rs2"
    assert all((str(SORRY) in seen) == (seen.keys() == {str(SORRY)}) for seen in watch.seen)
    site.serve("rs1", "rs3")
    site.settle()


def test_min_healthy_keeps_failing_destinations_rather_than_nothing(site: Site) -> None:
    site.settle()
    site.stop("rs1")
    wait_until(lambda: site.director.weights("panicking") == {"rs2": 100, "rs3": 100})
    site.stop("rs2", "rs3")
    wait_until(lambda: all(site.director.view("panicking", name)["health"] == "down" for name in REALSERVERS))
    assert site.director.weights("panicking") == {"rs2": 100, "rs3": 100}
    wait_until(lambda: site.director.weights("removing") == {str(SORRY): 1})
    why = site.director.view("panicking", "rs2")["why"]
    assert why.startswith("down, but held at weight 100, as fewer than min_healthy 0.5 are healthy: http check failed")
    assert site.told("panicking: fewer than 50% of its destinations are healthy, so failing ones are kept")
    with Watch(SERVICES["panicking"]) as watch:
        site.serve(*REALSERVERS)
        site.settle()
    assert all({"rs2": 100, "rs3": 100}.items() <= seen.items() for seen in watch.seen)
    assert site.told("panicking: enough of its destinations are healthy again")


def test_a_realserver_that_trickles_floods_or_is_silent_leaves_the_table(site: Site) -> None:
    site.settle()
    site.stop(*REALSERVERS)
    for host, kind in zip(REALSERVERS, (Trickle, Flood, Silence), strict=True):
        with inside(host):
            site.servers[host] = kind(host, PORT)
    seconds = wait_until(lambda: site.director.weights("impatient") == {str(SORRY): 1})
    assert seconds <= FALL * 1.0 + 0.3
    trickle, flood, silence = (site.director.view("impatient", host)["checks"][0]["reason"] for host in REALSERVERS)
    assert (trickle, silence) == ("timeout", "timeout")
    assert flood in {"limit", "timeout"}  # on a busy machine its deadline comes before its limit
    site.stop(*REALSERVERS)
    site.serve(*REALSERVERS)
    site.settle()
