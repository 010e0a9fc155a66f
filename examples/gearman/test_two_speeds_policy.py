"""A policy's test: members in, weights out, in no time."""

from feedback.director.weights import Member
from feedback.testing import conform_policy

from two_speeds_policy import TwoSpeedsPolicy


def weight(policy: TwoSpeedsPolicy, now: float, utilization: float | None) -> int:
    member = Member(base_weight=100, weight=100, utilization=utilization, usable_seconds=600.0)
    return policy.step(now, {"rs1": member})["rs1"]


def test_who_is_busy_has_half_until_he_is_idle() -> None:
    policy = TwoSpeedsPolicy()
    assert [weight(policy, now, busy) for now, busy in enumerate((0.7, 0.9, 0.7, 0.5, 0.7))] == [100, 50, 50, 100, 100]


def test_who_does_not_say_is_forgiven_after_a_minute() -> None:
    policy = TwoSpeedsPolicy()
    assert [weight(policy, now, busy) for now, busy in ((0, 0.9), (60, None), (61, None))] == [50, 50, 100]


def test_it_is_a_policy_as_the_director_needs_it() -> None:
    conform_policy(TwoSpeedsPolicy)
