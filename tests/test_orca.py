import contextlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.orca import OrcaError, parse_orca, utilizations

REPORT = b"""{"cpu_utilization": 0.3, "mem_utilization": 0.8, "rps_fractional": 10.0, "eps": 1,
    "named_metrics": {"queue": 0.4}, "utilization": {"disk": 0.5}, "request_cost": {"cpu": 7}, "later": [1]}"""
SAID = {
    "cpu_utilization": 0.3,
    "mem_utilization": 0.8,
    "rps_fractional": 10.0,
    "eps": 1.0,
    "named_metrics.queue": 0.4,
    "utilization.disk": 0.5,
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (REPORT, SAID),
        (b"JSON " + REPORT, SAID),
        (
            b'{"cpuUtilization": "0.5", "rps": "12", "namedMetrics": {"a": 1}, "applicationUtilization": 0.7}',
            {"cpu_utilization": 0.5, "rps": 12.0, "named_metrics.a": 1.0, "application_utilization": 0.7},
        ),
        (
            b"TEXT cpu_utilization=0.3,mem_utilization=0.8, eps=1,named_metrics.queue=0.4",
            {"cpu_utilization": 0.3, "mem_utilization": 0.8, "eps": 1.0, "named_metrics.queue": 0.4},
        ),
        (
            b"cpuUtilization=1.5, namedMetrics.in_box=3, namedMetrics.=1, later=x, request_cost.a=b",
            {"cpu_utilization": 1.5, "named_metrics.in_box": 3.0},
        ),
        (b"{}", {}),
        (b'{"named_metrics": null}', {}),
    ],
)
def test_a_report_is_read_in_every_form_that_it_is_written_in(text: bytes, said: Mapping[str, float]) -> None:
    assert parse_orca(text) == said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the load report says nothing of load"),
        (b"<html>", "the load report has '<html>' where JSON or name=value should be"),
        (b'{"cpu_utilization": ', "the load report is not a JSON object: Input data was truncated"),
        (b'{"eps": true}', "the load report's eps is 'True', must be a number from 0"),
        (b'{"eps": -1}', "the load report's eps is '-1', must be a number from 0"),
        (b'{"eps": "NaN"}', "the load report's eps is 'NaN', must be a number from 0"),
        (b'{"named_metrics": {"a": []}}', "the load report's named_metrics.a is '[]', must be a number from 0"),
        (b"eps=much", "the load report's eps is 'much', must be a number from 0"),
        (
            b",".join(b"utilization.a%d=1" % number for number in range(257)),
            "the load report has 257 metrics, 256 are allowed",
        ),
    ],
)
def test_what_is_no_report_is_refused_with_a_reason(text: bytes, message: str) -> None:
    with pytest.raises(OrcaError) as refused:
        parse_orca(text)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("said", "limits", "shares"),
    [
        (SAID, {}, {"cpu": 0.3, "memory": 0.8, "disk": 0.5}),
        (
            SAID,
            {"queue": 0.8, "rps_fractional": 100},
            {"cpu": 0.3, "memory": 0.8, "disk": 0.5, "queue": 0.5, "rps": 0.1},
        ),
        ({"cpu_utilization": 0.3, "utilization.cpu": 0.9}, {}, {"cpu": 0.3}),
        ({"application_utilization": 1.5}, {"application": 2.0}, {"application": 0.75}),
        ({"utilization.a b": 0.5, "utilization.": 0.5, "utilization.x": 1e9}, {}, {}),
    ],
)
def test_what_is_a_share_of_a_limit_becomes_a_metric(
    said: Mapping[str, float], limits: Mapping[str, float], shares: Mapping[str, float]
) -> None:
    assert utilizations(said, limits) == pytest.approx(shares)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    with contextlib.suppress(OrcaError):
        utilizations(parse_orca(text))
