"""The rules of tests/conftest.py, shown on a small suite with a run of its own."""

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.loopback  # it runs a pytest process

SUITE = {
    "pytest.ini": """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
timeout_method = signal
markers =
    pure
    loopback
    lab
""",
    "lab/test_lab.py": "def test_in_the_lab(): pass",
    "test_module_skip.py": "import pytest; pytest.importorskip('no_such_module')",
    "test_pure.py": """
import asyncio, os, socket, subprocess, time, pytest
def test_connects(): socket.create_connection(("127.0.0.1", 9))
def test_binds(): socket.socket().bind(("127.0.0.1", 0))
def test_sends(): socket.socket(type=socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", 9))
def test_runs_a_program(): subprocess.run(["true"])
def test_runs_a_shell(): os.system("true")
def test_forks(): os.fork() or os._exit(0)
def test_sleeps(): time.sleep(0)
async def test_runs_an_event_loop(): await asyncio.sleep(0)
def test_skips_itself(): pytest.skip("no kernel")
@pytest.mark.skip(reason="no kernel")
def test_is_skipped(): pass
@pytest.mark.xfail(reason="no kernel")
def test_fails_as_expected(): assert False
@pytest.mark.xfail(reason="no kernel")
def test_passes_unexpectedly(): pass
@pytest.mark.timeout(0.2)
def test_hangs():
    while True: pass
""",
    "test_a_loopback.py": """
import socket, subprocess, time, pytest
pytestmark = pytest.mark.loopback
def test_reaches_outside():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    subprocess.run(["true"], check=True)
    time.sleep(0)
def test_fails(): assert False
@pytest.fixture
def broken(): yield; raise OSError
def test_passes_but_leaves_a_mess(broken): pass
""",
}

IMPURE = ["connects", "binds", "sends", "runs_a_program", "runs_a_shell", "forks", "sleeps"]
SKIPPED = ["skips_itself", "is_skipped", "fails_as_expected", "passes_unexpectedly"]


class Run:
    """What the run printed, and why each test failed ("" where it passed), in the order they ran."""

    def __init__(self, output: str, junit: Path) -> None:
        self.output = output
        self.failures: dict[str, str] = {}
        for case in ET.parse(junit).iter("testcase"):
            name = case.attrib["name"].removeprefix("test_")
            self.failures[name] = "".join(part.text or "" for part in case if part.tag in {"failure", "error"})
            assert case.find("skipped") is None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("suite")
    for name, text in SUITE.items():
        root.joinpath(name).parent.mkdir(exist_ok=True)
        root.joinpath(name).write_text(text)
    shutil.copy(Path(__file__).with_name("conftest.py"), root)
    command = [sys.executable, "-m", "pytest", "--junit-xml=junit.xml", "--continue-on-collection-errors", "-q"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stderr
    return Run(done.stdout, root / "junit.xml")


def test_the_end_says_how_many_ran_of_each_cost_above_the_closing_line(run: Run) -> None:
    *_, costs, closing = run.output.splitlines()
    assert costs == "pure: 1 passed 12 failed, loopback: 1 passed 2 failed, lab: 1 passed"
    assert "12 failed, 4 passed, 3 errors in" in closing


def test_pure_tests_run_first_and_the_lab_last(run: Run) -> None:
    order = [name for name in run.failures if name in {"connects", "hangs", "reaches_outside", "in_the_lab"}]
    assert order == ["connects", "hangs", "reaches_outside", "in_the_lab"]


@pytest.mark.parametrize("name", IMPURE)
def test_a_pure_test_that_reaches_outside_fails(run: Run, name: str) -> None:
    assert "ImpureError: a pure test must not" in run.failures[name]


@pytest.mark.parametrize("name", ["runs_an_event_loop", "reaches_outside", "in_the_lab"])
def test_a_pure_test_may_run_an_event_loop_and_the_others_may_reach_outside(run: Run, name: str) -> None:
    assert run.failures[name] == ""


@pytest.mark.parametrize("name", SKIPPED)
def test_a_skip_or_an_expected_failure_fails_with_its_reason(run: Run, name: str) -> None:
    assert "a skipped or expected failure hides" in run.failures[name]
    assert "no kernel" in run.failures[name]


def test_a_module_that_skips_itself_fails_with_its_reason(run: Run) -> None:
    assert "no_such_module" in run.failures["module_skip"]


def test_a_hanging_test_fails_with_a_traceback_and_the_others_go_on(run: Run) -> None:
    assert "while True: pass" in run.failures["hangs"]
    assert "Timeout" in run.failures["hangs"]
