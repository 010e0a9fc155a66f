"""A real systemd in the lab, to start the units of examples/systemd as they are shipped.

with Systemd() as systemd:
    systemd.configure("agent", {"agent": ...})
    systemd.give_unit("feedback-agent", (SHIPPED / "feedback-agent.service").read_text())
    systemd.systemctl("daemon-reload")
    systemd.systemctl("start", "feedback-agent")

It is the first process of namespaces of its own, as in a container, on the lab's files; the network and so the IPVS
table are the lab's. It has no units but those that it is given here, and no journal: what a service prints is in `log`.
"""

import contextlib
import os
import signal
import site
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Self

import yaml

from tests import blocks
from tests.lab.cluster import COMMAND_TIMEOUT_SECONDS, run, wait_until

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "examples/systemd"
SYSTEMD = "/lib/systemd/systemd"
NEEDED_TARGETS = ("sysinit", "basic", "shutdown", "slices", "network-online", "sockets")
HOME = Path("/opt/feedback")
"""Where the units look for the command: our interpreter and our code, where every user may read them."""

LOGS = Path("/var/log/systemd-of-the-lab")
TAIL_CHARACTERS = 2000

COMMAND = f"""\
#!/bin/sh
export LD_LIBRARY_PATH={HOME}/python/lib PYTHONPATH={HOME}/code:{HOME}/libraries:{HOME}/plugins
export PYTHONDONTWRITEBYTECODE=1 SSL_CERT_FILE=/dev/null
exec {HOME}/python/bin/python3 -m feedback "$@"
"""

FIRST_PROCESS = f"""\
mount --make-rprivate /
cd /run/root && mount --move . / && exec chroot . /bin/sh -c '
mount -t proc proc /proc
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export SYSTEMD_UNIT_PATH=/etc/systemd/lab container=lab
exec {SYSTEMD} --system --unit=basic.target --log-target=console --show-status=no'
"""
"""The lab's tests run in a chroot (init.sh), in which there are no user namespaces: this one is left."""


BUS = Path("/etc/systemd/lab-bus.conf")
BUS_CONFIG = """\
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""
BUS_SOCKET = "[Socket]\nListenStream=/run/dbus/system_bus_socket\n"
BUS_SERVICE = f"""\
[Unit]
Requires=dbus.socket
[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/bin/dbus-daemon --config-file={BUS} --address=systemd: --nofork --nopidfile --systemd-activation
"""
"""The bus on which systemd is asked for its units: to these two it connects by itself once they run."""


class Systemd:
    """One systemd, and the files of its units. All is gone at its end, but for the user `feedback`."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._units = Path("/etc/systemd/lab")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._stack = stack
            self._install(stack)
            self._write_targets()
            self.give_unit("dbus", BUS_SERVICE)
            (self._units / "dbus.socket").write_text(BUS_SOCKET)
            BUS.write_text(BUS_CONFIG)
            self._process = self._boot(stack)
            wait_until(lambda: bool(self._first()))
            wait_until(lambda: self.systemctl("is-system-running", check=False).strip() == "running")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def configure(self, service: str, config: dict[str, Any]) -> None:
        """Write agent.yaml or director.yaml."""
        Path("/etc/feedback").mkdir(exist_ok=True)
        Path(f"/etc/feedback/{service}.yaml").write_text(yaml.safe_dump(config))

    def give_unit(self, service: str, text: str, more: str = "") -> None:
        """Write a service's unit, and `more` as a drop-in of it. Wants `daemon-reload`."""
        log = f"[Service]\nStandardOutput=append:{LOGS}/{service}.log\nStandardError=inherit\n"
        unit = self._units / f"{service}.service"
        unit.write_text(text)
        additions = unit.with_name(f"{unit.name}.d")
        additions.mkdir()
        for name, addition in (("log", log), ("more", more)):
            (additions / f"{name}.conf").write_text(addition)

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command beside systemd, as root; return what it printed."""
        inside = ["nsenter", f"--target={self._first()}", "--mount", "--pid", "--cgroup", "--ipc", "--uts"]
        done = subprocess.run(
            [*inside, *command], capture_output=True, text=True, timeout=COMMAND_TIMEOUT_SECONDS, check=False
        )
        said = f"{done.stderr}{done.stdout}"
        assert not check or done.returncode == 0, f"{command}: {done.returncode}: {said}{self._account()}"
        return done.stdout + done.stderr

    def systemctl(self, *arguments: str, check: bool = True) -> str:
        """Run systemctl; return what it printed."""
        return self.run("systemctl", *arguments, check=check)

    def show(self, unit: str, what: str) -> str:
        """Return one property of a unit."""
        return self.systemctl("show", "--value", f"--property={what}", unit).strip()

    def log(self, unit: str) -> str:
        """Return what a service has printed."""
        return (LOGS / f"{unit}.log").read_text()

    def _account(self) -> str:
        """Return the ends of what the services have printed, for a person."""
        return "\n".join(f"--- {path} ---\n{path.read_text()[-TAIL_CHARACTERS:]}" for path in LOGS.glob("*.log"))

    def _first(self) -> str:
        """Return the process id of systemd, as it is outside; nothing when it has not begun."""
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().strip()

    def _install(self, stack: contextlib.ExitStack) -> None:
        """Put the command where the units look for it, and make the user, as install.md has it."""
        libraries = next(path for path in site.getsitepackages() if Path(path).is_dir())
        for name, source in (("python", sys.base_prefix), ("code", str(ROOT)), ("libraries", libraries)):
            (HOME / name).mkdir(parents=True)
            run("mount", "--bind", source, str(HOME / name))
            stack.callback(run, "umount", str(HOME / name))
        blocks.install(HOME / "plugins")
        (HOME / "bin").mkdir()
        (HOME / "bin/feedback").write_text(COMMAND)
        (HOME / "bin/feedback").chmod(0o755)
        run("systemd-sysusers", str(SHIPPED / "sysusers.d/feedback.conf"))

    def _write_targets(self) -> None:
        self._units.mkdir()
        LOGS.mkdir()
        for target in NEEDED_TARGETS:
            (self._units / f"{target}.target").write_text(f"[Unit]\nDescription={target}\nDefaultDependencies=no\n")

    def _boot(self, stack: contextlib.ExitStack) -> subprocess.Popen[bytes]:
        outside = ["nsenter", "--target=1", "--mount"]  # of the chroot
        apart = ["unshare", "--mount", "--pid", "--cgroup", "--ipc", "--uts", "--fork", "--kill-child"]
        process = subprocess.Popen([*outside, *apart, "sh", "-c", FIRST_PROCESS], stdin=subprocess.DEVNULL)
        stack.callback(remove_groups)
        stack.callback(process.wait)
        stack.callback(process.send_signal, signal.SIGKILL)
        return process


def remove_groups() -> None:
    """Remove the control groups that a systemd has left: they belong to the whole machine."""
    with tempfile.TemporaryDirectory() as hierarchy:
        run("mount", "-t", "cgroup2", "none", hierarchy)
        for directory, _, _ in os.walk(hierarchy, topdown=False):
            if directory != hierarchy:
                wait_until(partial(removed, Path(directory)))
        run("umount", hierarchy)


def removed(group: Path) -> bool:
    """Remove a group, unless its last processes are still about to end."""
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()
