"""The examples' own tests pass, run as their authors would run them."""

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
