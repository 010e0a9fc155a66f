import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.feeds.host_text import Metric, Reading, read
from feedback.errors import CheckFailed
from feedback.report import HostState, Report

PRINTED = b"""\
cpu  1000 0 0 8000 1000 0 0 0 0 0
cpu0 500 0 0 4000 500 0 0 0 0 0
cpu1 500 0 0 4000 500 0 0 0 0 0
MemTotal:        1000000 kB
MemFree:          100000 kB
MemAvailable:     250000 kB
0.50 0.40 0.30 1/234 5678
/proc/pressure/cpu:some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000
/proc/pressure/io:some avg10=0.00 avg60=0.00 avg300=0.00 total=5000000
"""
LATER = (
    PRINTED.replace(b"cpu  1000 0 0 8000", b"cpu  1300 0 0 8100")
    .replace(b"total=1000000", b"total=1100000")
    .replace(b"total=5000000", b"total=6000000")
)


ALL: tuple[Metric, ...] = ("cpu", "memory", "load", "pressure")


def test_lines_of_proc_become_metrics_once_there_are_two_readings() -> None:
    report, reading = read(PRINTED, Reading(), 10.0, None, ALL)
    assert report == Report({})
    report, _ = read(LATER, reading, 12.0, None, ALL)
    assert report.metrics == pytest.approx({"cpu": 0.75, "memory": 0.75, "load": 0.25, "pressure": 0.5})
    report, _ = read(LATER, reading, 12.0, None, ALL[1:2])
    assert report.metrics == {"memory": 0.75}


def test_what_an_older_kernel_does_not_have_is_left_out() -> None:
    before = Reading(0.0, (0, 0, 0, 0), {})
    printed = b"cpu  2 0 0 8\nMemTotal: 0 kB\n0.50 0.40 0.30 1/234 5678\n"
    assert read(printed, before, 1.0, None, ALL)[0].metrics == pytest.approx({"cpu": 0.2})


def test_a_pressure_that_goes_backwards_is_none() -> None:
    before = Reading(9.0, (0, 0, 0, 0), {"cpu": 10**9})
    assert read(PRINTED, before, 10.0, None, ALL)[0].metrics["pressure"] == 0


@pytest.mark.parametrize(
    ("printed", "limit", "metrics"),
    [
        (b"0.5\n", None, {"command": 0.5}),
        (b"42\n", 100.0, {"command": 0.42}),
        (b"OK | queue=12;100;200;0;400", None, {"queue": 0.03}),
        (b"OK | used=75%", None, {"used": 0.75}),
        (b"OK | 'in box'=3", 10.0, {"command": 0.3}),
    ],
)
def test_a_number_or_performance_data_is_a_metric(
    printed: bytes, limit: float | None, metrics: dict[str, float]
) -> None:
    assert read(printed, Reading(), 1.0, limit, ALL)[0].metrics == pytest.approx(metrics)


def test_what_the_agent_prints_once_is_its_report() -> None:
    printed = (
        b'{"type":"report","metrics":{"cpu":0.5},"failures":{"disk":"gone","a b":"x"},"state":"down","why":"full"}'
    )
    report = Report({"cpu": 0.5}, {"disk": "gone"}, state=HostState.DOWN, why="full")
    assert read(printed, Reading(), 1.0, None, ALL)[0] == report
    assert read(b'{"metrics": {"jobs": 1}}', Reading(), 1.0, None, ALL)[0] == Report({"jobs": 1.0})
    newer = b'{"type": "report", "metrics": {"cpu": 0.5}, "state": "degraded", "why": "slow"}'
    assert read(newer, Reading(), 1.0, None, ALL)[0] == Report({"cpu": 0.5}, why="slow")


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        (b"all is well\n", "content: the program printed 'all is well' where a number should be"),
        (b"-1", "content: the command printed -1, which is no share of 1"),
        (b"{", "content: the command printed no report: Input data was truncated"),
        (b'{"metrics": {"a b": 1}}', "content: the command printed the metric 'a b' of 1.0"),
        (b'{"metrics": {"a": -1}}', "content: the command printed the metric 'a' of -1.0"),
        (
            b'{"metrics": {' + b",".join(b'"a%d": 1' % number for number in range(257)) + b"}}",
            "limit: the command printed more than 256 metrics",
        ),
    ],
)
def test_what_tells_no_load_is_no_answer(printed: bytes, why: str) -> None:
    with pytest.raises(CheckFailed) as refused:
        read(printed, Reading(), 1.0, None, ALL)
    assert str(refused.value) == why


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for printed in (data, PRINTED + data, b"{" + data):
        with contextlib.suppress(CheckFailed):
            read(printed, Reading(), 1.0, None, ALL)
