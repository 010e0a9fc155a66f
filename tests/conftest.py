"""What every run of the tests shares: three costs, each with a deadline, pure tests that stay pure, and no skips.

A test is *pure* unless it is marked `loopback` or stands under tests/lab. Pure tests run first, then those on
loopback, then the lab; the end of the run says how many of each there were. Coverage is recorded by cost, so that
`make coverage` can ask what the pure tests alone have run.
"""

import sys
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any
from unittest import mock

import asyncssh  # noqa: F401 - imported here: it runs programs to look for libraries, which no pure test may do
import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings

LAB = Path(__file__).parent / "lab"
DEADLINE_SECONDS = {"pure": 30, "loopback": 60, "lab": 300}
"""The costs in the order of their tests, and how long one test may take before it fails with a traceback."""

# Every run tries the same examples, and a slow machine fails none; `--hypothesis-profile explore` looks for new ones.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", derandomize=False, deadline=None, max_examples=1000)
settings.load_profile("steady")

IMPURE_EVENTS = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.system",
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.sendmsg",
        "socket.sendto",
        "subprocess.Popen",
    }
)
"""Audit events of the interpreter that a pure test must not cause. An event loop's own pipe causes none of them."""

_cost_key = pytest.StashKey[str]()
_costs_key = pytest.StashKey[dict[str, str]]()
_running_pure = False


class ImpureError(Exception):
    """A pure test has reached for the world outside."""


def _refuse_impure(event: str, arguments: tuple[object, ...]) -> None:
    if _running_pure and event in IMPURE_EVENTS:
        raise ImpureError(f"a pure test must not cause {event}{arguments}: mark it loopback, or inject what it uses")


def _refuse_sleep(seconds: float) -> None:
    raise ImpureError(f"a pure test must not sleep ({seconds} s): mark it loopback, or make time an argument")


sys.addaudithook(_refuse_impure)


def _cost(item: pytest.Item) -> str:
    if LAB in item.path.parents:
        return "lab"
    return "loopback" if item.get_closest_marker("loopback") else "pure"


@pytest.hookimpl(tryfirst=True)  # before -m selects by these marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        item.stash[_cost_key] = cost = _cost(item)
        item.add_marker(cost)
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(DEADLINE_SECONDS[cost]))
    order = list(DEADLINE_SECONDS)
    items.sort(key=lambda item: order.index(item.stash[_cost_key]))
    config.stash[_costs_key] = {item.nodeid: item.stash[_cost_key] for item in items}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run pure tests without a way out, and record coverage under the test's cost."""
    global _running_pure  # noqa: PLW0603 - an audit hook can't be taken away, it can only be told
    cost = item.stash[_cost_key]
    coverage = Coverage.current()
    if coverage is not None:
        coverage.switch_context(cost)
    if cost != "pure":
        return (yield)
    _running_pure = True
    try:
        with mock.patch.object(time, "sleep", _refuse_sleep):
            return (yield)
    finally:
        _running_pure = False


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.outcome == "skipped" or hasattr(report, "wasxfail"):
        reason = getattr(report, "wasxfail", None) or report.longrepr
        report.outcome = "failed"
        report.longrepr = f"a skipped or expected failure hides what does not work here: {reason}"
        report.__dict__.pop("wasxfail", None)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outermost: sees the outcome that would be printed
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


def _cost_line(costs: dict[str, str], passed: set[str], failed: set[str]) -> str:
    """Return "pure: 412 passed, loopback: 95 passed 1 failed, lab: 40 passed"."""
    passes = Counter(costs[nodeid] for nodeid in passed - failed)
    failures = Counter(costs[nodeid] for nodeid in failed)
    return ", ".join(
        f"{cost}: {passes[cost]} passed" + (f" {failures[cost]} failed" if failures[cost] else "")
        for cost in DEADLINE_SECONDS
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outermost: the line stands last, right above pytest's own
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    yield
    costs = config.stash.get(_costs_key, {})
    reported = {
        key: {report.nodeid for report in terminalreporter.stats.get(key, [])} & costs.keys()
        for key in ("passed", "failed", "error")
    }
    terminalreporter.write_line(_cost_line(costs, reported["passed"], reported["failed"] | reported["error"]))
