"""Run the tests under tests/lab inside the lab's kernel, and report each as the host's own test.

On the host, one User Mode Linux machine is booted before the first test and runs pytest on every lab test selected,
while the host runs all others; its reports come back through a file, and are waited for where the lab's tests stand in
the order. A machine that dies half-way fails the test it was at, and the next one boots another. Inside, the tests run
as anywhere, as root of a machine of their own.
"""

import json
import os
import shlex
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.uml import LabError, Machine

LAB = Path(__file__).parent
REPORTS_VARIABLE = "FEEDBACK_LAB_REPORTS"
MACHINE_LIMIT_SECONDS = 900
INSIDE_DEADLINE_SECONDS = 120
HOST_DEADLINE_SECONDS = 240
"""How long one test may take inside, and how long the host waits for its reports, booting included: each is the
smaller one of two deadlines, so that a test that hangs is reported by whoever can show where."""

POLL_SECONDS = 0.05


class Reporter:
    """Inside: write each report down as soon as there is one."""

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self._config = config
        self._file = path.open("w")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(INSIDE_DEADLINE_SECONDS))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._file.write(json.dumps(data) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())  # the host sees a page when it is written back


class Run:
    """On the host: one machine running pytest on `items`, and the reports it has made so far."""

    def __init__(self, config: pytest.Config, items: list[str]) -> None:
        self._config = config
        self._reports: dict[str, list[pytest.TestReport]] = {}
        self._lines: Iterator[str] = iter(())
        self.machine = Machine(_script(config, items), MACHINE_LIMIT_SECONDS)
        self._path = self.machine.directory / "reports"
        self._read_bytes = 0

    @property
    def came_to_tests(self) -> bool:
        """Whether any test has been reported."""
        return bool(self._reports)

    def reports(self, nodeid: str) -> list[pytest.TestReport]:
        """Wait until a test is over and return its reports: none when the machine ends or hangs before."""
        deadline = time.monotonic() + HOST_DEADLINE_SECONDS
        while time.monotonic() < deadline:
            running = self.machine.running()
            self._read()
            found = self._reports.get(nodeid, [])
            if found and found[-1].when == "teardown":
                return found
            if not running:
                break
            time.sleep(POLL_SECONDS)
        return []

    def _read(self) -> None:
        """Take in the lines that have been written since the last time."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read_bytes += len(whole) + len(newline)
        for line in whole.splitlines():
            report = self._config.hook.pytest_report_from_serializable(config=self._config, data=json.loads(line))
            self._reports.setdefault(report.nodeid, []).append(report)


class Lab:
    """On the host: stand in for pytest's runner where a test belongs in the lab."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._run: Run | None = None
        self._unusable = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Boot early: it is a computer of its own, and needs one processor only."""
        first = next(filter(_in_lab, session.items), None)
        if first and not self._config.option.collectonly:
            self._boot(first)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        if not _in_lab(item):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._reports(item):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self) -> Generator[None, Any, Any]:
        self._stop()
        return (yield)

    def _reports(self, item: pytest.Item) -> list[pytest.TestReport]:
        """Return a test's reports, or one failure that says why there are none."""
        if self._run is None:
            self._boot(item)
        if self._run is None:
            return [_failure(item, self._unusable)]
        reports = self._run.reports(item.nodeid)
        if reports:
            return reports
        failure = _failure(item, f"the lab ended or hung in this test\n{self._run.machine.account()}")
        if not self._run.came_to_tests:
            self._unusable = "the lab did not come to its first test: see the first failure"
        self._stop()
        return [failure]

    def _boot(self, first: pytest.Item) -> None:
        """Start a machine on the lab's tests from this one on, if there is reason to believe that it will run."""
        if not self._unusable:
            try:
                self._run = Run(self._config, _from(first))
            except LabError as error:
                self._unusable = str(error)

    def _stop(self) -> None:
        if self._run:
            self._run.machine.close()
            self._run = None


def _in_lab(item: pytest.Item) -> bool:
    return LAB in item.path.parents


def _from(item: pytest.Item) -> list[str]:
    """Return the node ids of the selected lab tests from this one on."""
    items = item.session.items
    return [other.nodeid for other in items[items.index(item) :] if _in_lab(other)]


def _script(config: pytest.Config, nodeids: list[str]) -> str:
    """Return the lines of sh that run these tests inside."""
    arguments = "\n".join(nodeids)
    return f"""\
export {REPORTS_VARIABLE}=/lab/reports PYTHONDONTWRITEBYTECODE=1
cat >$TMPDIR/arguments <<'END OF ARGUMENTS'
{arguments}
END OF ARGUMENTS
cd {shlex.quote(str(config.rootpath))}
exec {shlex.quote(sys.executable)} -m pytest -p no:cacheprovider @$TMPDIR/arguments
"""


def _failure(item: pytest.Item, reason: str) -> pytest.TestReport:
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", reason, "call")


def pytest_configure(config: pytest.Config) -> None:
    inside = os.environ.get(REPORTS_VARIABLE)
    config.pluginmanager.register(Reporter(config, Path(inside)) if inside else Lab(config), "lab")
