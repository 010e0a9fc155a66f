import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.readings import Reading, combine, failed, is_fresh, knee, measured
from feedback.report import MAX_RATIO, Report, decode_agent_frame, encode

CPU = Reading("cpu", interval_seconds=2.0)


def test_a_measured_value_is_reported() -> None:
    report = combine([measured(CPU, 0.5, now=10)], now=11, sequence=7, sent_at=123.0)
    assert report == Report(metrics={"cpu": 0.5}, sequence=7, sent_at=123.0)


def test_a_metric_that_has_not_been_measured_yet_is_left_out_in_silence() -> None:
    assert combine([CPU], now=10, sequence=1, sent_at=0) == Report(metrics={}, sequence=1)


def test_a_value_lives_for_three_of_its_intervals() -> None:
    reading = measured(CPU, 0.5, now=10)
    assert is_fresh(reading, now=16)
    assert not is_fresh(reading, now=16.001)
    assert combine([reading], now=17.04, sequence=1, sent_at=0).failures == {"cpu": "no value for 7.0 s"}


def test_a_failing_source_keeps_its_last_value_while_that_is_fresh_and_says_why_there_is_no_newer_one() -> None:
    reading = failed(measured(CPU, 0.5, now=10), "no answer within 1 s")
    young = combine([reading], now=12, sequence=1, sent_at=0)
    old = combine([reading], now=20, sequence=2, sent_at=0)
    assert (young.metrics, young.failures) == ({"cpu": 0.5}, {"cpu": "no answer within 1 s"})
    assert (old.metrics, old.failures) == ({}, {"cpu": "no answer within 1 s"})


def test_a_good_value_ends_a_failure() -> None:
    reading = measured(failed(CPU, "no answer"), 0.25, now=5)
    assert combine([reading], now=5, sequence=1, sent_at=0) == Report(metrics={"cpu": 0.25}, sequence=1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1_000_001, "0.5", None, True, 10**400])
def test_what_is_not_a_ratio_is_a_failure_in_words(value: object) -> None:
    reading = measured(CPU, value, now=5)
    assert reading.failure.startswith("the source returned ")
    assert reading.failure.endswith(", must be a number from 0 to 1000000")


def test_a_failure_without_words_gets_some() -> None:
    assert failed(CPU, "").failure == "failed without a word"


@given(
    st.one_of(st.floats(), st.integers(), st.text(), st.none()),
    st.text(),
    st.floats(min_value=0, max_value=100),
)
def test_every_report_is_one_that_a_director_accepts(value: object, why: str, now: float) -> None:
    readings = [
        measured(CPU, value, now=10),
        failed(Reading("jobs", 1.0), why),
        failed(measured(Reading("a.b", 1.0), value, now=10), why),
    ]
    report = combine(readings, now=now, sequence=1, sent_at=0)
    assert decode_agent_frame(encode(report)) == report


@pytest.mark.parametrize(
    ("ratio", "from_ratio", "reported"),
    [(0.5, 0.0, 0.5), (0.69, 0.7, 0.0), (0.7, 0.7, 0.0), (0.85, 0.7, 0.5), (1.0, 0.7, 1.0), (1.3, 0.7, 2.0)],
)
def test_a_knee_hides_what_is_below_it_and_keeps_the_limit_where_it_is(
    ratio: float, from_ratio: float, reported: float
) -> None:
    assert knee(ratio, from_ratio) == pytest.approx(reported)
    reading = measured(Reading("queue", 1.0, from_ratio), ratio, now=10)
    assert reading.ratio == ratio, "what acts, acts on what was measured"
    assert combine([reading], now=10, sequence=1, sent_at=0).metrics == {"queue": pytest.approx(reported)}


def test_a_knee_makes_no_ratio_too_large_for_a_report() -> None:
    reading = measured(Reading("queue", 1.0, 0.9), MAX_RATIO, now=10)
    assert combine([reading], now=10, sequence=1, sent_at=0).metrics == {"queue": MAX_RATIO}
