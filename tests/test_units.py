"""The units of examples/systemd as systemd's own tools see them, which need no running systemd.

tests/lab/test_systemd_units.py runs them.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.loopback

UNITS = Path(__file__).parents[1] / "examples/systemd"
LEAST_EXPOSURE = {"feedback-agent": 2.0, "feedback-director": 4.0}
"""The exposure, from 0 to 10, that `systemd-analyze security` must find to be less."""

COMMENTED_OUT = re.compile(r"^#([A-Z]\w+=)", re.MULTILINE)


def run(*command: str) -> str:
    """Run a program of systemd's; return what it printed."""
    environment = {**os.environ, "LANG": "C.UTF-8", "SYSTEMD_COLORS": "0"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False, env=environment)
    assert done.returncode == 0, f"{command}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def exposure(unit: Path) -> float:
    found = re.search(
        r"Overall exposure level for \S+: ([0-9.]+) ", run("systemd-analyze", "security", "--offline=true", str(unit))
    )
    assert found is not None
    return float(found[1])


def complaints(unit: Path) -> str:
    return run("systemd-analyze", "verify", "--recursive-errors=no", "--man=no", str(unit))


@pytest.fixture(params=LEAST_EXPOSURE)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a unit, with a command that there is on every host."""
    name: str = request.param
    unit = tmp_path / f"{name}.service"
    unit.write_text((UNITS / unit.name).read_text().replace("/opt/feedback/bin/feedback", sys.executable))
    return unit


def write_drop_in(unit: Path, text: str) -> None:
    directory = unit.with_name(f"{unit.name}.d")
    directory.mkdir()
    (directory / "more.conf").write_text(text)


def test_a_unit_exposes_little(unit: Path) -> None:
    assert exposure(unit) < LEAST_EXPOSURE[unit.stem]


def test_systemd_has_nothing_to_say_against_a_unit(unit: Path) -> None:
    assert complaints(unit) == ""


def test_each_line_that_may_be_added_is_one_that_systemd_knows(unit: Path) -> None:
    (drop_in,) = (UNITS / f"{unit.name}.d").iterdir()
    text = drop_in.read_text()
    assert COMMENTED_OUT.search(text)
    write_drop_in(unit, COMMENTED_OUT.sub(r"\1", text))
    assert complaints(unit) == ""


def test_as_it_is_shipped_a_drop_in_changes_nothing(unit: Path) -> None:
    (drop_in,) = (UNITS / f"{unit.name}.d").iterdir()
    before = exposure(unit)
    write_drop_in(unit, drop_in.read_text())
    assert complaints(unit) == ""
    assert exposure(unit) == before


def test_the_director_has_one_capability_and_the_agent_none() -> None:
    def capabilities(name: str) -> set[str]:
        return set(re.findall(r"^\w*Capabilit\w+=.*", (UNITS / f"{name}.service").read_text(), re.MULTILINE))

    assert capabilities("feedback-agent") == {"CapabilityBoundingSet="}
    assert capabilities("feedback-director") == {
        "AmbientCapabilities=CAP_NET_ADMIN",
        "CapabilityBoundingSet=CAP_NET_ADMIN",
    }


def test_the_user_can_be_made_and_may_log_in_nowhere(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", f"--root={tmp_path}", str(UNITS / "sysusers.d/feedback.conf"))
    (line,) = (tmp_path / "etc/passwd").read_text().splitlines()
    name, *_, home, shell = line.split(":")
    assert (name, home, shell) == ("feedback", "/var/lib/feedback", "/usr/sbin/nologin")
