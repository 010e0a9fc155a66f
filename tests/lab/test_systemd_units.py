"""The units of examples/systemd under a real systemd: what runs in their sandbox, and what systemd makes of its end."""

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.cluster import run, saved_table, wait_until
from tests.lab.systemd import HOME, SHIPPED, Systemd

AGENT, DIRECTOR = "feedback-agent", "feedback-director"
SOURCES = SHIPPED / f"{AGENT}.service.d/sources.conf"
FLAG = Path("/run/feedback/flag")

ESCAPES = """\
import mmap, os, socket, subprocess, sys

MADE = "/var/lib/feedback/made"

def run(*command):
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)

ATTEMPTS = {
    "write /etc": lambda: open("/etc/feedback/made", "w"),
    "write /var": lambda: open("/var/made", "w"),
    "write /proc/sys": lambda: open("/proc/sys/kernel/pid_max", "w"),
    "make a control group": lambda: os.mkdir("/sys/fs/cgroup/made"),
    "read another's file": lambda: open("/etc/shadow"),
    "give a file away": lambda: os.chown(MADE, 1, 1),
    "set-user-id": lambda: os.chmod(MADE, 0o4755),
    "become root": lambda: os.setuid(0),
    "end a process of root": lambda: os.kill(1, 0),
    "a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "code of its own": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    "realtime": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "a disk": lambda: open("/dev/ram0"),
    "namespaces": lambda: run("unshare", "--user", "true"),
    "mount": lambda: run("mount", "-t", "tmpfs", "none", "/tmp"),
}

open(MADE, "w").close()
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
    except (OSError, subprocess.CalledProcessError) as error:
        print("refused:", name, error)
    else:
        print("escaped:", name)
"""
"""What nothing that runs in one of the units may do."""

METRICS: dict[str, Any] = {
    "cpu": {},
    "memory": {},
    "load": {},
    "swap": {},
    "network": {"interface": "lo", "capacity": "1Gbit"},
    "disk": {},
    "disk.busy": {"source": "disk", "device": "/dev/mapper/data"},
    "conntrack": {},
    "filedescriptors": {},
    "processes": {},
    "processes.systemd": {"source": "processes", "process": "systemd", "limit": 1},
    "sockets": {"port": 8600},
    "systemd": {"unit": "web"},
    "file": {"path": "/etc/feedback/number", "limit": 10},
    "blocking": {"flag": str(FLAG)},
    "jobs": {"source": "exec", "command": ["sh", "-c", "ps | wc -l >/dev/null; id -u"], "limit": 1},
}
"""What ought to work as shipped, with no more than the unit gives."""


@pytest.fixture(scope="module")
def booted() -> Iterator[Systemd]:
    unload_ipvs()
    run("modprobe", "brd")
    Path("/dev/mapper").mkdir()
    Path("/dev/mapper/data").symlink_to("../ram0")
    with Systemd() as systemd:
        for unit, more in ((AGENT, "[Service]\nWatchdogSec=4s\n"), (DIRECTOR, "")):
            systemd.give_unit(unit, (SHIPPED / f"{unit}.service").read_text(), more)
        systemd.give_unit("web", "[Service]\nExecStart=sleep infinity\n")
        systemd.systemctl("daemon-reload")
        systemd.configure(
            "agent",
            {
                "agent": {"name": "rs1", "directors": ["ws://127.0.0.1:8600/agent"]},
                "metrics": METRICS,
                "watches": {"web": {"unit": "web.service"}, "file": {"file": "/run/maintenance"}},
            },
        )
        Path("/etc/feedback/number").write_text("5\n")
        systemd.configure("director", director())
        yield systemd
    run("ipvsadm", "--clear")


def unload_ipvs() -> None:
    """Take IPVS out of the kernel: the director's unit brings no modprobe, and may not load modules itself."""
    run("ipvsadm", "--clear")
    there = [line.split()[0] for line in Path("/proc/modules").read_text().splitlines()]
    run("rmmod", *(name for name in there if name.startswith("ip_vs_")), "ip_vs")


@pytest.fixture
def systemd(booted: Systemd) -> Systemd:
    """A systemd with our two units and one of a server running."""
    booted.systemctl("start", "dbus", "web", AGENT, DIRECTOR)
    wait_until(lambda: rs1()["agent"] == "connected" and bool(rs1()["metrics"]))
    return booted


def director(**changes: Any) -> dict[str, Any]:
    web: dict[str, Any] = {
        "address": "192.0.2.10:80",
        "scheduler": "wlc",
        "checks": [{"exec": {"command": ["sh", "-c", ":"], "interval": "5s", "timeout": "4s", "rise": 1, "fall": 100}}],
        "weights": {"policy": "static"},
        "destinations": {"rs1": "10.2.0.11:80", "rs2": "10.2.0.12:80"},
    }
    state = "/var/lib/feedback/director.state"
    return {"director": {"name": "lvs1", "state_file": state}, "services": {"web": web | changes}}


def rs1() -> dict[str, Any]:
    """Return what the director knows of the destination rs1."""
    with urllib.request.urlopen("http://127.0.0.1:8600/api/v1/services", timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)["services"][0]["destinations"][0]
    return found


def restarts(systemd: Systemd, unit: str) -> int:
    return int(systemd.show(unit, "NRestarts"))


def test_both_start_as_they_are_shipped_and_say_how_they_are(systemd: Systemd) -> None:
    for unit in (AGENT, DIRECTOR):
        assert systemd.show(unit, "ActiveState") == "active"
        assert restarts(systemd, unit) == 0
        assert systemd.run("ps", "-o", "user=", "-p", systemd.show(unit, "MainPID")).strip() == "feedback"
    wait_until(lambda: "1 of 1 directors connected" in systemd.show(AGENT, "StatusText"))
    wait_until(lambda: len(saved_table()) == 3)
    wait_until(lambda: systemd.show(DIRECTOR, "StatusText") == "1 service and 2 destinations, 2 up")
    assert {"ip_vs", "ip_vs_wlc"} <= {line.split()[0] for line in Path("/proc/modules").read_text().splitlines()}


@pytest.mark.usefixtures("systemd")
def test_every_source_that_needs_no_more_works_in_the_sandbox() -> None:
    wait_until(lambda: METRICS.keys() <= rs1()["metrics"].keys())
    assert rs1()["metrics"]["processes.systemd"] == 1
    assert rs1()["metrics"]["systemd"] == 0


ONCE = "[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\n"


def test_a_line_of_the_drop_in_gives_a_source_what_it_lacks(systemd: Systemd) -> None:
    """Before Linux 6.2, as here, other users' files may not be counted."""
    config = "/etc/feedback/once.yaml"
    metric = {"source": "filedescriptors", "process": "systemd"}
    systemd.configure("once", {"agent": {"directors": ["ws://127.0.0.1:8600/agent"]}, "metrics": {"files": metric}})
    once = f"{ONCE}ExecStart={HOME}/bin/feedback agent --config {config} --once\n"
    more = re.findall("^#(.*CAP_DAC_READ_SEARCH|PrivateUsers=no)$", SOURCES.read_text(), re.MULTILINE)
    systemd.give_unit("once", SOURCES.parent.with_suffix("").read_text(), once + "\n".join(more))
    systemd.systemctl("daemon-reload")
    systemd.systemctl("start", "once")
    assert json.loads(systemd.log("once"))["metrics"]["files"] > 0


def test_keys_and_certificates_are_made_in_the_sandbox(systemd: Systemd) -> None:
    """A library that writes code into memory as it runs, as some for C do, would not get it here."""
    once = f"{ONCE}ExecStart={HOME}/bin/feedback pki init --directory /var/lib/feedback/authority\n"
    systemd.give_unit("pki", (SHIPPED / f"{DIRECTOR}.service").read_text(), once)
    systemd.systemctl("daemon-reload")
    systemd.systemctl("start", "pki")
    assert Path("/var/lib/feedback/authority/ca.pem").owner() == "feedback"


def test_what_runs_in_the_sandbox_can_do_nothing_else(systemd: Systemd) -> None:
    program = HOME / "escapes.py"
    program.write_text(ESCAPES)
    command = f"/usr/bin/env LD_LIBRARY_PATH={HOME}/python/lib {HOME}/python/bin/python3 {program}"
    once = f"{ONCE}ExecStart={command}\n"
    sandboxes = {unit: f"{unit}-sandbox" for unit in (AGENT, DIRECTOR)}
    for unit, sandbox in sandboxes.items():
        systemd.give_unit(sandbox, (SHIPPED / f"{unit}.service").read_text(), once)
    systemd.systemctl("daemon-reload")
    systemd.systemctl("start", *sandboxes.values())
    for sandbox in sandboxes.values():
        lines = systemd.log(sandbox).splitlines()
        assert [line for line in lines if not line.startswith("refused: ")] == []
        assert len(lines) == ESCAPES.count("lambda")


def test_a_unit_that_stops_takes_its_host_out_and_brings_it_back(systemd: Systemd) -> None:
    systemd.systemctl("stop", "web")
    wait_until(lambda: not rs1()["in_table"])
    assert "web.service does not run" in rs1()["why"]
    wait_until(lambda: rs1()["metrics"]["systemd"] == 1)
    systemd.systemctl("start", "web")
    wait_until(lambda: rs1()["in_table"])


def test_an_agent_that_hangs_says_where_and_is_started_again(systemd: Systemd) -> None:
    before = restarts(systemd, AGENT)
    FLAG.touch()
    wait_until(lambda: "Fatal Python error: Aborted" in systemd.log(AGENT))
    FLAG.unlink()
    assert '/blocks.py", line' in systemd.log(AGENT)
    wait_until(lambda: systemd.log(AGENT).partition("Aborted")[2].count("connected director=") == 1)
    assert restarts(systemd, AGENT) > before


def test_a_director_that_is_killed_is_started_again_and_the_table_stays(systemd: Systemd) -> None:
    table = saved_table()
    before = restarts(systemd, DIRECTOR)
    running = systemd.log(DIRECTOR).count("running, table=kernel")
    systemd.systemctl("kill", "--signal=KILL", DIRECTOR)
    assert saved_table() == table
    wait_until(lambda: systemd.log(DIRECTOR).count("running, table=kernel") == running + 1)
    assert restarts(systemd, DIRECTOR) > before
    assert saved_table() == table


def test_a_reload_is_over_when_systemctl_ends_and_a_broken_one_fails(systemd: Systemd) -> None:
    systemd.configure("director", director(scheduler="wrr"))
    systemd.systemctl("reload", DIRECTOR)
    assert any("-s wrr" in line for line in saved_table())
    systemd.configure("director", director(scheduler=7))
    assert "failed" in systemd.systemctl("reload", DIRECTOR, check=False)
    assert systemd.show(DIRECTOR, "ActiveState") == "active"
    assert any("-s wrr" in line for line in saved_table())
    systemd.configure("director", director(scheduler="wrr"))


def test_services_that_are_stopped_leave_the_table_as_it_is(systemd: Systemd) -> None:
    table = saved_table()
    systemd.systemctl("stop", DIRECTOR)  # first: an agent that is stopped says so, and a director drains its host
    systemd.systemctl("stop", AGENT)
    assert [systemd.show(unit, "Result") for unit in (AGENT, DIRECTOR)] == ["success", "success"]
    assert len(table) == 3
    assert saved_table() == table
