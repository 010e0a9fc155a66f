"""`equalize` on simulated clusters: what it is for, whatever the scheduler and however long connections last."""

import statistics

import msgspec
import pytest

from feedback.director.config import WeightsConfig
from feedback.simulator.cluster import Cluster
from feedback.simulator.compare import simulate
from feedback.simulator.measure import Figures, Record
from feedback.simulator.scenario import Amount, Event, Scenario, ServerSpec, Stream

UNEVEN = Scenario(
    name="uneven",
    servers={f"rs{place}": ServerSpec(speed=speed) for place, speed in enumerate((1.0, 1.0, 2.0, 4.0))},
    streams={"requests": Stream(work=Amount(mean=0.05, distribution="lognormal"))},
    weights=WeightsConfig(policy="equalize", response_seconds=10.0),
    warm_up_seconds=60.0,
    duration_seconds=300.0,
)


def run(scenario: Scenario) -> Record:
    return Cluster(scenario).run()


def figures(scenario: Scenario) -> Figures:
    return run(scenario).figures("equalize")


@pytest.mark.parametrize("scheduler", ["wrr", "wlc"])
def test_unequal_servers_are_equally_busy_and_answer_as_fast_as_under_the_best_of_the_others(scheduler: str) -> None:
    wanted = msgspec.structs.replace(UNEVEN, scheduler=scheduler)
    ours = figures(wanted)
    others = [simulate(wanted, name).figures(name).mean_ms for name in ("agent-10s", "grpc", "robinhood")]
    assert ours.max_over_avg < 1.05
    assert simulate(wanted, "static").figures("static").max_over_avg > 1.3
    assert ours.mean_ms is not None
    assert ours.mean_ms < 1.1 * min(other for other in others if other is not None)


@pytest.mark.parametrize("scheduler", ["wrr", "wlc"])
@pytest.mark.parametrize("seconds", [2.0, 60.0, 300.0])
def test_weights_do_not_swing_however_long_connections_last(scheduler: str, seconds: float) -> None:
    held = Stream(kind="connection", duration=Amount(mean=seconds), demand=0.01)
    wanted = msgspec.structs.replace(
        UNEVEN,
        scheduler=scheduler,
        streams={"held": held},
        warm_up_seconds=max(60.0, 3.0 * seconds),
        duration_seconds=max(200.0, 4.0 * seconds),
    )
    settled = figures(wanted)
    assert settled.swing < 0.12
    assert settled.max_over_avg < 1.15
    assert simulate(wanted, "static").figures("static").max_over_avg > 1.3


@pytest.mark.parametrize("scheduler", ["wrr", "wlc"])
def test_a_server_that_slows_down_is_relieved(scheduler: str) -> None:
    slower = (Event(at_seconds=150.0, server="rs3", speed=1.6),)
    wanted = msgspec.structs.replace(UNEVEN, scheduler=scheduler, events=slower, load_ratio=0.5)
    record = run(wanted)

    def share(first: int, last: int) -> float:
        busy = [statistics.fmean(values[first:last]) for values in record.utilization]
        return busy[3] / statistics.fmean(busy)

    assert share(150, 158) > 1.1
    assert share(240, 355) < 1.08


@pytest.mark.parametrize("scheduler", ["wrr", "wlc"])
def test_a_balanced_cluster_is_left_alone(scheduler: str) -> None:
    even = msgspec.structs.replace(
        UNEVEN,
        scheduler=scheduler,
        servers={f"rs{place}": ServerSpec(speed=2.0) for place in range(4)},
        warm_up_seconds=300.0,
    )
    calm = figures(even)
    assert calm.churn < 0.15  # weights move by 15 % in a minute, up and down together, at the most
    assert calm.swing < 0.05


def shares(records: list[Record], first: int, last: int) -> list[float]:
    """Return how busy each server is over some seconds and all records, over the mean of all servers."""
    places = range(len(records[0].utilization))
    busy = [statistics.fmean(statistics.fmean(r.utilization[place][first:last]) for r in records) for place in places]
    return [each / statistics.fmean(busy) for each in busy]


def records_of(scenario: Scenario, seeds: int) -> list[Record]:
    return [run(msgspec.structs.replace(scenario, seed=seed)) for seed in range(1, seeds + 1)]


def test_who_comes_back_is_not_flooded_by_wlc_and_has_its_share_for_good() -> None:
    """Without connections it would be given all that comes, and the same again as these are forgotten."""
    weights = msgspec.structs.replace(UNEVEN.weights, slow_start_seconds=20.0)
    away = (
        Event(at_seconds=240.0, server="rs2", alive=False),
        Event(at_seconds=400.0, server="rs2", alive=True),
    )
    wanted = msgspec.structs.replace(UNEVEN, scheduler="wlc", events=away, weights=weights, duration_seconds=600.0)
    records = records_of(wanted, 2)
    assert all(shares(records, first, first + 10)[2] < 1.25 for first in range(400, 440, 5))
    assert all(0.85 < shares(records, first, first + 30)[2] < 1.15 for first in range(440, 630, 15))
