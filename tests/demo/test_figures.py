import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.demo.figures import (
    PHASE_SHARES,
    Figures,
    MetricFigures,
    MetricStep,
    Moments,
    PhaseLoad,
    broken_promises,
    figures,
    max_over_average,
    phase_figures,
    phase_seconds,
)

EVEN = {"rs1": 5.0, "rs2": 5.0}
UNEVEN = {"rs1": 10.0, "rs2": 2.0}


def load(requests: int = 100, failures: int = 0) -> PhaseLoad:
    return PhaseLoad(
        requests=requests,
        failures=failures,
        failure_kinds={"refused": failures} if failures else {},
        latency_p50_seconds=0.01,
        latency_p99_seconds=0.1,
        open_requests=3,
    )


def story(
    *,
    failing: str = "",
    after: dict[str, float] = EVEN,
    left: int = 0,
    new: int = 0,
    weights: tuple[int, int, int] = (60, 30, 40),
) -> Figures:
    phases = [
        phase_figures(
            name,
            10.0,
            load(failures=7 if name == failing else 0),
            after if name == "even_load" else UNEVEN,
            all_in_table=name in ("equal_weights", "weights_move", "even_load"),
        )
        for name in PHASE_SHARES
    ]
    moments = Moments(
        seconds_from_kill_to_removal=0.91234,
        seconds_from_start_to_table=1.5,
        drain_seconds=1.4,
        drained_requests_running=2,
        drained_requests_left=left,
        drained_requests_new=new,
    )
    before, while_full, at_end = weights
    metric = MetricFigures(
        realserver="rs1",
        metric="jobs",
        emptied_seconds=5.0,
        weight_before=before,
        weight_full=while_full,
        weight_after=at_end,
        steps=(
            MetricStep(seconds=0.5, ratio=None, weight=before),
            MetricStep(seconds=1.0, ratio=2.0, weight=while_full),
        ),
    )
    return figures(phases, moments, metric)


@given(total=st.floats(10, 1000))
def test_the_phases_fill_the_time_that_is_given(total: float) -> None:
    assert sum(phase_seconds(total).values()) == pytest.approx(total)


def test_the_overload_at_equal_weights_lasts_no_longer_than_clients_wait_for_its_queues() -> None:
    assert phase_seconds(60)["equal_weights"] == pytest.approx(8.4)
    assert phase_seconds(600)["equal_weights"] == 10.0


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.6, 0.6], 1.0), ([0.9, 0.3], 1.5), ([1.0, 0.0, 0.0, 0.0], 4.0), ([0.0, 0.0], 1.0), ([], 1.0)],
)
def test_the_busiest_is_compared_with_the_average(values: list[float], expected: float) -> None:
    assert max_over_average(values) == pytest.approx(expected)


def test_a_phase_has_each_realservers_busy_share_of_its_time() -> None:
    phase = phase_figures("even_load", 10.0, load(), UNEVEN, all_in_table=True)
    assert phase.utilization == {"rs1": 1.0, "rs2": 0.2}
    assert phase.max_over_avg_utilization == 1.6667


def test_evenness_means_nothing_while_not_every_realserver_is_in_the_table() -> None:
    assert phase_figures("kill", 10.0, load(), UNEVEN, all_in_table=False).max_over_avg_utilization is None


def test_the_storys_figures_come_from_its_phases() -> None:
    told = story(failing="kill")
    assert (told.requests, told.failures) == (700, 7)
    assert (told.max_over_avg_before, told.max_over_avg_after) == (1.6667, 1.0)
    assert (told.seconds_from_kill_to_removal, told.drained_requests_running) == (0.912, 2)
    assert told.drained_requests_lost == 0
    assert [phase.name for phase in told.phases] == list(PHASE_SHARES)
    assert msgspec.json.decode(msgspec.json.encode(told), type=Figures) == told


def test_every_failure_while_one_is_drained_counts_as_lost() -> None:
    assert story(failing="drain").drained_requests_lost == 7


def test_failures_at_the_kill_and_load_that_evens_out_are_what_the_demo_says() -> None:
    assert broken_promises(story(failing="kill")) == []


def test_failures_elsewhere_break_what_the_demo_says() -> None:
    assert broken_promises(story(failing="return")) == [
        "7 requests failed in the phase return, where none should: {'refused': 7}"
    ]


def test_load_that_does_not_even_out_breaks_what_the_demo_says() -> None:
    assert broken_promises(story(after=UNEVEN)) == [
        "the load did not even out: the busiest realserver was at 1.67 of the average before and at 1.67 after"
    ]


@pytest.mark.parametrize(("left", "new"), [(1, 0), (0, 1)])
def test_a_drained_realserver_that_is_not_idle_breaks_what_the_demo_says(left: int, new: int) -> None:
    assert broken_promises(story(left=left, new=new)) == [
        f"the drain was not one: {left} requests still ran when it was said to be over, and {new} came after that"
    ]


@pytest.mark.parametrize("weights", [(60, 60, 70), (60, 30, 30), (60, 70, 80)])
def test_a_weight_that_does_not_follow_the_plugins_metric_breaks_what_the_demo_says(
    weights: tuple[int, int, int],
) -> None:
    before, full, after = weights
    sentence = (
        f"the weight of rs1 did not follow jobs: it was {before} before, {full} while the queue was full, and "
        f"{after} after"
    )
    assert broken_promises(story(weights=weights)) == [sentence]
