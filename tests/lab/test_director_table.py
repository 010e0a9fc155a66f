"""The director and other hands at one kernel's table: what is its own it puts right, what is not it never touches.

No realserver is needed: destinations without checks are used as they are.
"""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.cluster import REALSERVERS, VIP, run, saved_table, unload_ipvs, wait_until
from tests.lab.directing import API, Director, feedback, service

WEB = f"-t {VIP}:80"
ALL = dict.fromkeys(REALSERVERS, 100)
UNCHECKED = service(checks=[])
FOREIGN = [
    "-A -t 192.0.2.10:25 -s rr -p 360",
    "-A -u 192.0.2.77:53 -s wlc",
    "-a -t 192.0.2.10:25 -r 10.9.0.1:25 -m -w 7",
    "-a -t 192.0.2.10:25 -r 10.9.0.2:25 -m -w 0",
    "-a -u 192.0.2.77:53 -r 10.9.0.3:53 -g -w 3",
]


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    """Begin and end with an IPVS of its own, with services in it that no director knows."""
    unload_ipvs()
    for line in sorted(FOREIGN):
        run("ipvsadm", *line.split())
    yield
    unload_ipvs()


def foreign() -> list[str]:
    """Return the lines of the table that are not the service web's."""
    return [line for line in saved_table() if WEB not in line]


def test_what_another_hand_does_is_put_right_and_told(tmp_path: Path) -> None:
    with Director(tmp_path, {"web": UNCHECKED}) as director:
        wait_until(lambda: director.weights("web") == ALL)
        ours = saved_table()
        run("ipvsadm", "-d", *WEB.split(), "-r", "10.2.0.11:8080")
        run("ipvsadm", "-e", *WEB.split(), "-r", "10.2.0.12:8080", "-m", "-w", "7")
        run("ipvsadm", "-a", *WEB.split(), "-r", "10.2.0.99:8080", "-m")
        run("ipvsadm", "-E", *WEB.split(), "-s", "rr")
        wait_until(lambda: saved_table() == ours)
        told = director.events()
        assert "rs1 added to web at weight 100: another hand had removed it" in told
        assert "rs2 in web: weight 7 to 100: another hand had changed it" in told
        assert "10.2.0.99:8080 removed from web: another hand had added it" in told
        assert f"web changed: tcp {VIP}:80 wrr: another hand had changed it" in told
        run("ipvsadm", "-C")
        wait_until(lambda: director.weights("web") == ALL)
        assert saved_table() == [line for line in ours if WEB in line]
        assert f"web added: tcp {VIP}:80 wrr: another hand had deleted it" in director.events()
        assert director.events().count("rs1 added to web at weight 100: another hand had removed it") == 2
        unload_ipvs()
        wait_until(lambda: director.weights("web") == ALL)


def test_services_of_others_stay_as_they_are_from_start_to_end(tmp_path: Path) -> None:
    with Director(tmp_path, {"web": UNCHECKED}) as director:
        wait_until(lambda: director.weights("web") == ALL)
        assert foreign() == FOREIGN
        director.write({"web": UNCHECKED | {"scheduler": "wlc"}})
        assert feedback("reload").returncode == 0
        assert f"-A {WEB} -s wlc" in saved_table()
        before = saved_table()
        assert director.terminate() == 0
        assert saved_table() == before
    assert [line for line in before if WEB not in line] == FOREIGN


def test_clearing_at_the_end_deletes_its_own_services_alone(tmp_path: Path) -> None:
    with Director(tmp_path, {"web": UNCHECKED}, on_exit="clear") as director:
        wait_until(lambda: director.weights("web") == ALL)
        assert director.terminate() == 0
    assert saved_table() == FOREIGN
    assert "web deleted: on_exit is clear" in director.log


def test_checking_the_configuration_and_a_dry_run_write_nothing(tmp_path: Path) -> None:
    run("ipvsadm", "-A", *WEB.split(), "-s", "rr")
    run("ipvsadm", "-a", *WEB.split(), "-r", "10.2.0.11:8080", "-m", "-w", "7")
    before = saved_table()
    director = Director(tmp_path, {"web": UNCHECKED})
    checked = feedback("director", "--config", str(director.config_path), "--check-config")
    assert checked.returncode == 0
    assert f"web changed: tcp {VIP}:80 wrr" in checked.stdout
    assert "rs1 in web: weight 7 to 100" in checked.stdout
    assert "rs2 added to web at weight 100" in checked.stdout
    with Director(tmp_path, {"web": UNCHECKED}, "--dry-run") as director:
        wait_until(lambda: "rs2 added to web at weight 100: its checks pass" in director.events())
        director.set_admin("web", "rs1", "drain")
    assert saved_table() == before
    assert not director.state_path.exists()


def test_a_taken_port_ends_the_start_before_the_table_is_touched(tmp_path: Path) -> None:
    with socket.create_server((API.address, API.port)):
        ended = feedback("director", "--config", str(Director(tmp_path, {"web": UNCHECKED}).config_path))
    assert ended.returncode == 1
    assert f"can't listen on {API}: {os.strerror(errno.EADDRINUSE)}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert saved_table() == FOREIGN


def test_a_damaged_state_file_ends_the_start_before_the_table_is_touched(tmp_path: Path) -> None:
    director = Director(tmp_path, {"web": UNCHECKED})
    director.state_path.write_text('{"version": 1, "admin": {"web": {"rs1": "dr')
    ended = feedback("director", "--config", str(director.config_path))
    assert ended.returncode == 1
    assert f"state_file {director.state_path} is damaged" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert saved_table() == FOREIGN


def test_a_kernel_without_ipvs_is_a_sentence(tmp_path: Path) -> None:
    director = Director(tmp_path, {"web": UNCHECKED})
    unload_ipvs()
    loader = Path("/proc/sys/kernel/modprobe")
    before = loader.read_text()
    loader.write_text("/bin/false")
    try:
        ended = feedback("director", "--config", str(director.config_path))
    finally:
        loader.write_text(before)
    assert ended.returncode == 1
    assert "the kernel has no IPVS: load its module with `modprobe ip_vs`" in ended.stderr
    assert "Traceback" not in ended.stderr
