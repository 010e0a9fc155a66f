import statistics
from random import Random

import pytest

from feedback.simulator.scenario import Amount, Distribution, Scenario, ServerSpec, Stream
from feedback.simulator.workload import arrival_rates, drawer, work_per_arrival


@pytest.mark.parametrize(
    ("distribution", "shape", "tolerance"),
    [("fixed", 1.0, 1e-9), ("exponential", 1.0, 0.03), ("lognormal", 1.0, 0.04), ("pareto", 3.0, 0.04)],
)
def test_the_mean_is_what_was_asked_for(distribution: Distribution, shape: float, tolerance: float) -> None:
    draw = drawer(Amount(mean=0.03, distribution=distribution, shape=shape), Random(1))
    values = [draw() for _ in range(20_000)]
    assert statistics.fmean(values) == pytest.approx(0.03, rel=tolerance)
    assert min(values) > 0


def test_the_same_seed_draws_the_same() -> None:
    amount = Amount(mean=1.0)
    assert drawer(amount, Random(7))() == drawer(amount, Random(7))()


@pytest.mark.parametrize(
    ("stream", "work"),
    [
        (Stream(work=Amount(mean=0.02)), 0.02),
        (Stream(kind="session", work=Amount(mean=0.02), requests=Amount(mean=10.0)), 0.2),
        (Stream(kind="connection", duration=Amount(mean=60.0), demand=0.01), 0.6),
    ],
)
def test_a_connection_brings_the_work_of_its_kind(stream: Stream, work: float) -> None:
    assert work_per_arrival(stream) == pytest.approx(work)


def test_streams_share_the_capacity_that_other_work_leaves() -> None:
    scenario = Scenario(
        name="two",
        servers={"a": ServerSpec(speed=2.0), "b": ServerSpec(speed=4.0, background_ratio=0.5)},
        streams={
            "small": Stream(work=Amount(mean=0.01)),
            "large": Stream(share=3.0, work=Amount(mean=0.1)),
        },
    )
    assert scenario.capacity() == pytest.approx(4.0)
    assert arrival_rates(scenario) == {"small": pytest.approx(100.0), "large": pytest.approx(30.0)}
