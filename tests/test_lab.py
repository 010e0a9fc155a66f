"""The lab seen from the host: how it is started, what it says when it can't be, and that nothing of it is left."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.uml import LabError, Machine

pytestmark = pytest.mark.loopback

ROOT = Path(__file__).parents[1]


def processes_with(text: str) -> list[str]:
    """Return the command lines of all processes that have a text in them, but for those that are over."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in command:
            found.append(command)
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_until_gone(directory: Path) -> None:
    wait_until(lambda: not processes_with(str(directory)))


def test_a_script_runs_in_a_kernel_of_its_own_and_tells_its_exit_status() -> None:
    with Machine(
        "uname -r; lsmod | grep -c '^ip_vs '; touch /etc/written; echo kept >/lab/kept; exit 3", 60
    ) as machine:
        directory = machine.directory
        assert machine.wait() == "3"
        release, modules = (directory / "output").read_text().split()
        assert (directory / "kept").read_text() == "kept\n"
    assert release != os.uname().release
    assert modules == "1"
    assert not Path("/etc/written").exists()
    assert not directory.exists()
    wait_until_gone(directory)


def test_the_machine_leaves_out_the_time_in_which_it_has_nothing_to_do() -> None:
    with Machine("date +%s; sleep 3600; date +%s", 60) as machine:
        assert machine.wait() == "0"
        before, after = map(int, (machine.directory / "output").read_text().split())
    assert 3600 <= after - before < 3660


def test_a_machine_can_be_switched_off_and_shows_how_far_it_came() -> None:
    with Machine("echo began; sleep infinity", 60) as machine:
        wait_until(lambda: "--- the lab's output ---\nbegan\n" in machine.account())
        assert machine.running()
    assert not machine.running()
    wait_until_gone(machine.directory)


def test_a_machine_that_takes_too_long_is_ended() -> None:
    with Machine("sleep infinity", 1) as machine:
        assert machine.wait() == ""
        wait_until_gone(machine.directory)


def test_a_machine_dies_with_its_owner() -> None:
    script = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from tests.lab.uml import Machine
print(Machine("sleep infinity", 60).directory, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        directory = Path(owner.stdout.readline().strip())
        wait_until((directory / "output").exists)
        owner.kill()
    wait_until_gone(directory)
    shutil.rmtree(directory)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match=r"^the lab needs the Debian packages .*user-mode-linux.*: install them with"):
        Machine("true", 60)


def test_a_lab_test_that_cannot_run_fails_with_the_reason(tmp_path: Path) -> None:
    lab_test = "tests/lab/test_table.py::test_sysctls_are_read_from_the_kernel"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", lab_test]
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "the lab needs the Debian packages tcc user-mode-linux: install them with apt-get" in done.stdout
