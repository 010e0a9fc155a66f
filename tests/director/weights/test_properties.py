"""What holds for every policy on random clusters (bench/random_clusters.py), whatever happens to them."""

from collections.abc import Mapping, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from random_clusters import SCHEDULERS, SHARES, RandomCluster, Trial, findings, random_clusters, turns

from feedback.director.weights import Member, Policy
from feedback.registry import POLICIES
from feedback.simulator.scenario import Event, ServerSpec


@pytest.mark.parametrize("policy", POLICIES.all())
@given(case=random_clusters(most=12))
@settings(max_examples=150)
def test_weights_are_always_within_their_bounds_and_never_0(policy: str, case: RandomCluster) -> None:
    assert list(Trial(case, policy).disturbed()) == []


@given(case=random_clusters(most=6))
@settings(max_examples=30)
def test_static_weights_come_to_rest(case: RandomCluster) -> None:
    assert [finding for finding in findings(case, "static") if "turns" in finding] == []


@given(case=random_clusters(mildness=1.0, most=6))
@settings(max_examples=20)
def test_equalize_makes_all_equally_busy_where_weights_within_the_bounds_do(case: RandomCluster) -> None:
    assert [finding for finding in findings(case, "equalize") if "turns" not in finding] == []


def servers(*pairs: tuple[float, float]) -> tuple[ServerSpec, ...]:
    """Return servers of so much speed, so much of which is at other work."""
    return tuple(ServerSpec(speed=speed, background_ratio=ratio) for speed, ratio in pairs)


UNLIKE = (
    (2.8, 0.0),
    (1.0, 0.3),
    (1.0, 0.3),
    (1.0, 0.0),
    (2.79, 0.5),
    (0.815, 0.3),
    (0.35, 0.3),
    (1.0, 0.5),
    (2.8, 0.0),
)
MANY = ((2.59, 0.3), (2.72, 0.0), (1.54, 0.0), (1.0, 0.0), (0.478, 0.3), (2.34, 0.5), (0.652, 0.3), (0.335, 0.3))


@pytest.mark.parametrize(
    "case",
    [
        # After a start, who has other work is the busiest, as long as connections are few
        RandomCluster(
            servers=servers((0.411, 0.0), (1.19, 0.5), (0.937, 0.0), (1.0, 0.0), (1.48, 0.0)),
            load_ratio=0.717,
            scheduler="twos",
            response_seconds=2.0,
            length_seconds=300.0,
        ),
        # Its utilization hardly goes with its weight
        RandomCluster(
            servers=servers(*UNLIKE),
            events=(Event(at_seconds=8.0, load_ratio=0.0), Event(at_seconds=192.0, load_ratio=0.5)),
            load_ratio=0.3,
            response_seconds=5.0,
            length_seconds=20.0,
            disturbed_steps=200,
        ),
        # Of what was foreseen and has come true, none stays
        RandomCluster(
            servers=servers((1.05, 0.0), (1.05, 0.3), (1.05, 0.3)),
            load_ratio=0.316,
            scheduler="wrr",
            response_seconds=30.0,
            length_seconds=3600.0,
        ),
        # A cycle that is too coarse for one weight is not too coarse for all
        RandomCluster(servers=servers(*MANY, *MANY[3:]), scheduler="wrr", length_seconds=300.0, disturbed_steps=200),
        RandomCluster(
            servers=servers((2.16, 0.0), (1.0, 0.0), (1.0, 0.5), (0.311, 0.3)),
            events=(Event(at_seconds=75.0, server="rs0", speed=0.308),),
            load_ratio=0.413,
            scheduler="sh",
            response_seconds=5.0,
            length_seconds=3600.0,
            disturbed_steps=200,
        ),
    ],
    ids=["start", "other-work", "came-true", "coarse", "seldom"],
)
def test_connections_that_last_and_other_work_are_met_together(case: RandomCluster) -> None:
    assert findings(msgspec.structs.replace(case, connections_per_speed=1000.0), "equalize") == []


TWO = RandomCluster(servers=(ServerSpec(speed=1.0), ServerSpec(speed=2.0)), scheduler="wrr", connections_per_speed=1000)


def test_servers_that_are_not_equally_busy_though_they_could_be_are_found() -> None:
    assert list(Trial(TWO, "equalize").findings()) == []
    (first, second) = Trial(TWO, "static").findings()
    assert first.startswith("rs0 is 1.414 times as busy")
    assert second.startswith("rs1 is 0.707 times as busy")


@pytest.mark.parametrize(
    "changes",
    [
        {"servers": (ServerSpec(speed=1.0),)},
        {"servers": (ServerSpec(speed=1.0), ServerSpec(speed=100.0))},
        {"servers": (ServerSpec(speed=1.0), ServerSpec(speed=2.0, background_ratio=0.9))},
        {"load_ratio": 0.05},
        {"load_ratio": 1.5},
        {"scheduler": "rr"},
        {"connections_per_speed": 1.0},
        {"disturbed_steps": 5, "events": (Event(at_seconds=1.0, server="rs0", reports=False),)},
        {"disturbed_steps": 5, "events": (Event(at_seconds=1.0, load_ratio=1.5),)},
    ],
)
def test_what_cannot_be_mended_is_no_finding(changes: dict[str, object]) -> None:
    assert list(Trial(msgspec.structs.replace(TWO, **changes), "static").findings()) == []


@pytest.mark.parametrize(
    ("weights", "found"),
    [
        ([10, 10, 10, 10], 0),
        ([10, 11, 12, 13, 14], 0),
        ([10, 12, 10, 10], 0),
        ([10, 12, 10, 12, 10], 1),
        ([1000, 1001, 1000, 1001, 1000], 0),
    ],
)
def test_a_weight_that_turns_again_and_again_is_found(weights: Sequence[int], found: int) -> None:
    assert len(list(turns([{"rs0": weight} for weight in weights]))) == found


class Starving(Policy):
    """Gives the first too little, and the second too much."""

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:  # noqa: ARG002 - the contract's
        return dict(zip(members, (0, 1001), strict=True))


def test_weights_beyond_their_bounds_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random_clusters.make_policy", lambda _, **fields: Starving(**fields))
    (first, second) = Trial(msgspec.structs.replace(TWO, disturbed_steps=1), "").disturbed()
    assert first == "rs0 weighs 0 at 1.0 s, which is not within 5 and 1000"
    assert second == "rs1 weighs 1001 at 1.0 s, which is not within 5 and 1000"


def test_clusters_of_every_scheduler_have_a_shorter_or_longer_calm() -> None:
    for scheduler in SCHEDULERS:
        seconds = msgspec.structs.replace(TWO, scheduler=scheduler).calm_seconds()
        assert seconds == pytest.approx(1000.0 if scheduler in SHARES else 2200.0, rel=0.01)
