"""The terms of a weight agree with the weight, and with what the next step does."""

import math
from collections.abc import Mapping
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback.director.stepping import wrong_terms
from feedback.director.weights import NO_SHARES, Bound, Member, Policy, Terms, bounds, make_policy
from feedback.director.weights.equalize import CENTRE
from feedback.director.weights.writing import FINEST_RATIO
from tests.director.weights.cluster import Cluster
from tests.director.weights.test_policy import clusters

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos")


def member(utilization: float | None = 0.5, **fields: Any) -> Member:
    plain: dict[str, Any] = {"base_weight": 100, "weight": 100, "usable_seconds": 300.0}
    return Member(utilization=utilization, **(plain | fields))


def terms_of(policy: Policy, members: Mapping[str, Member], seconds: int = 1) -> Mapping[str, Terms]:
    """Return the terms after some seconds in which nothing changes but the weights."""
    for second in range(seconds):
        weights = policy.step(1000.0 + second, members)
        members = {name: msgspec.structs.replace(one, weight=weights[name]) for name, one in members.items()}
    return policy.terms()


@pytest.mark.parametrize("name", ["static", "availability", "equalize"])
def test_before_the_first_step_and_of_base_weight_0_there_is_nothing_to_tell(name: str) -> None:
    policy = make_policy(name)
    assert policy.terms() == {}
    assert terms_of(policy, {"rs1": member(), "rs2": member(base_weight=0, weight=0)}).keys() == {"rs1"}


def test_a_policy_need_not_tell() -> None:
    class Mine(Policy):
        def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:  # noqa: ARG002 - the contract's
            return dict.fromkeys(members, 1)

    assert terms_of(Mine(), {"rs1": member()}) == {}


def test_static_knows_of_no_load() -> None:
    assert terms_of(make_policy("static"), {"rs1": member()}) == {
        "rs1": Terms(wanted_weight=100.0, tolerance_ratio=0.0, bound="")
    }


def test_availability_leads_to_no_utilization_but_by_the_idle_share() -> None:
    policy = make_policy("availability", response=10.0)
    (told,) = terms_of(policy, {"rs1": member(0.5)}, 5).values()
    assert (told.utilization, told.aim, told.follow_seconds) == (0.5, None, 10.0)
    assert told.error == pytest.approx(math.log(50.0 / told.wanted_weight))
    assert told.wanted_weight == pytest.approx(50.0 + 50.0 * math.exp(-0.4))


def test_less_than_the_least_whole_weight_is_held_there() -> None:
    policy = make_policy("availability")
    told = terms_of(policy, {"rs1": member(0.94, base_weight=7, weight=7)}, 90)["rs1"]
    assert told.bound == "floor"
    assert told.wanted_weight == pytest.approx(0.42, rel=0.01)


def test_availability_with_nothing_left_has_no_logarithm() -> None:
    (told,) = terms_of(make_policy("availability", floor=0.0), {"rs1": member(1.0)}, 3).values()
    assert (told.error, told.bound) == (None, "")


def test_equalize_leads_everybody_to_the_geometric_mean() -> None:
    terms = terms_of(make_policy("equalize"), {"rs1": member(0.2), "rs2": member(0.6)})
    mean = math.sqrt(0.22 * 0.62) - 0.02
    assert [one.utilization for one in terms.values()] == [0.2, 0.6]
    assert [one.aim for one in terms.values()] == pytest.approx([mean, mean])
    assert terms["rs1"].error == pytest.approx(math.log((mean + 0.02) / 0.22))
    assert terms["rs2"].error == pytest.approx(-math.log(0.62 / (mean + 0.02)))
    assert terms["rs1"].follow_seconds == 10.0


def test_who_has_few_connections_is_followed_slowly_and_who_has_none_not_at_all() -> None:
    members = {"rs1": member(active_connections=10), "rs2": member(active_connections=1000), "rs3": member()}
    terms = terms_of(make_policy("equalize"), members, 20)
    slow, fast = terms["rs1"].follow_seconds, terms["rs2"].follow_seconds
    assert slow is not None
    assert fast is not None
    assert slow > 2.0 * fast > 19.0
    assert terms["rs3"].follow_seconds is None


def test_what_a_scheduler_remembers_is_averaged_over_its_memory_once_all_is_calm() -> None:
    """Under wlc with short connections the policy goes by a mean over two minutes, and so do the terms."""
    policy, weights = make_policy("equalize"), {"rs1": 100, "rs2": 100}
    for second in range(900):
        swing = 0.1 * math.sin(second)
        members = {
            "rs1": member(0.5 + swing, weight=weights["rs1"], inactive_connections=6000, new_connections=50),
            "rs2": member(0.5 - swing, weight=weights["rs2"], inactive_connections=6000, new_connections=50),
        }
        weights = policy.step(float(second), members)
    for told in policy.terms().values():
        assert told.utilization == pytest.approx(0.5, abs=0.003)
        assert told.aim == pytest.approx(0.5, abs=0.003)


@pytest.mark.parametrize("name", ["availability", "equalize"])
@pytest.mark.parametrize(
    ("one", "options", "bound"),
    [
        (member(None), {}, "no_report"),
        (member(math.nan), {}, "no_report"),
        (member(0.9, usable_seconds=3.0), {"slow_start": 30.0}, "slow_start"),
        (member(None, usable_seconds=3.0), {"slow_start": 30.0}, "slow_start"),
        (member(0.999), {"floor": 0.9}, "floor"),
    ],
)
def test_what_keeps_a_weight_from_following_its_load(
    name: str, one: Member, options: dict[str, Any], bound: str
) -> None:
    terms = terms_of(make_policy(name, **options), {"rs1": one, "rs2": member(0.01), "rs3": member(0.01)}, 60)
    assert terms["rs1"].bound == bound


def test_who_could_take_more_than_its_ceiling_is_held_there() -> None:
    terms = terms_of(make_policy("equalize", ceiling=1.1), {"rs1": member(0.1), "rs2": member(0.5)}, 60)
    assert terms["rs1"].bound == "ceiling"
    assert terms["rs1"].wanted_weight == pytest.approx(110.0)


def test_who_is_at_a_bound_and_led_away_from_it_is_not_bounded() -> None:
    policy = make_policy("equalize", floor=0.9)
    terms_of(policy, {"rs1": member(0.9), "rs2": member(0.1)}, 60)
    told = policy.step(1060.0, {"rs1": member(0.0, weight=90), "rs2": member(0.9, weight=110)})
    assert told.keys() == {"rs1", "rs2"}
    for second in range(4):
        policy.step(1061.0 + second, {"rs1": member(0.0, weight=90), "rs2": member(0.9, weight=110)})
    assert policy.terms()["rs1"].bound != "floor"


def test_an_idle_service_has_nothing_to_learn_from() -> None:
    terms = terms_of(make_policy("equalize"), {"rs1": member(0.01), "rs2": member(0.02)})
    assert {one.bound for one in terms.values()} == {"idle"}


def test_a_newcomer_settles_first() -> None:
    policy = make_policy("equalize")
    policy.step(0.0, {"rs1": member()})
    policy.step(1.0, {"rs1": member(), "rs2": member(0.0)})
    assert policy.terms()["rs2"].bound == "settling"
    assert (policy.terms()["rs2"].error, policy.terms()["rs2"].follow_seconds) == (None, None)


@pytest.mark.parametrize("name", ["static", "availability", "equalize"])
@pytest.mark.parametrize("scheduler", sorted(NO_SHARES))
def test_where_weights_are_no_shares_the_scheduler_bounds_them(name: str, scheduler: str) -> None:
    terms = terms_of(make_policy(name, scheduler=scheduler), {"rs1": member(0.2), "rs2": member(0.8)}, 30)
    assert {one.bound for one in terms.values()} == {"scheduler"}


@pytest.mark.parametrize("scheduler", ["sh", "mh", "lblc", "lblcr"])
def test_a_scheduler_that_is_told_seldom_keeps_a_weight_waiting(scheduler: str) -> None:
    policy = make_policy("equalize", scheduler=scheduler)
    members = {"rs1": member(0.2), "rs2": member(0.8)}
    found: set[str] = set()
    for second in range(60):
        weights = policy.step(float(second), members)
        members = {name: msgspec.structs.replace(one, weight=weights[name]) for name, one in members.items()}
        found |= {one.bound for one in policy.terms().values()}
        assert {one.tolerance_ratio for one in policy.terms().values()} == {0.1}
    assert found == {"", "tolerance", "scheduler"}


def test_in_short_cycles_only_shares_count() -> None:
    """A unit is a whole number: where the truest one is none, all weights are off by the same ratio."""
    policy = make_policy("equalize", scheduler="wrr")
    members = {"rs1": member(base_weight=100, weight=0), "rs2": member(base_weight=33, weight=0)}
    assert policy.step(0.0, members) == {"rs1": 99, "rs2": 33}
    assert {name: one.bound for name, one in policy.terms().items()} == {"rs1": "tolerance", "rs2": ""}


def differs(told: Terms, weight: int) -> bool:
    return round(told.wanted_weight) != weight


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["static", "availability", "equalize"]),
    scheduler=st.sampled_from(SCHEDULERS),
    speeds=st.lists(st.floats(0.3, 3.0), min_size=2, max_size=5),
    load=st.floats(0.01, 1.3),
    noise=st.floats(0.0, 0.2),
    base_weight=st.sampled_from([1, 7, 100, 1000]),
    floor=st.sampled_from([0.05, 0.5, 1.0]),
    slow_start=st.sampled_from([0.0, 20.0]),
    seed=st.integers(0, 1000),
)
def test_the_terms_are_those_of_the_written_weight(
    *,
    name: str,
    scheduler: str,
    speeds: list[float],
    base_weight: int,
    floor: float,
    slow_start: float,
    **fields: Any,
) -> None:
    """Whatever differs is bounded, every bound is one of the list and true, and every number is finite."""
    policy = make_policy(name, scheduler=scheduler, floor=floor, slow_start=slow_start)
    named = {f"rs{number}": speed for number, speed in enumerate(speeds)}
    cluster = Cluster(policy, named, base_weight=base_weight, **fields)
    low, high = bounds(base_weight, floor, 10.0)
    for second in range(80):
        if second == 30:
            cluster.mute.add("rs0")
        if second == 45:
            cluster.mute.clear()
            cluster.leave("rs0")
        if second == 50:
            cluster.join("rs0")
        weights = cluster.step()
        terms = policy.terms()
        assert terms.keys() == weights.keys()
        for each, told in terms.items():
            assert told.bound in get_args(Bound)
            assert told == msgspec.json.decode(msgspec.json.encode(told), type=Terms)
            assert told.wanted_weight > 0.0
            if differs(told, weights[each]):
                assert told.bound
            off = abs(told.wanted_weight - weights[each])
            if told.bound == "tolerance":
                assert off <= max(0.6, told.tolerance_ratio * told.wanted_weight) + 1e-9
            if told.bound == "floor" and name == "equalize":
                assert told.wanted_weight < low + 1.0
            if told.bound == "ceiling":
                assert told.wanted_weight > high - 1.0


@settings(max_examples=60, deadline=None)
@given(
    scheduler=st.sampled_from(["wlc", "wrr", "mh"]),
    speeds=st.lists(st.floats(0.7, 1.4), min_size=2, max_size=5),
    load=st.floats(0.1, 0.9),
    noise=st.floats(0.0, 0.1),
    response=st.sampled_from([5.0, 10.0, 60.0]),
    seed=st.integers(0, 1000),
)
def test_an_equalized_weight_moves_by_its_terms_and_no_faster(
    *, scheduler: str, speeds: list[float], response: float, **fields: Any
) -> None:
    """d/dt ln(wanted) is the error, less a deadband, over the time in which it is followed."""
    policy = make_policy("equalize", scheduler=scheduler, response=response)
    named = {f"rs{number}": speed for number, speed in enumerate(speeds)}
    cluster = Cluster(policy, named, **fields)
    cluster.step()
    before = policy.terms()
    for _ in range(60):
        cluster.step()
        after = policy.terms()
        mean = sum(math.log(told.wanted_weight / 100.0) for told in after.values()) / len(after)
        for name, told in after.items():
            if told.bound not in {"", "tolerance", "scheduler"} or abs(mean) > 0.9 * CENTRE:
                continue
            assert told.error is not None
            assert told.follow_seconds is not None
            moved = math.log(told.wanted_weight / before[name].wanted_weight)
            assert moved * told.error >= 0.0
            assert abs(moved) <= max(0.0, abs(told.error) - FINEST_RATIO) / told.follow_seconds + 1e-9
            if scheduler == "wlc":
                band = 1.0 / before[name].wanted_weight  # half a unit, and something
                assert abs(moved) >= (min(abs(told.error), 1.0) - band) / told.follow_seconds - 1e-9
        before = after


@settings(max_examples=100)
@given(
    name=st.sampled_from(["static", "availability", "equalize"]),
    scheduler=st.sampled_from(SCHEDULERS),
    floor=st.floats(0.0, 1.0),
    slow_start=st.sampled_from([0.0, 30.0]),
    response=st.sampled_from([0.0, 10.0]),
    steps=clusters,
)
def test_whatever_comes_what_is_told_are_terms(
    name: str, scheduler: str, steps: list[tuple[float, dict[str, Member]]], **options: Any
) -> None:
    policy = make_policy(name, scheduler=scheduler, **options)
    for now, seen in steps:
        weights = policy.step(now, seen)
        terms = policy.terms()
        assert wrong_terms(terms, seen) == ""
        for each, told in terms.items():
            assert told.bound or not differs(told, weights[each])
