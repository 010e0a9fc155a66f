"""The examples' own tests pass, run as their authors would run them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.loopback

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("project", [path.parent.name for path in sorted(EXAMPLES.glob("*/pyproject.toml"))])
def test_an_example_passes_its_own_tests(project: str) -> None:
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    done = subprocess.run(command, cwd=EXAMPLES / project, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_the_example_check_is_as_short_as_promised() -> None:
    lines = (EXAMPLES / "gearman" / "gearman_check.py").read_text().splitlines()
    assert len(lines) < 60


def test_an_installed_example_has_its_plugins_beside_the_built_in_ones(tmp_path: Path) -> None:
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(tmp_path)]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, str(EXAMPLES / "gearman")], check=True, timeout=50
    )
    done = subprocess.run(
        [sys.executable, "-m", "feedback", "plugins", "--json"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        timeout=50,
        check=True,
    )
    told = json.loads(done.stdout)
    found = {(plugin["kind"], plugin["name"]) for plugin in told["plugins"]}
    assert {("check", "gearman"), ("source", "gearman"), ("policy", "two_speeds"), ("check", "http")} <= found
    assert told["broken"] == []
