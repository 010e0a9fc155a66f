"""`make bench-weights`: its statistics say what its method says, and every case has its bars."""

import math
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import bars
import judge
import msgspec
import pytest
from bars import QUICK, Bar
from cost import step_milliseconds
from judge import Run
from lab import IDEAL, Lab, Model, Runs, Task, ours, run
from weights import CASES, arguments_of, effort_of, is_met, lines, method, summary

from feedback.commands.simulate import UNEVEN
from feedback.simulator.measure import Figures
from feedback.simulator.scenario import Event, Scenario

FIGURES = Figures(
    policy="",
    utilization={},
    max_over_avg=1.1,
    mean_ms=10.0,
    p50_ms=5.0,
    p99_ms=50.0,
    requests=1,
    failed=0,
    churn=0.0,
    writes_per_hour=0.0,
    swing=0.0,
)


def made(*utilization: Sequence[float], weights: Sequence[Sequence[float]] = ()) -> Run:
    return Run(
        figures=FIGURES,
        utilization=[array("d", values) for values in utilization],
        weights=[array("d", values) for values in weights],
    )


def test_chance_that_is_another_in_each_run_is_averaged_away_before_servers_are_compared() -> None:
    runs = [made([0.5, 0.7], [0.5, 0.3]), made([0.5, 0.3], [0.5, 0.7])]
    assert judge.spread(runs, 0, 2) == pytest.approx(1.0)
    assert judge.spread(runs[:1], 0, 2) == pytest.approx(0.6 / 0.5)
    assert judge.spread([made([0.0], [0.0])], 0, 1) == 1.0


def test_windows_overlap_by_half_and_end_in_time() -> None:
    assert list(judge.windows(10, 20, 4)) == [(10, 14), (12, 16), (14, 18), (16, 20)]
    assert list(judge.windows(0, 3, 4)) == []
    assert list(judge.windows(0, 2, 1)) == [(0, 1), (1, 2)]


def test_settled_is_from_when_on_every_window_is_within_the_bound() -> None:
    off, even = 0.6, 0.5

    def settled(path: Sequence[float]) -> float:
        return judge.settled_seconds([made(path, [0.5] * len(path))], 2, len(path), 1, 1.05)

    assert settled([even] * 10) == 0.0
    assert settled([off] * 5 + [even] * 5) == 3.0
    assert settled([even] * 6 + [off] + [even] * 3) == 5.0
    assert settled([even] * 9 + [off]) == math.inf


def test_overshoot_is_of_the_others_above_where_they_end() -> None:
    one, two = [0.5] * 2 + [0.9] + [0.5] * 7, [0.5] * 2 + [0.55] + [0.5] * 7
    assert judge.overshoot([made(one, two)], 1, 10, 1, besides=0) == pytest.approx(0.1)
    assert judge.overshoot([made(one, two)], 1, 10, 1, besides=1) == pytest.approx(0.8)


def test_excess_is_where_a_policy_is_worse_than_another_by_most() -> None:
    ours_, others = made([0.5, 0.5, 0.7], [0.5, 0.5, 0.3]), made([0.8, 0.6, 0.6], [0.2, 0.4, 0.4])
    assert judge.excess([ours_], [others], 0, 3, 1) == pytest.approx(0.2)
    assert judge.excess([ours_], [others], 0, 2, 1) == pytest.approx(-0.2)


def test_swing_is_of_the_worst_weight_and_of_the_middle_run() -> None:
    calm, wild = made(weights=[[100.0] * 4, [100.0] * 4]), made(weights=[[100.0] * 4, [110.0, 90.0] * 2])
    assert judge.swing([calm, calm, wild], 0, 4) == 0.0
    assert judge.swing([calm, wild, wild], 0, 4) == pytest.approx(0.1)


def test_what_makes_all_equally_busy_gives_nothing_to_who_is_busier_already() -> None:
    speeds, used = {"a": 1.0, "b": 2.0, "c": 1.0}, {"a": 0.0, "b": 0.5, "c": 0.9}
    work = judge.equal_utilization(speeds, used, 1.1)
    assert work == {"a": pytest.approx(0.7), "b": pytest.approx(0.4), "c": 0.0}
    assert judge.equal_utilization(speeds, used, 0.2) == {"a": pytest.approx(0.2), "b": 0.0, "c": 0.0}


SHORT = msgspec.structs.replace(UNEVEN, warm_up_seconds=20.0, duration_seconds=40.0, load_ratio=0.8)


@pytest.mark.parametrize("contender", ["equalize", "static", "robinhood", IDEAL])
@pytest.mark.parametrize("model", ["fluid", "events"])
def test_policies_yardsticks_and_the_ideal_are_run_on_both_models(model: Model, contender: str) -> None:
    scenario = msgspec.structs.replace(SHORT, scheduler="wrr")
    done = run(Task(model=model, scenario=scenario, contender=contender))
    assert len(done.utilization) == len(done.weights) == 8
    assert len(done.weights[0]) == pytest.approx(60, abs=1)


def test_the_ideal_makes_all_equally_busy_whatever_happens() -> None:
    event = Event(at_seconds=40.0, server="rs5", background_ratio=0.6)
    scenario = msgspec.structs.replace(SHORT, scheduler="wrr", events=(event, Event(at_seconds=45.0, load_ratio=0.8)))
    done = run(Task(model="fluid", scenario=scenario, contender=IDEAL))
    for second in (10, 39, 42, 59):
        assert judge.spread([done], second, second + 1) == pytest.approx(1.0, abs=0.002)


def test_under_wlc_the_ideal_for_single_requests_is_found_by_a_long_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.CALIBRATION_SECONDS", 60.0)
    done = run(Task(model="events", scenario=SHORT, contender=IDEAL))
    assert done.weights[4][-1] / done.weights[0][-1] == pytest.approx(4.0, rel=0.3)


class Noting(Lab):
    """A lab that notes what it should run, and answers with the same run always."""

    def __init__(self) -> None:
        self.asked: list[tuple[Model, Scenario, str, int]] = []

    def runs(self, model: Model, scenario: Scenario, contender: str, seeds: int) -> Runs:
        self.asked.append((model, scenario, contender, seeds))
        future: Future[Run] = Future()
        seconds = round(scenario.warm_up_seconds + scenario.duration_seconds)
        flat = [[0.5] * seconds] * len(scenario.servers)
        future.set_result(made(*flat, weights=[[100.0] * seconds] * len(scenario.servers)))
        return Runs([future])


def all_bars() -> list[Bar]:
    return [bar for case in CASES.values() for bar in case(Noting(), bars.Effort(longest_seconds=60.0))]


def test_every_bar_has_a_name_of_its_own_and_a_value_for_ours_and_for_static() -> None:
    found = all_bars()
    assert len({bar.name for bar in found}) == len(found)
    for bar in found:
        values = bar.values()
        assert set(ours()) <= set(values)
        assert "static" in values or "writes" in bar.name


def test_in_a_cluster_that_is_always_balanced_every_bar_is_met() -> None:
    balanced = [bar for bar in all_bars() if "max/avg" in bar.name or "swing" in bar.name or "overshoot" in bar.name]
    figures_apart = [bar for bar in balanced if "load" not in bar.name]
    assert len(figures_apart) > 60
    assert all(is_met(bar, bar.values()["equalize"]) for bar in figures_apart)


@pytest.mark.parametrize("case", CASES.values())
def test_quick_runs_are_shorter_and_fewer(case: Callable[[Lab, bars.Effort], Sequence[Bar]]) -> None:
    full, quick = Noting(), Noting()
    list(case(full, bars.Effort()))
    list(case(quick, QUICK))

    def seconds(lab: Noting) -> float:
        return sum((it.warm_up_seconds + it.duration_seconds) * seeds for _, it, _, seeds in lab.asked)

    assert seconds(quick) < seconds(full) / 2


def test_the_table_says_for_each_of_ours_whether_a_bar_is_met_as_it_is_printed() -> None:
    bar = Bar(name="x", at_most=1.01, judged=["equalize"], values=lambda: {"equalize": 1.0104, "static": 1.4})
    missed = msgspec.structs.replace(bar, values=lambda: {"equalize": math.inf, "static": 1.4})
    unjudged = msgspec.structs.replace(bar, judged=[])
    rows = list(lines([bar, missed, unjudged], ["equalize", "static", "grpc"]))
    assert rows == [
        ("x", "1.01", "1.010", "yes", "1.400", "-"),
        ("x", "1.01", "never", "NO", "1.400", "-"),
        ("x", "1.01", "1.010", "", "1.400", "-"),
    ]
    assert summary(rows) == "1 of 2 bars are met"


def test_the_method_names_what_was_done() -> None:
    text = method(effort_of(arguments_of(["--seeds", "5"])))
    assert "5 seeds" in text
    assert "{" not in text


def test_arguments_say_how_much_is_done() -> None:
    assert effort_of(arguments_of([])) == bars.Effort()
    assert effort_of(arguments_of(["--quick", "cluster"])) == QUICK
    assert effort_of(arguments_of(["--properties", "7"])).examples == 7


def test_a_case_that_there_is_not_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments_of(["clusters"])
    assert "there is no case clusters; there are cluster, step, " in capsys.readouterr().err


def test_a_step_costs_something() -> None:
    assert step_milliseconds("static", "wlc") > 0.0
