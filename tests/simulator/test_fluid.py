import itertools
import math
from collections.abc import Mapping

import msgspec
import pytest

from feedback.director.weights import Member, Policy
from feedback.simulator.fluid import FluidCluster, poured, run_fluid
from feedback.simulator.scenario import Amount, Distribution, Event, Reports, Scenario, ServerSpec, Stream
from feedback.simulator.yardsticks import Fixed


class Watching(Policy):
    """Keeps what it is shown."""

    def __post_init__(self) -> None:
        self.seen: list[Mapping[str, Member]] = []

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:  # noqa: ARG002 - the contract's
        self.seen.append(members)
        return {name: member.base_weight for name, member in members.items()}


def held(seconds: float = 10.0, **changes: object) -> Scenario:
    """Return two servers of speeds 1 and 3, with connections that take a hundredth of speed 1."""
    made = Scenario(
        name="two",
        scheduler="wrr",
        servers={"a": ServerSpec(speed=1.0), "b": ServerSpec(speed=3.0)},
        streams={"held": Stream(kind="connection", duration=Amount(mean=seconds), demand=0.01)},
        load_ratio=0.5,
        warm_up_seconds=0.0,
        duration_seconds=100.0,
    )
    return msgspec.structs.replace(made, **changes)


def weighing(a: int, b: int) -> Policy:
    return Fixed(weights=((-math.inf, {"a": a, "b": b}),))


def steps(cluster: FluidCluster, seconds: float, length: float = 1.0) -> None:
    for _ in range(round(seconds / length)):
        cluster.step(length)


@pytest.mark.parametrize("scheduler", ["wrr", "wlc", "mh"])
def test_load_settles_in_proportion_to_weights_over_speeds(scheduler: str) -> None:
    cluster = FluidCluster(held(scheduler=scheduler), weighing(1, 1))
    steps(cluster, 200)
    assert cluster.utilization() == {"a": pytest.approx(1.0), "b": pytest.approx(1 / 3)}
    cluster = FluidCluster(held(scheduler=scheduler), weighing(1, 3))
    steps(cluster, 200)
    assert cluster.utilization() == {"a": pytest.approx(0.5), "b": pytest.approx(0.5)}


@pytest.mark.parametrize("scheduler", ["rr", "lc", "dh", "fo"])
def test_schedulers_that_don_t_look_at_weights_share_out_equally(scheduler: str) -> None:
    cluster = FluidCluster(held(scheduler=scheduler), weighing(1, 9))
    steps(cluster, 200)
    assert cluster.utilization()["b"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("length", [0.1, 1.0, 5.0])
def test_load_comes_as_slowly_as_connections_last_however_long_a_step_is(length: float) -> None:
    servers = {"a": ServerSpec(speed=1.0, base_weight=1), "b": ServerSpec(speed=3.0, base_weight=3)}
    cluster = FluidCluster(held(servers=servers), weighing(1, 3))
    steps(cluster, 10, length)
    assert cluster.utilization()["a"] == pytest.approx(0.5 * (1 - math.exp(-1)))


def test_under_wlc_what_arrives_goes_to_whoever_has_too_few() -> None:
    def after_a_change(scheduler: str) -> float:
        policy = Fixed(weights=((-math.inf, {"a": 1, "b": 1}), (100.0, {"a": 1, "b": 3})))
        cluster = FluidCluster(held(scheduler=scheduler), policy)
        steps(cluster, 105)
        return cluster.flows["a"].connections

    due = 0.01**-1 * 0.5
    assert after_a_change("wlc") == pytest.approx(max(due, 2 * due * math.exp(-0.5)), rel=0.1)
    assert after_a_change("wrr") == pytest.approx(due + due * math.exp(-0.5), rel=0.1)


def test_other_work_and_a_change_of_speed_show_at_once() -> None:
    cluster = FluidCluster(held(), weighing(1, 3))
    steps(cluster, 200)
    cluster.happen(Event(at_seconds=0.0, server="a", background_ratio=0.2))
    cluster.happen(Event(at_seconds=0.0, server="b", speed=6.0))
    assert cluster.utilization() == {"a": pytest.approx(0.7), "b": pytest.approx(0.25)}
    cluster.happen(Event(at_seconds=0.0, server="a", background_ratio=0.9))
    assert cluster.utilization()["a"] == 1.0


def test_the_load_can_change_and_end() -> None:
    cluster = FluidCluster(held(1.0), weighing(1, 3))
    cluster.happen(Event(at_seconds=0.0, load_ratio=0.25))
    steps(cluster, 20)
    assert cluster.utilization()["a"] == pytest.approx(0.25)
    cluster.happen(Event(at_seconds=0.0, load_ratio=0.0))
    steps(cluster, 40)
    assert cluster.utilization()["a"] == pytest.approx(0.0, abs=1e-9)


def test_who_is_dead_is_shown_to_nobody_and_comes_back_empty() -> None:
    policy = Watching()
    cluster = FluidCluster(held(), policy)
    steps(cluster, 50)
    cluster.happen(Event(at_seconds=0.0, server="b", alive=False))
    cluster.step(1.0)
    assert set(policy.seen[-1]) == {"a"}
    assert cluster.utilization()["b"] == 0.0
    assert cluster.weights()["b"] == 0
    cluster.happen(Event(at_seconds=0.0, server="b", alive=True))
    cluster.step(2.0)
    assert policy.seen[-1]["b"].usable_seconds == pytest.approx(2.0)
    assert cluster.flows["b"].connections == 0.0  # its weight was 0 until now


def test_when_all_are_dead_nothing_happens() -> None:
    cluster = FluidCluster(held(), Watching())
    for server in "ab":
        cluster.happen(Event(at_seconds=0.0, server=server, alive=False))
    for scheduler in ("wrr", "wlc"):
        cluster._scheduler = scheduler
        assert cluster.step(1.0) == {}


def test_counters_are_whole_numbers_of_what_flows() -> None:
    policy = Watching()
    cluster = FluidCluster(held(), policy)
    steps(cluster, 100)
    seen = policy.seen[-1]["a"]
    assert seen.active_connections == 100  # 0.5 * 4 / 0.01 in all, half of them
    assert sum(members["a"].new_connections for members in policy.seen) == pytest.approx(100 / 10 * 100, abs=1)


def test_reports_come_late_and_are_used_until_they_are_stale() -> None:
    policy = Watching()
    cluster = FluidCluster(held(reports=Reports(delay_seconds=2.0)), policy)
    steps(cluster, 50)
    told = [members["a"].utilization for members in policy.seen]
    assert told[:2] == [None, None]
    assert told[2] == pytest.approx(1.0 * (1 - math.exp(-0.1)))
    cluster.happen(Event(at_seconds=0.0, server="a", reports=False))
    steps(cluster, 6)
    assert [members["a"].utilization is None for members in policy.seen[-6:]] == [False] * 5 + [True]


def test_lost_reports_leave_the_one_before() -> None:
    policy = Watching()
    steps(FluidCluster(held(reports=Reports(delay_seconds=0.0, loss_ratio=0.5)), policy), 100)
    told = [members["a"].utilization for members in policy.seen]
    kept = sum(before == after for before, after in itertools.pairwise(told))
    assert 30 < kept < 70


def test_noise_is_in_reports_and_not_in_utilization_and_can_be_hushed() -> None:
    policy = Watching()
    cluster = FluidCluster(held(0.1, reports=Reports(delay_seconds=0.0, noise=0.05)), policy)
    steps(cluster, 500)
    told = [members["b"].utilization or 0.0 for members in policy.seen]
    assert cluster.utilization()["b"] == pytest.approx(1 / 3)
    assert max(told) > 0.4
    assert min(told) < 0.25
    cluster.hush()
    steps(cluster, 2)
    assert policy.seen[-1]["b"].utilization == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("distribution", "shape", "dispersion"),
    [
        ("fixed", 1.0, 1.0),
        ("exponential", 1.0, 2.0),
        ("lognormal", 1.0, math.e),
        ("pareto", 3.0, 4 / 3),
        ("pareto", 2.0, 10.0),
    ],
)
def test_single_requests_make_a_second_s_report_chance(
    distribution: Distribution, shape: float, dispersion: float
) -> None:
    work = Amount(mean=0.001, distribution=distribution, shape=shape)
    policy = Watching()
    cluster = FluidCluster(held(streams={"requests": Stream(work=work)}, reports=Reports(delay_seconds=0.0)), policy)
    steps(cluster, 3000)
    told = [members["b"].utilization or 0.0 for members in policy.seen[100:]]
    variance = sum((value - 1 / 3) ** 2 for value in told) / len(told)
    assert variance == pytest.approx(1 / 3 * 0.001 * dispersion / 3.0, rel=0.15)


def test_a_run_keeps_what_a_cluster_of_events_keeps() -> None:
    policy = Fixed(weights=((-math.inf, {"a": 1, "b": 1}), (50.0, {"a": 1, "b": 3})))
    slower = Event(at_seconds=90.0, server="b", speed=1.5)
    record = run_fluid(held(0.1, events=(slower,), duration_seconds=100.0), policy)
    assert len(record.times) == 100
    assert record.writes == 3  # two of the base weights at first
    assert [record.utilization[1][second] for second in (30, 80, 95)] == pytest.approx([1 / 3, 0.5, 1.0])
    assert record.weights[1][-1] == 3


def test_the_same_seed_gives_the_same_run() -> None:
    wanted = held(reports=Reports(noise=0.1, loss_ratio=0.2))
    first, second = Watching(), Watching()
    for policy in (first, second):
        run_fluid(wanted, policy)
    assert first.seen == second.seen


@pytest.mark.parametrize(
    ("amount", "levels", "widths", "gains"),
    [
        (3.0, [0.0, 0.0], [1.0, 2.0], [1.0, 2.0]),
        (1.0, [5.0, 0.0], [1.0, 1.0], [0.0, 1.0]),
        (6.0, [2.0, 0.0], [1.0, 1.0], [2.0, 4.0]),
        (2.0, [1.0, 0.0, 9.0], [1.0, 0.0, 1.0], [2.0, 0.0, 0.0]),
        (2.0, [1.0], [0.0], [0.0]),
        (0.0, [1.0, 3.0], [1.0, 1.0], [0.0, 0.0]),
    ],
)
def test_who_pours_gives_to_the_lowest(
    amount: float, levels: list[float], widths: list[float], gains: list[float]
) -> None:
    assert poured(amount, levels, widths) == pytest.approx(gains)
