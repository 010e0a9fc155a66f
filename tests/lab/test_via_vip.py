"""`via: vip`: realservers that do not accept the service's address are found out before clients find them."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from feedback.model import Endpoint, Family, Forwarding
from tests.lab.cluster import (
    REALSERVERS,
    VIP,
    Cluster,
    family_address,
    family_vip,
    inside,
    run,
    saved_table,
    wait_until,
)
from tests.lab.directing import ALIVE, API, PORT, Director, feedback, read_table, service
from tests.lab.traffic import Load

ALL = dict.fromkeys(REALSERVERS, 100)
WITHOUT_RS2 = {"rs1": 100, "rs3": 100}
VIA_VIP = {"http": {"path": "/alive", "via": "vip"}}
BOTH = [ALIVE, VIA_VIP]
PASS, FAIL = ("pass", ""), ("fail", "timeout")


def web(forwarding: Forwarding, family: Family = Family.IPV4, **changes: Any) -> dict[str, Any]:
    """Return a service whose destinations are checked at their own addresses, and through that of the service."""
    port = PORT if forwarding is Forwarding.MASQUERADE else 80
    plain = {
        "address": str(Endpoint(family_vip(family), 80)),
        "forwarding": str(forwarding),
        "checks": BOTH,
        "destinations": {host: str(Endpoint(family_address(host, family), port)) for host in REALSERVERS},
    }
    return service(**(plain | changes))


@pytest.fixture(params=[Forwarding.DIRECT], ids=str)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster whose director takes answers from its own VIP, and whose realservers forward nothing."""
    with Cluster(request.param) as made:
        accept_local(1)
        for host in REALSERVERS:
            with inside(host):
                sysctl("ipv4/ip_forward", 0)
                sysctl("ipv6/conf/all/forwarding", 0)
            made.serve(host, PORT if request.param is Forwarding.MASQUERADE else 80)
        yield made
        accept_local(0)


def sysctl(name: str, value: int) -> None:
    Path("/proc/sys/net", name).write_text(str(value))


def accept_local(value: int) -> None:
    sysctl("ipv4/conf/all/accept_local", value)


@contextlib.contextmanager
def forgotten_connections() -> Iterator[None]:
    """Let the kernel forget connections with a removed destination: else a client whose port was used before hangs."""
    sysctl("ipv4/vs/expire_nodest_conn", 1)
    try:
        yield
    finally:
        sysctl("ipv4/vs/expire_nodest_conn", 0)


def results(director: Director, destination: str, name: str = "web") -> list[tuple[str, str]]:
    return [(one["outcome"], one["reason"]) for one in director.view(name, destination)["checks"]]


def details(director: Director, destination: str) -> set[str]:
    return {one["detail"] for one in director.view("web", destination)["checks"] if one["outcome"] != "pass"}


def ways() -> list[str]:
    """Return the services of probes in the kernel's table, as ipvsadm writes them, without their marks."""
    lines = [line.split(maxsplit=3) for line in saved_table()]
    return sorted(rest[0] for option, kind, _, *rest in lines if (option, kind) == ("-a", "-f"))


def break_vip(address: str) -> None:
    run("ip", "addr", "del", address, "dev", "lo", namespace="rs2")


def mend_vip(address: str) -> None:
    run("ip", "addr", "add", address, "dev", "lo", *(["nodad"] if ":" in address else []), namespace="rs2")


def break_tunnel(_address: str) -> None:
    run("ip", "link", "set", "tunl0", "down", namespace="rs2")


def mend_tunnel(_address: str) -> None:
    run("ip", "link", "set", "tunl0", "up", namespace="rs2")


Hand = Callable[[str], None]
DIRECT, TUNNEL = Forwarding.DIRECT, Forwarding.TUNNEL


@pytest.mark.parametrize(
    ("cluster", "family", "break_it", "mend_it"),
    [
        pytest.param(DIRECT, Family.IPV4, break_vip, mend_vip, id="direct, no address"),
        pytest.param(DIRECT, Family.IPV6, break_vip, mend_vip, id="direct, no address, ipv6"),
        pytest.param(TUNNEL, Family.IPV4, break_vip, mend_vip, id="tunnel, no address"),
        pytest.param(TUNNEL, Family.IPV4, break_tunnel, mend_tunnel, id="tunnel, no tunnel"),
    ],
    indirect=["cluster"],
)
def test_a_realserver_that_does_not_take_the_vip_is_out_and_no_client_meets_it(
    cluster: Cluster, tmp_path: Path, family: Family, break_it: Hand, mend_it: Hand
) -> None:
    vip = family_vip(family)
    own_address = f"{vip}/{128 if family is Family.IPV6 else 32}"
    forwarding = cluster.forwarding
    break_it(own_address)
    with Director(tmp_path, {"web": web(forwarding, family)}) as director, forgotten_connections():
        wait_until(lambda: director.weights("web") == WITHOUT_RS2)
        wait_until(lambda: fails_via_vip(director, "rs2"))
        assert results(director, "rs1") == results(director, "rs3") == [PASS, PASS]
        with cluster.load(Endpoint(vip, 80)) as load:
            wait_until(lambda: load.total() >= 30)
        assert (load.errors, set(load.served)) == ([], {"rs1", "rs3"})
        mend_it(own_address)
        wait_until(lambda: director.weights("web") == ALL)
        assert "rs2" in served(cluster.load(Endpoint(vip, 80)))
        break_it(own_address)
        wait_until(lambda: director.weights("web") == WITHOUT_RS2)
        with cluster.load(Endpoint(vip, 80)) as load:
            wait_until(lambda: load.total() >= 30)
        assert (load.errors, set(load.served)) == ([], {"rs1", "rs3"})
        assert "removed: http#2 check failed 3 of 3: " in director.view("web", "rs2")["why"]


def fails_via_vip(director: Director, destination: str) -> bool:
    """Return whether it passes at its own address alone. A host without the tunnel may say so, by ICMP, or not."""
    return results(director, destination) in ([PASS, FAIL], [PASS, ("fail", "refused")])


def served(load: Load) -> set[str]:
    with load:
        wait_until(lambda: load.total() >= 30)
    return set(load.served)


def test_a_destination_keeps_its_way_whatever_its_health_and_the_way_goes_with_the_check(
    cluster: Cluster, tmp_path: Path
) -> None:
    break_vip(f"{VIP}/32")
    services = {"web": web(cluster.forwarding)}
    with Director(tmp_path, services) as director:
        wait_until(lambda: director.weights("web") == WITHOUT_RS2)
        director.set_admin("web", "rs1", "maintenance")
        wait_until(lambda: director.weights("web") == {"rs3": 100})
        assert ways() == [f"-r {family_address(host, Family.IPV4)}:0 -g -w 1" for host in REALSERVERS]
        before = saved_table()
        director.destroy()
        director.start()
        wait_until(lambda: results(director, "rs2") == [PASS, FAIL])
        assert saved_table() == before
        assert [one["name"] for one in director.request("GET", "/api/v1/services")[1]["services"]] == ["web"]
        director.set_admin("web", "rs1", "enabled")
        director.write({"web": services["web"] | {"checks": [ALIVE]}})
        assert director.request("POST", "/api/v1/reload")[0] == 200
        assert ways() == []
        wait_until(lambda: director.weights("web") == ALL)
        director.write(services)
        assert director.request("POST", "/api/v1/reload")[0] == 200
        assert len(ways()) == len(REALSERVERS)
        wait_until(lambda: director.weights("web") == WITHOUT_RS2)


def test_a_way_that_another_hand_has_taken_is_there_again(cluster: Cluster, tmp_path: Path) -> None:
    with Director(tmp_path, {"web": web(cluster.forwarding)}) as director:
        wait_until(lambda: director.weights("web") == ALL)
        before = saved_table()
        run("ipvsadm", "-C")
        wait_until(lambda: saved_table() == before)
        assert all(results(director, host) == [PASS, PASS] for host in REALSERVERS)


@pytest.mark.usefixtures("cluster")
def test_the_plan_and_a_dry_run_show_the_ways(tmp_path: Path) -> None:
    with Director(tmp_path, {"web": web(DIRECT)}, "--dry-run") as director:
        done = feedback("director", "--config", str(director.config_path), "--check-config")
        assert "probes of web/rs1 added: fwmark " in done.stdout
        assert "  rs1 added to probes of web/rs1 at weight 1\n" in done.stdout
        wait_until(lambda: results(director, "rs1") == [PASS, ("unknown", "local")])
        assert "rs1 added to probes of web/rs1 at weight 1: as configured" in director.events()
        assert saved_table() == []


def test_what_is_wrong_with_the_director_itself_is_said_and_takes_nobody_out(cluster: Cluster, tmp_path: Path) -> None:
    with Director(tmp_path, {"web": web(cluster.forwarding)}) as director:
        wait_until(lambda: director.weights("web") == ALL)
        accept_local(0)
        wait_until(
            lambda: (
                details(director, "rs1")
                == {f"this host drops answers from {VIP} that come by lan: set net.ipv4.conf.lan.accept_local=1"}
            )
        )
        wait_until(lambda: all(results(director, host) == [PASS, ("unknown", "local")] for host in REALSERVERS))
        assert director.weights("web") == ALL
        accept_local(1)
        run("ip", "link", "add", "outside", "type", "dummy")
        try:
            run("ip", "addr", "del", f"{VIP}/32", "dev", "lan")
            run("ip", "addr", "add", f"{VIP}/32", "dev", "outside")
            run("ip", "link", "set", "outside", "up")
            sysctl("ipv4/conf/lan/rp_filter", 1)
            wait_until(
                lambda: (
                    details(director, "rs1")
                    == {f"this host drops answers from {VIP} that come by lan: set net.ipv4.conf.lan.rp_filter=2"}
                )
            )
            sysctl("ipv4/conf/lan/rp_filter", 2)
            wait_until(lambda: all(results(director, host) == [PASS, PASS] for host in REALSERVERS))
        finally:
            run("ip", "link", "del", "outside")
        assert director.weights("web") == ALL


@pytest.mark.parametrize("cluster", [Forwarding.MASQUERADE], indirect=True)
@pytest.mark.parametrize("family", list(Family))
def test_masqueraded_destinations_are_checked_at_their_own_port(
    cluster: Cluster, tmp_path: Path, family: Family
) -> None:
    accept_local(0)  # which their answers do not need
    with Director(tmp_path, {"web": web(cluster.forwarding, family)}) as director:
        wait_until(lambda: director.weights("web") == ALL)
        assert all(results(director, host) == [PASS, PASS] for host in REALSERVERS)
        assert set(saved_one_packet()) == {False}
        other = cluster.serve("rs2", PORT + 1)
        checks = [{"http": {"path": "/other", "via": "vip", "port": PORT + 1}}]
        director.write({"web": web(cluster.forwarding, family, checks=checks)})
        assert director.request("POST", "/api/v1/reload")[0] == 200
        wait_until(lambda: director.weights("web") == {"rs2": 100})
        assert set(other.requests) == {"/other"}


def saved_one_packet() -> list[bool]:
    return [state.service.one_packet for key, state in read_table().items() if key.fwmark]


def test_a_mark_has_an_address_of_its_check(cluster: Cluster, tmp_path: Path) -> None:
    cluster.mark(VIP, 80)
    break_vip(f"{VIP}/32")
    checks = [{"http": {"path": "/alive", "via": "vip", "address": VIP}}]
    marked = web(cluster.forwarding, checks=checks, fwmark=80)
    del marked["address"]
    with Director(tmp_path, {"marked": marked}) as director:
        wait_until(lambda: director.weights("marked") == WITHOUT_RS2)
        assert {cluster.fetch(Endpoint(VIP, 80)) for _ in range(6)} == {"rs1", "rs3"}


class Echo:
    """Answers datagrams from the address that they were sent to, as servers of datagrams do that have several."""

    def __init__(self, host: str, address: str, port: int) -> None:
        with inside(host):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind((address, port))
        self.asked_from: list[int] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            question, sender = self._socket.recvfrom(1000)
            self.asked_from.append(sender[1])
            self._socket.sendto(question, sender)


def test_datagrams_are_led_by_their_mark_even_from_a_port_that_others_have_used(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The kernel gives a probe any port: here there are so few that each of them is everybody's in turn."""
    echoes = {host: Echo(host, VIP, 53) for host in ("rs1", "rs3")}
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40003")
    try:
        asked = {"udp": {"send": "alive?", "expect": "alive?", "via": "vip", "fall": 1, "rise": 1}}
        names = web(
            cluster.forwarding,
            address=f"{VIP}:53",
            protocol="udp",
            checks=[asked],
            destinations={host: f"{family_address(host, Family.IPV4)}:53" for host in REALSERVERS},
        )
        with Director(tmp_path, {"names": names}, listen=str(API)) as director:
            wait_until(lambda: director.weights("names") == WITHOUT_RS2)
            wait_until(lambda: all(len(echo.asked_from) >= 20 for echo in echoes.values()))
            assert all(saved_one_packet())
            assert director.weights("names") == WITHOUT_RS2
            changes = [event for event in director.events() if " in names is " in event]
            assert sorted(event.partition(":")[0] for event in changes) == [
                "rs1 in names is up",
                "rs2 in names is down",
                "rs3 in names is up",
            ]
        assert all(len(set(echo.asked_from)) > 1 for echo in echoes.values())
    finally:
        Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("32768 60999")


def test_all_that_is_in_the_table_goes_with_the_director_where_that_is_wanted(cluster: Cluster, tmp_path: Path) -> None:
    services: Mapping[str, Any] = {"web": web(cluster.forwarding)}
    with Director(tmp_path, services, on_exit="clear") as director:
        wait_until(lambda: director.weights("web") == ALL)
        assert len(ways()) == len(REALSERVERS)
        assert yaml.safe_load(director.config_path.read_text())["director"]["on_exit"] == "clear"
        assert director.terminate() == 0
        assert saved_table() == []
