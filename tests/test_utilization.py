import pytest

from feedback.utilization import utilization


def test_the_resource_that_runs_out_first_decides() -> None:
    assert utilization({"cpu": 0.4, "memory": 0.7, "queue.mail": 0.1}, {}) == 0.7


def test_factors_weigh_the_metrics_and_leave_the_others_out() -> None:
    assert utilization({"cpu": 0.5, "memory": 0.6, "network": 0.9}, {"cpu": 1.0, "memory": 0.8}) == 0.5
    assert utilization({"cpu": 0.5, "memory": 0.7, "network": 0.9}, {"cpu": 1.0, "memory": 0.8}) == pytest.approx(0.56)


def test_a_metric_that_is_not_reported_is_left_out() -> None:
    assert utilization({"cpu": 0.5}, {"cpu": 1.0, "queue.mail": 2.0}) == 0.5


@pytest.mark.parametrize(("metrics", "load"), [({}, {}), ({}, {"cpu": 1.0}), ({"memory": 0.5}, {"cpu": 1.0})])
def test_without_any_of_the_metrics_nothing_is_known(metrics: dict[str, float], load: dict[str, float]) -> None:
    assert utilization(metrics, load) is None
