import msgspec
import pytest

from feedback.director.config import WeightsConfig
from feedback.simulator.cluster import Cluster
from feedback.simulator.measure import Figures, Record
from feedback.simulator.scenario import Amount, Event, Reports, Scenario, ServerSpec, Stream

STATIC = WeightsConfig(policy="static")
EQUALIZE = WeightsConfig(policy="equalize", response_seconds=10.0)


def scenario(*speeds: float, **changes: object) -> Scenario:
    servers = {f"rs{place}": ServerSpec(speed=speed) for place, speed in enumerate(speeds, 1)}
    made = Scenario(
        name="test",
        servers=servers,
        streams={"requests": Stream(work=Amount(mean=0.05))},
        weights=STATIC,
        warm_up_seconds=60.0,
        duration_seconds=300.0,
    )
    return msgspec.structs.replace(made, **changes)


def run(wanted: Scenario) -> Figures:
    return Cluster(wanted).run().figures("")


def test_one_server_answers_as_the_theory_of_processor_sharing_says() -> None:
    figures = run(scenario(1.0, load_ratio=0.5, duration_seconds=2000.0))
    assert figures.utilization["rs1"] == pytest.approx(0.5, rel=0.05)
    assert figures.mean_ms == pytest.approx(50.0 / (1.0 - 0.5), rel=0.1)  # work / (1 - load)


def test_the_same_seed_gives_the_same_figures_and_another_one_others() -> None:
    wanted = scenario(1.0, 2.0, weights=EQUALIZE)
    assert run(wanted) == run(wanted)
    assert run(wanted) != run(msgspec.structs.replace(wanted, seed=2))


@pytest.mark.parametrize("scheduler", ["rr", "wrr", "sed", "nq", "lc", "wlc", "sh", "mh"])
def test_every_scheduler_serves_everybody(scheduler: str) -> None:
    figures = run(scenario(1.0, 1.0, 1.0, scheduler=scheduler, load_ratio=0.4))
    assert figures.failed == 0
    assert figures.requests > 5000
    if scheduler not in {"sed", "nq"}:  # among idle ones these take the first
        assert figures.max_over_avg < 1.25


def test_weights_that_wrr_obeys_bring_load_in_their_proportion() -> None:
    servers = {"a": ServerSpec(base_weight=30), "b": ServerSpec(base_weight=10)}
    figures = run(msgspec.structs.replace(scenario(), servers=servers, scheduler="wrr", load_ratio=0.4))
    assert figures.utilization["a"] / figures.utilization["b"] == pytest.approx(3.0, rel=0.1)


def test_the_director_in_it_makes_unequal_servers_equally_busy() -> None:
    uneven = scenario(1.0, 1.0, 2.0, 4.0, scheduler="wrr")
    assert run(uneven).max_over_avg > 1.3
    assert run(msgspec.structs.replace(uneven, weights=EQUALIZE)).max_over_avg < 1.05


def test_connections_that_last_take_what_they_demand() -> None:
    held = Stream(kind="connection", duration=Amount(mean=20.0), demand=0.02)
    figures = run(scenario(1.0, 1.0, streams={"held": held}, load_ratio=0.5))
    assert figures.mean_ms is None
    for busy in figures.utilization.values():
        assert busy == pytest.approx(0.5, rel=0.15)


def test_a_session_asks_again_and_again_on_one_connection() -> None:
    session = Stream(
        kind="session", work=Amount(mean=0.02), requests=Amount(mean=10.0), pause=Amount(mean=0.5, distribution="fixed")
    )
    figures = run(scenario(1.0, 1.0, streams={"sessions": session}, load_ratio=0.5))
    assert figures.requests == pytest.approx(2 * 0.5 / 0.02 * 300, rel=0.1)


def at(record: Record, name: str, second: float) -> tuple[float, float]:
    """Return a server's weight and utilization at a second."""
    place, index = record.names.index(name), min(i for i, time in enumerate(record.times) if time >= second)
    return record.weights[place][index], record.utilization[place][index]


def test_a_dead_server_is_found_by_the_checks_and_one_that_is_back_is_let_in_again() -> None:
    events = (Event(at_seconds=100.0, server="rs1", alive=False), Event(at_seconds=200.0, server="rs1", alive=True))
    record = Cluster(scenario(1.0, 1.0, 1.0, load_ratio=0.4, events=events)).run()
    assert at(record, "rs1", 99.0)[0] == 100
    assert at(record, "rs1", 110.0)[0] == 0
    assert at(record, "rs1", 190.0)[1] == 0.0
    assert at(record, "rs1", 210.0)[0] == 100
    assert record.failed > 0


def test_connections_to_a_server_that_dies_are_lost_whatever_they_were() -> None:
    streams = {
        "held": Stream(kind="connection", duration=Amount(mean=60.0), demand=0.01),
        "sessions": Stream(kind="session", requests=Amount(mean=50.0), pause=Amount(mean=1.0)),
    }
    events = (Event(at_seconds=100.0, server="rs1", alive=False), Event(at_seconds=101.0, server="rs1", alive=False))
    record = Cluster(scenario(1.0, 1.0, streams=streams, load_ratio=0.4, events=events)).run()
    assert record.failed > 20
    assert at(record, "rs1", 150.0) == (0, 0.0)


def test_other_work_and_a_slower_server_show_in_its_utilization() -> None:
    events = (
        Event(at_seconds=100.0, server="rs1", background_ratio=0.4),
        Event(at_seconds=200.0, server="rs2", speed=0.5),
    )
    record = Cluster(scenario(1.0, 1.0, scheduler="wrr", load_ratio=0.4, events=events)).run()
    first = [sum(record.utilization[0][i : i + 50]) / 50 for i in (45, 130)]
    second = [sum(record.utilization[1][i : i + 50]) / 50 for i in (45, 230)]
    assert first[1] - first[0] == pytest.approx(0.4, abs=0.1)
    assert second[1] == pytest.approx(2 * second[0], rel=0.2)


def test_the_load_can_change_and_end() -> None:
    events = (Event(at_seconds=100.0, load_ratio=0.8), Event(at_seconds=200.0, load_ratio=0.0))
    record = Cluster(scenario(1.0, load_ratio=0.2, events=events)).run()
    means = [sum(record.utilization[0][i : i + 60]) / 60 for i in (30, 130, 230)]
    assert means == [pytest.approx(0.2, abs=0.07), pytest.approx(0.8, abs=0.12), pytest.approx(0.0, abs=0.01)]


def test_without_reports_weights_go_back_to_their_bases() -> None:
    events = tuple(Event(at_seconds=100.0, server=f"rs{n}", reports=False) for n in (1, 2))
    wanted = scenario(
        1.0, 3.0, scheduler="wrr", weights=EQUALIZE, events=events, duration_seconds=600.0, load_ratio=0.3
    )
    record = Cluster(wanted).run()
    assert at(record, "rs2", 99.0)[0] / at(record, "rs1", 99.0)[0] == pytest.approx(3.0, rel=0.25)
    assert at(record, "rs2", 600.0)[0] / at(record, "rs1", 600.0)[0] == pytest.approx(1.0, abs=0.1)


def test_reports_may_be_late_noisy_and_lost() -> None:
    reports = Reports(delay_seconds=2.0, loss_ratio=0.3, noise=0.05)
    figures = run(scenario(1.0, 2.0, scheduler="wrr", weights=EQUALIZE, reports=reports))
    assert figures.max_over_avg < 1.1
