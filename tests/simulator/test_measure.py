import math

import pytest

from feedback.simulator.measure import Record


def test_what_came_before_the_warm_up_is_over_does_not_count() -> None:
    record = Record(["a"], 10.0)
    for now in (5.0, 15.0):
        record.answer(now, now + 0.1)
        record.fail(now)
        record.write(now, 2)
        record.second(now, [0.5 if now > 10 else 1.0], [100])
    figures = record.figures("p")
    assert (figures.requests, figures.failed) == (1, 1)
    assert figures.utilization == {"a": 0.5}
    assert figures.writes_per_hour == 2 * 3600 / 5  # 5 s have passed since the warm-up


def test_max_over_avg_is_of_the_servers_means() -> None:
    record = Record(["a", "b"], 0.0)
    for now in (1.0, 2.0):
        record.second(now, [0.9, 0.3], [100, 100])
    assert record.figures("p").max_over_avg == pytest.approx(1.5)


def test_an_idle_cluster_is_balanced() -> None:
    record = Record(["a", "b"], 0.0)
    record.second(1.0, [0.0, 0.0], [100, 100])
    figures = record.figures("p")
    assert figures.max_over_avg == 1.0
    assert (figures.mean_ms, figures.p50_ms, figures.p99_ms) == (None, None, None)


def test_response_times_are_in_milliseconds() -> None:
    record = Record(["a"], 0.0)
    record.second(1.0, [0.5], [100])
    for number in range(100):
        record.answer(1.0, 1.0 + (number + 1) / 1000)
    figures = record.figures("p")
    assert figures.mean_ms == pytest.approx(50.5)
    assert figures.p50_ms == pytest.approx(51.0)
    assert figures.p99_ms == pytest.approx(100.0)


def test_churn_counts_every_move_and_swing_only_how_far_it_goes() -> None:
    record = Record(["a", "b"], 0.0)
    for second in range(1, 61):
        record.second(float(second), [0.5, 0.5], [100 if second % 2 else 110, 100])
    figures = record.figures("p")
    assert figures.churn == pytest.approx(59 * math.log(1.1) / 2)
    assert figures.swing == pytest.approx(5 / 105)


def test_a_weight_of_zero_is_no_move() -> None:
    record = Record(["a"], 0.0)
    record.second(1.0, [0.0], [0])
    record.second(2.0, [0.0], [0])
    figures = record.figures("p")
    assert (figures.churn, figures.swing) == (0.0, 0.0)
