import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback.director.weights import Member, make_policy
from feedback.errors import PluginError
from feedback.registry import POLICIES

NAMES = ["static", "availability", "equalize"]
SCHEDULERS = ["wlc", "wrr", "rr", "lc", "sh", "dh", "mh", "lblc", "sed", "nq", "fo"]


def test_the_built_in_policies_are_found_by_name() -> None:
    assert set(NAMES) <= set(POLICIES.all())


def test_an_unknown_policy_is_named_with_those_there_are() -> None:
    with pytest.raises(PluginError, match=r'^there is no policy "nosuch"; there are: .*availability, equalize'):
        make_policy("nosuch")


@pytest.mark.parametrize("name", NAMES)
def test_without_members_there_are_no_weights(name: str) -> None:
    assert make_policy(name).step(0.0, {}) == {}


@pytest.mark.parametrize("name", NAMES)
def test_without_load_every_destination_has_its_base_weight(name: str) -> None:
    policy = make_policy(name)
    members = {
        "rs1": Member(base_weight=100, weight=100, utilization=None, usable_seconds=300.0),
        "rs2": Member(base_weight=50, weight=50, utilization=None, usable_seconds=300.0),
    }
    for second in range(100):
        assert policy.step(float(second), members) == {"rs1": 100, "rs2": 50}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheduler", ["rr", "lc", "dh", "fo", "ovf"])
def test_where_weights_are_no_shares_the_base_weights_stay(name: str, scheduler: str) -> None:
    policy = make_policy(name, scheduler=scheduler, slow_start=30.0)
    for second in range(60):
        members = {
            "rs1": Member(base_weight=100, weight=100, utilization=1.0, usable_seconds=float(second)),
            "rs2": Member(base_weight=10, weight=10, utilization=0.1, usable_seconds=300.0),
            "rs3": Member(base_weight=0, weight=0, utilization=0.1, usable_seconds=300.0),
        }
        assert policy.step(float(second), members) == {"rs1": 100, "rs2": 10, "rs3": 0}


values = st.none() | st.floats(0.0, 3.0) | st.sampled_from([math.nan, math.inf, -1.0, 1e300])
members = st.builds(
    Member,
    base_weight=st.integers(0, 2000),
    weight=st.integers(0, 100_000),
    utilization=values,
    usable_seconds=st.floats(0.0, 1e6),
)
moments = st.floats(-1e9, 1e9) | st.sampled_from([math.nan, math.inf, -math.inf])
clusters = st.lists(
    st.tuples(moments, st.dictionaries(st.sampled_from(["rs1", "rs2", "rs3", "rs4"]), members)), min_size=1, max_size=6
)


@settings(max_examples=100)
@given(
    name=st.sampled_from(NAMES),
    scheduler=st.sampled_from(SCHEDULERS),
    floor=st.floats(0.0, 1.0),
    ceiling=st.floats(1.0, 100.0),
    slow_start=st.sampled_from([0.0, 30.0]),
    response=st.sampled_from([0.0, 0.5, 10.0, 600.0]),
    steps=clusters,
)
def test_whatever_comes_weights_are_whole_and_within_their_bounds(
    name: str, scheduler: str, steps: list[tuple[float, dict[str, Member]]], **options: Any
) -> None:
    policy = make_policy(name, scheduler=scheduler, **options)
    for now, seen in steps:
        weights = policy.step(now, seen)
        assert weights.keys() == seen.keys()
        for each, member in seen.items():
            weight = weights[each]
            assert type(weight) is int
            if member.base_weight == 0:
                assert weight == 0
                continue
            assert 1 <= weight <= max(1.0, member.base_weight * options["ceiling"] + 1e-6)
            if member.usable_seconds >= options["slow_start"]:
                assert weight >= member.base_weight * options["floor"] - 1e-6
