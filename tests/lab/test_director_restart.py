"""The director killed and started again, and told another configuration: clients notice nothing of either."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from feedback.model import Endpoint, Forwarding
from tests.lab.cluster import REALSERVERS, VIP, Cluster, run, saved_table, wait_until
from tests.lab.directing import PORT, RISE, Director, Transfer, Watch, feedback, service
from tests.lab.traffic import STREAM_CHUNK_BYTES

WEB = Endpoint(VIP, 80)
ALL = dict.fromkeys(REALSERVERS, 100)
STREAM = bytes(20 * STREAM_CHUNK_BYTES)
UNCHECKED: dict[str, Any] = {"checks": []}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(Forwarding.MASQUERADE) as cluster:
        for host in ("rs1", "rs2"):
            cluster.serve(host, PORT)
        yield cluster


def test_clients_and_table_notice_nothing_of_a_killed_director(cluster: Cluster, tmp_path: Path) -> None:
    web = service(weights={"policy": "equalize"})
    mail = service(81, **UNCHECKED)
    director = Director(tmp_path, {"web": web, "mail": mail, "old": service(82, **UNCHECKED)})
    with director:
        wait_until(lambda: director.weights("web") == {"rs1": 100, "rs2": 100})
        wait_until(lambda: director.view("web", "rs3")["health"] == "down")
        director.set_admin("web", "rs2", "drain")
        assert feedback("maintain", "mail", "rs1").returncode == 0
        assert director.weights("mail") == {"rs2": 100, "rs3": 100}
        with Watch(web) as watch, cluster.load(WEB, threads=2, pause_seconds=0.02) as load, Transfer(web) as transfer:
            wait_until(lambda: load.total() >= 20)
            director.destroy()
            wait_until(lambda: load.total() >= 40)
            # A weight as the policy may have left it: a new director must go on from there.
            run("ipvsadm", "-e", "-t", str(WEB), "-r", "10.2.0.11:8080", "-m", "-w", "60")
            server = cluster.serve("rs3", PORT)
            director.write({"web": web, "mail": mail})
            director.start()
            wait_until(lambda: "rs3" in director.weights("web"))
            assert server.requests["/alive"] >= RISE
            wait_until(lambda: director.view("web", "rs1")["health"] == director.view("web", "rs2")["health"] == "up")
            assert transfer.finish() == STREAM
        assert load.errors == []
        left = {"rs1": 60, "rs2": 0}
        assert watch.seen == [{"rs1": 100, "rs2": 0}, left, left | {"rs3": 100}]
        assert watch.looks > 50
        assert director.view("web", "rs2")["admin"] == "drain"
        assert director.view("mail", "rs1")["admin"] == "maintenance"
        assert director.weights("mail") == {"rs2": 100, "rs3": 100}
        assert not [line for line in saved_table() if f"{VIP}:82" in line]  # no longer configured, and known as ours
    server.stop()


def test_a_reload_changes_what_has_changed_and_disturbs_nothing_else(cluster: Cluster, tmp_path: Path) -> None:
    server = cluster.serve("rs3", PORT)
    same, changed = service(80), service(81, **UNCHECKED)
    with Director(tmp_path, {"same": same, "changed": changed, "removed": service(82, **UNCHECKED)}) as director:
        wait_until(lambda: director.weights("same") == director.weights("changed") == ALL)
        with Watch(same) as watch, Transfer(same) as in_same, Transfer(changed) as in_changed:
            places = changed["destinations"]
            stays = in_changed.destination
            goes, other = (name for name in REALSERVERS if name != stays)
            fewer = {stays: places[stays], other: {"address": places[other], "weight": 50}}
            director.write(
                {
                    "same": same,
                    "changed": changed | {"scheduler": "wlc", "destinations": fewer},
                    "added": service(83, **UNCHECKED),
                }
            )
            assert feedback("reload").returncode == 0
            assert director.weights("changed") == {stays: 100, other: 50}
            assert director.weights("added") == ALL
            assert f"-A -t {VIP}:81 -s wlc" in saved_table()
            assert not [line for line in saved_table() if f"{VIP}:82" in line]
            assert in_changed.finish() == STREAM
            assert in_same.finish() == STREAM
        assert watch.seen == [ALL]
        told = director.events()
        assert "configuration reloaded: added added; removed removed; changed changed" in told
        assert f"{goes} removed from changed: it is no longer in the configuration" in told
        assert "removed deleted: it is no longer in the configuration" in told

        before = saved_table()
        director.write({"same": same | {"scheduler": "fast"}, "changed": changed | {"fallback": "nowhere"}})
        refused = feedback("reload")
        assert refused.returncode == 2
        assert "director.yaml:" in refused.stderr
        assert "services.same.scheduler" in refused.stderr
        assert "services.changed.fallback" in refused.stderr
        director.send(signal.SIGHUP)
        wait_until(lambda: sum("configuration refused" in event for event in director.events()) == 2)
        assert saved_table() == before
        assert director.healthy()

        director.write({"same": same})
        director.send(signal.SIGHUP)
        wait_until(lambda: len(saved_table()) == 4)
        assert director.weights("same") == ALL
    server.stop()
