import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.demo.worker import Worker

arrivals = st.lists(st.floats(0, 10), max_size=30).map(sorted)


def test_an_idle_worker_takes_its_service_time() -> None:
    worker = Worker(0.5)
    assert worker.take(10.0) == 10.5
    assert worker.take(20.0) == 20.5


def test_requests_wait_for_those_before_them() -> None:
    worker = Worker(0.5)
    assert [worker.take(now) for now in (10.0, 10.0, 10.25)] == [10.5, 11.0, 11.5]
    assert [worker.depth(now) for now in (10.25, 10.5, 10.75, 11.5, 12.0)] == [3, 2, 2, 0, 0]


def test_busy_time_is_the_time_with_work_and_no_more() -> None:
    worker = Worker(0.5)
    assert worker.busy_seconds(10.0) == 0.0
    worker.take(10.0)
    worker.take(10.25)
    assert [worker.busy_seconds(now) for now in (10.0, 10.25, 11.0, 15.0)] == [0.0, 0.25, 1.0, 1.0]


@given(arrivals=arrivals, service_seconds=st.floats(0.01, 2))
def test_a_worker_is_never_busier_than_the_time_that_passes_nor_than_its_work(
    arrivals: list[float], service_seconds: float
) -> None:
    worker = Worker(service_seconds)
    ends = [worker.take(now) for now in arrivals]
    assert ends == sorted(ends)
    last = max([*ends, 10.0])
    assert worker.busy_seconds(last) == pytest.approx(len(arrivals) * service_seconds)
    assert worker.busy_seconds(last) <= last + 1e-9
    assert worker.depth(last) == 0
