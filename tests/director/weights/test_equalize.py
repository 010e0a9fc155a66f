import math
import random
from itertools import pairwise
from typing import Any

import pytest

from feedback.director.weights import Member, make_policy
from feedback.director.weights.levels import agreed, by_weight, rise_of
from tests.director.weights.cluster import Cluster, linear, saturating

SPEEDS = {"rs1": 1.0, "rs2": 1.0, "rs3": 2.0, "rs4": 4.0}


def cluster(scheduler: str = "wlc", response: float = 10.0, slow_start: float = 0.0, **fields: Any) -> Cluster:
    """Return a cluster of speeds 1, 1, 2 and 4 at equal weights under the policy."""
    policy = make_policy("equalize", scheduler=scheduler, response=response, slow_start=slow_start)
    return Cluster(policy, **({"speeds": SPEEDS} | fields))


@pytest.mark.parametrize("scheduler", ["wlc", "wrr"])
@pytest.mark.parametrize("response", [10.0, 30.0])
@pytest.mark.parametrize("load", [0.2, 0.4, 0.6])
@pytest.mark.parametrize("seed", range(4))
def test_unequal_servers_are_equally_busy_within_four_times_the_response(
    scheduler: str, response: float, load: float, seed: int
) -> None:
    unequal = cluster(scheduler, response, load=load, noise=0.03, seed=seed)
    assert unequal.imbalance() > 1.15
    unequal.run(4 * response)
    for _ in range(100):
        unequal.step()
        assert unequal.imbalance() <= 1.05


def test_overloaded_servers_are_relieved_too_though_their_utilization_does_not_say_how_far_they_are_over() -> None:
    overloaded = cluster(load=0.9, noise=0.03)
    assert overloaded.utilization()["rs1"] == 1.0
    overloaded.run(80)
    assert overloaded.imbalance() <= 1.05


@pytest.mark.parametrize("scheduler", ["wlc", "wrr"])
def test_weights_approach_without_swinging(scheduler: str) -> None:
    """The fastest server's share rises and the slow ones' falls, and neither goes past where it settles."""
    path = cluster(scheduler, noise=0.0).run(200)
    shares = [weights["rs4"] / sum(weights.values()) for weights in path]
    assert max(shares) <= 0.5 * 1.02
    assert all(after >= before * 0.975 for before, after in pairwise(shares))


def test_a_plant_that_answers_weakly_settles_too() -> None:
    weak = cluster(plant=saturating, load=0.9)
    weak.run(100)
    assert weak.imbalance() <= 1.05


def test_a_short_response_is_held_back_to_what_the_reports_allow() -> None:
    hasty = cluster(response=0.5)
    hasty.run(40)
    path = hasty.run(50)
    assert hasty.imbalance() <= 1.05
    shares = [weights["rs4"] / sum(weights.values()) for weights in path]
    assert max(shares) - min(shares) < 0.01


def test_steps_of_uneven_length_make_no_difference_in_the_end() -> None:
    uneven, clock = cluster(noise=0.02), random.Random(3)
    for _ in range(80):
        uneven.step(clock.uniform(0.1, 2.5))
    assert uneven.imbalance() <= 1.05


def test_a_balanced_cluster_gets_no_writes() -> None:
    balanced = cluster(noise=0.02, speeds={"rs1": 1.0, "rs2": 1.0, "rs3": 1.0})
    balanced.run(300)
    assert balanced.writes == 0


def test_a_cluster_that_has_settled_gets_few_writes() -> None:
    settled = cluster(noise=0.03)
    settled.run(100)
    settled.writes = 0
    settled.run(300)
    assert settled.writes <= 12


@pytest.mark.parametrize("scheduler", ["wlc", "wrr", "mh"])
def test_a_restarted_director_goes_on_from_the_weights_in_the_table(scheduler: str) -> None:
    old = cluster(scheduler)
    old.run(60)
    weights = dict(old.weights)
    new = cluster(scheduler, weights=dict(weights), now=9e6)
    assert new.step() == weights
    assert new.step() == weights


def test_new_load_is_followed_from_where_the_weights_stand() -> None:
    moved = cluster()
    moved.run(60)
    moved.speeds = {**SPEEDS, "rs1": 4.0}
    assert moved.imbalance() > 1.2
    moved.run(40)
    assert moved.imbalance() <= 1.05


def test_who_leaves_does_not_move_the_others() -> None:
    left = cluster()
    left.run(80)
    before = dict(left.weights)
    left.leave("rs4")
    after = left.step()
    assert after == {name: before[name] for name in ("rs1", "rs2", "rs3")}
    left.run(40)
    assert left.imbalance() <= 1.05


def test_who_comes_back_has_the_weight_it_had_and_does_not_move_the_others() -> None:
    """An idle newcomer is not yet the answer to its weight: its first reports move nothing."""
    back = cluster()
    back.run(80)
    before = dict(back.weights)
    back.leave("rs1")
    back.run(30)
    others = dict(back.weights)
    back.join("rs1")
    for weights in back.run(4):
        assert weights["rs1"] == pytest.approx(before["rs1"], rel=0.05)
        assert weights == pytest.approx({**others, "rs1": weights["rs1"]}, rel=0.03)
    back.run(40)
    assert back.imbalance() <= 1.05


def test_who_was_away_for_long_begins_at_its_base_weight() -> None:
    back = cluster()
    back.run(80)
    back.leave("rs1")
    back.run(700)
    back.join("rs1")
    assert back.step()["rs1"] == 100


def test_while_it_is_let_in_slowly_its_small_load_is_not_taken_for_speed() -> None:
    slow = cluster(slow_start=30.0)
    slow.run(80)
    settled = dict(slow.weights)
    slow.leave("rs4")
    slow.run(20)
    slow.join("rs4")
    path = [weights["rs4"] for weights in slow.run(31)]
    assert path == sorted(path)
    assert path[0] == pytest.approx(settled["rs4"] / 10, rel=0.1)
    assert path[-1] == pytest.approx(settled["rs4"], rel=0.05)
    slow.run(40)
    assert slow.imbalance() <= 1.05


def test_lost_reports_hold_the_weight_and_then_lead_it_back_to_the_base_slowly() -> None:
    lost = cluster()
    lost.run(80)
    held = lost.weights["rs1"]
    lost.mute.add("rs1")
    assert {weights["rs1"] for weights in lost.run(10)} == {held}
    path = [weights["rs1"] for weights in lost.run(300)]
    assert path == sorted(path)
    assert path[20] < 0.5 * (held + 100)
    assert path[-1] == pytest.approx(100, rel=0.05)


def test_when_all_reports_are_lost_all_go_back_to_the_base_together() -> None:
    lost = cluster()
    lost.run(80)
    lost.mute |= set(SPEEDS)
    lost.run(500)
    assert all(weight == pytest.approx(100, rel=0.05) for weight in lost.weights.values())


def test_reports_that_come_back_are_followed_again() -> None:
    lost = cluster()
    lost.run(80)
    lost.mute.add("rs4")
    lost.run(200)
    lost.mute.clear()
    lost.run(60)
    assert lost.imbalance() <= 1.05


def test_an_idle_cluster_goes_back_to_the_base_weights() -> None:
    idle = cluster()
    idle.run(80)
    idle.load = 0.0
    idle.run(600)
    assert all(weight == pytest.approx(100, rel=0.05) for weight in idle.weights.values())


def test_what_the_bounds_cut_off_is_not_made_up_for_later() -> None:
    """Half an hour at the bounds, and still the first seconds of the contrary move the weights (anti-windup)."""
    bound = cluster(speeds={"rs1": 1.0, "rs2": 1000.0})
    bound.run(1800)
    before = dict(bound.weights)
    assert before["rs1"] < 20
    assert before["rs2"] >= 290  # the others give way threefold, and no more
    bound.speeds = {"rs1": 1000.0, "rs2": 1.0}
    bound.run(10)
    assert bound.weights["rs1"] > before["rs1"]
    assert bound.weights["rs2"] < before["rs2"]


def test_a_stopped_director_does_not_jump_when_it_goes_on() -> None:
    stopped = cluster()
    stopped.run(5)
    before = dict(stopped.weights)
    after = stopped.step(36000.0)
    assert all(after[name] == pytest.approx(before[name], rel=0.6) for name in SPEEDS)


def test_a_clock_that_stands_or_goes_back_moves_nothing() -> None:
    still = cluster()
    still.run(5)
    before = dict(still.weights)
    for _ in range(100):
        assert still.step(0.0) == before
    assert still.step(-50.0) == before


def test_far_from_the_base_weights_they_all_go_back_in_step() -> None:
    """Shares are kept; what goes back is the scale, so that neither bounds nor resolution are lost."""
    members = {
        name: Member(base_weight=100, weight=weight, utilization=0.5, usable_seconds=300.0)
        for name, weight in {"rs1": 800, "rs2": 400}.items()
    }
    policy = make_policy("equalize")
    for second in range(600):
        weights = policy.step(float(second), members)
    assert weights["rs1"] / weights["rs2"] == pytest.approx(2.0, rel=0.05)
    assert weights["rs1"] * weights["rs2"] == pytest.approx(100**2 * 1.65, rel=0.1)


@pytest.mark.parametrize("scheduler", ["sh", "mh", "lblc"])
def test_hash_schedulers_are_told_every_half_minute_at_most_and_settle(scheduler: str) -> None:
    hashed = cluster(scheduler, noise=0.03)
    path = hashed.run(600)
    told = [second for second in range(1, len(path)) if path[second] != path[second - 1]]
    assert told
    assert all(after - before >= 30 for before, after in pairwise(told))
    assert hashed.imbalance() <= 1.12


@pytest.mark.parametrize("scheduler", ["wlc", "wrr"])
def test_small_base_weights_are_coarse_but_do_not_swing(scheduler: str) -> None:
    small = cluster(scheduler, base_weight=1)
    before = small.imbalance()
    small.run(200)
    small.writes = 0
    small.run(300)
    assert small.imbalance() < before
    assert small.writes == 0


def test_a_single_destination_keeps_its_weight() -> None:
    single = cluster(speeds={"rs1": 1.0}, plant=linear)
    single.run(100)
    assert single.weights == {"rs1": 100}


@pytest.mark.parametrize(("seen", "foreseen", "error"), [(0.4, 0.1, 0.1), (-0.1, -0.4, -0.1), (0.4, -0.1, 0.0)])
def test_an_error_counts_as_far_as_what_is_and_what_will_be_agree(seen: float, foreseen: float, error: float) -> None:
    assert agreed({"rs1": seen}, {"rs1": foreseen}) == {"rs1": error}


@pytest.mark.parametrize(("foreseen", "busy"), [(0.0, 0.5), (math.log(2.0), 0.6), (-math.log(2.0), 0.45)])
def test_only_what_goes_with_connections_is_foreseen_to_change(foreseen: float, busy: float) -> None:
    """Of 0.5, a fifth goes with them."""
    assert math.exp(rise_of(0.5, 0.2, foreseen)) == pytest.approx((busy + 0.02) / 0.52)


@pytest.mark.parametrize(
    ("error", "gain", "more"),
    [(0.1, 1.0, 0.1), (-0.1, 0.25, -0.4), (0.6, 0.25, 1.0), (2.0, 0.25, 2.0)],
)
def test_the_less_goes_with_weight_the_more_of_it_an_error_asks_for(error: float, gain: float, more: float) -> None:
    assert by_weight(error, gain) == pytest.approx(more)


def test_chance_does_not_move_a_weight_for_ever_that_is_not_written() -> None:
    """What is wanted and not written counts as if it were, in part: else chance would add up without an end."""
    calm = cluster("wrr", speeds=dict.fromkeys(SPEEDS, 1.0), noise=0.1)
    calm.run(600)
    calm.writes = 0
    calm.run(3600)
    assert calm.writes <= 6 * len(SPEEDS)


def test_one_that_is_full_at_the_floor_does_not_drive_the_others_apart() -> None:
    """Of no weight that it can have would its host be less busy: then the others only even out among themselves."""
    driven = cluster(speeds={"rs1": 1e-6, "rs2": 1.0, "rs3": 2.0}, load=0.4)
    driven.run(1000)
    assert driven.weights["rs1"] == 5
    assert driven.weights["rs3"] == pytest.approx(2 * driven.weights["rs2"], rel=0.03)
    assert driven.weights["rs3"] < 900


def test_where_one_is_at_its_ceiling_the_others_give_way_together() -> None:
    """One server is as fast as thirty: not even ten times its base weight is enough unless the others have less."""
    speeds = {"rs0": 30.0} | {f"rs{number}": 1.0 for number in range(1, 8)}
    fast = cluster(speeds=speeds, load=0.5)
    fast.run(600)
    assert fast.weights["rs0"] == pytest.approx(1000, rel=0.01)
    assert fast.imbalance() <= 1.05


@pytest.mark.parametrize("change", [3.0, 1 / 200.0])
def test_the_others_give_way_as_fast_as_the_one_at_the_bound_is_followed(change: float) -> None:
    """Eleven are calm, and follow slowly. One has changed, and needs more, or less, than it can have beside them."""
    others = {f"rs{number}": 1.0 for number in range(1, 12)}
    one = cluster(speeds=others | {"rs0": 8.0}, load=0.4, noise=0.1)
    one.run(1500)
    one.load *= 19.0 / (11.0 + 8.0 * change)
    one.speeds = others | {"rs0": 8.0 * change}
    one.run(300)
    assert one.weights["rs0"] == pytest.approx(5 if change < 1.0 else 1000, rel=0.02)
    busy = one.utilization()
    assert busy["rs0"] == pytest.approx(busy["rs1"], rel=0.1)


def test_who_comes_in_far_beyond_its_bounds_hardly_moves_the_others() -> None:
    """Somebody else has written its weight. Giving way would leave them next to nothing."""
    calm = cluster(speeds=dict.fromkeys(SPEEDS, 1.0))
    calm.up = {"rs1", "rs2", "rs3"}
    calm.run(300)
    calm.join("rs4")
    calm.weights["rs4"] = 60_000
    calm.step()
    assert calm.weights["rs4"] == 1000
    assert calm.weights["rs1"] == pytest.approx(100, abs=2)
