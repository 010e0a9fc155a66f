from collections.abc import Mapping

import pytest

from feedback.agent.agent_check import idle_percent, words
from feedback.checks.codecs.agent_words import parse
from feedback.report import HostState, Report

BUSY = {"cpu": 0.25, "memory": 0.6}


@pytest.mark.parametrize(
    ("report", "load", "drains", "line"),
    [
        (Report(BUSY), {}, False, b"up ready 40%\n"),
        (Report(BUSY), {"cpu": 1.0}, False, b"up ready 75%\n"),
        (Report(BUSY), {"queue": 1.0}, False, b"up ready\n"),
        (Report({}), {}, False, b"up ready\n"),
        (Report(BUSY), {}, True, b"up drain 40%\n"),
        (Report(BUSY, state=HostState.DRAIN, why="cpu is 1"), {}, False, b"up drain 40%\n"),
        (Report(BUSY, state=HostState.DOWN, why="disk is full"), {}, True, b"down #disk is full\n"),
        (Report(BUSY, state=HostState.DOWN), {}, False, b"down #\n"),
        (Report(BUSY, state=HostState.DOWN, why="a\nb"), {}, False, b"down #a b\n"),
    ],
)
def test_the_line_says_all_that_haproxy_keeps(
    report: Report, load: Mapping[str, float], line: bytes, *, drains: bool
) -> None:
    assert words(report, load, drains=drains) == line
    assert not parse(line.decode()).unknown


@pytest.mark.parametrize(("used", "percent"), [(0.0, 100), (0.5, 50), (0.994, 1), (0.999, 1), (1.0, 1), (7.0, 1)])
def test_load_alone_never_drains(used: float, percent: int) -> None:
    assert idle_percent(used) == percent
