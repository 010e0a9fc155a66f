"""What `conform_policy` finds: each rule by a policy that breaks it and no other. The built-in ones break none."""

import random
import time
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import count
from typing import Annotated, ClassVar, get_args

import pytest

from feedback.director.config_shape import Scheduler
from feedback.director.weights import Member, Policy, Terms
from feedback.director.weights.writing import NO_SHARES, bounds
from feedback.registry import POLICIES
from feedback.testing import ConformanceError, conform_policy
from feedback.testing.policies import RULES, SCHEDULERS
from tests.testing.test_checks import broken_rules


class Plain(Policy, name="plain"):
    """Give every destination its base weight."""

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        return {name: self.weigh(now, member) for name, member in members.items()}

    def weigh(self, _now: float, member: Member) -> int:
        return member.base_weight

    def shares(self, member: Member) -> bool:
        """Return whether another weight than the base weight is allowed."""
        return member.base_weight > 0 and self.scheduler not in NO_SHARES

    def within(self, member: Member, weight: float) -> int:
        if not self.shares(member):
            return member.base_weight
        low, high = bounds(member.base_weight, self.floor, self.ceiling)
        return min(max(round(weight), low), high)


class BadlyNamed(Plain, name="not a name"):
    """Give every destination its base weight."""


class Undescribed(Plain, name="undescribed_policy"):
    pass


class Untyped(Plain, name="untyped_policy"):
    """Give every destination its base weight."""

    names: Annotated[set[str] | None, "what can't be read"] = None


class BadDefault(Plain, name="bad_default_policy"):
    """Give every destination its base weight."""

    times: Annotated[int, "how often"] = "twice"  # type: ignore[assignment]


class Unmade(Plain, name="unmade_policy"):
    """Give every destination its base weight."""

    def __post_init__(self) -> None:
        assert self.scheduler != "mh"


class Forgetting(Plain, name="forgetting"):
    """Forget whoever is busy."""

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        return {name: weight for name, weight in super().step(now, members).items() if name != "guest"}


class Fractional(Plain, name="fractional"):
    """Give weights that are no whole numbers."""

    def weigh(self, now: float, member: Member) -> int:
        return super().weigh(now, member) * 1.0  # type: ignore[return-value]


class Starving(Plain, name="starving"):
    """Take out whoever is busy."""

    def weigh(self, _now: float, member: Member) -> int:
        busy = self.shares(member) and member.utilization is not None and member.utilization > 0.95
        return 0 if busy else member.base_weight


class Weighing(Plain, name="weighing"):
    """Give weights where they are no shares."""

    def weigh(self, _now: float, member: Member) -> int:
        return max(1, member.base_weight // 2) if self.scheduler == "rr" and member.base_weight else member.base_weight


class Dicing(Plain, name="dicing"):
    """Leave weights to chance."""

    def weigh(self, _now: float, member: Member) -> int:
        return self.within(member, member.base_weight * random.uniform(0.95, 1.05))


class Sharing(Plain, name="sharing"):
    """Share what is known with every other one."""

    steps: ClassVar[Iterator[int]] = count()

    def weigh(self, _now: float, member: Member) -> int:
        return self.within(member, member.base_weight + next(self.steps) % 3)


class Clearing(Plain, name="clearing"):
    """Forget the members it was told of."""

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        weights = super().step(now, members)
        members.clear()  # type: ignore[attr-defined]
        return weights


class Jumping(Plain, name="jumping"):
    """Give whoever says nothing half of the base weight."""

    def weigh(self, _now: float, member: Member) -> int:
        return self.within(member, member.base_weight * (0.5 if member.utilization is None else 1.0))


class Dividing(Plain, name="dividing"):
    """Divide by a utilization."""

    def weigh(self, _now: float, member: Member) -> int:
        idle = 1.0 if member.utilization is None else 1.0 + 0.0 / member.utilization
        return self.within(member, member.base_weight * idle)


class Lying(Plain, name="lying"):
    """Tell of somebody who is not there."""

    def terms(self) -> dict[str, Terms]:
        return {"nobody": Terms(wanted_weight=1.0, tolerance_ratio=0.0, bound="")}


class Silent(Plain, name="silent"):
    """Break when asked why."""

    def terms(self) -> dict[str, Terms]:
        raise KeyError("why")


BROKEN: Mapping[str, type[Policy]] = {
    "named": BadlyNamed,
    "described": Undescribed,
    "typed": Untyped,
    "default": BadDefault,
    "made": Unmade,
    "members": Forgetting,
    "whole": Fractional,
    "bounds": Starving,
    "no shares": Weighing,
    "pure": Dicing,
    "untouched": Clearing,
    "unknown": Jumping,
    "raises": Dividing,
    "terms": Lying,
}


@pytest.mark.parametrize("name", [name for name, it in POLICIES.all().items() if it.__module__.startswith("feedback.")])
def test_a_built_in_policy_conforms(name: str) -> None:
    conform_policy(name)


def test_a_policy_may_be_named_by_its_class_or_by_what_makes_it() -> None:
    conform_policy(Plain)
    conform_policy(partial(Plain))


def test_every_rule_has_a_policy_that_breaks_it() -> None:
    assert BROKEN.keys() == RULES.keys()


@pytest.mark.parametrize("rule", BROKEN)
def test_a_policy_that_breaks_one_rule_is_found_out_by_that_rule(rule: str) -> None:
    assert broken_rules(lambda: conform_policy(BROKEN[rule])) == {rule}


def test_one_that_breaks_when_it_is_asked_why_is_found() -> None:
    with pytest.raises(ConformanceError, match=r"it raises KeyError"):
        conform_policy(Silent)


def test_what_policies_share_is_found_by_what_comes_of_it() -> None:
    with pytest.raises(ConformanceError, match=r"- another policy that steps in between changes its weights"):
        conform_policy(Sharing)


def test_one_that_can_not_be_made_at_all_is_told() -> None:
    class Needing(Plain, name="needing"):
        """Need what nobody gives."""

        more: Annotated[int, "what"]

    assert broken_rules(lambda: conform_policy(Needing)) == {"made"}


def _look() -> float:
    return time.monotonic()


class Looking(Plain, name="looking"):
    """Look at a clock."""

    def weigh(self, _now: float, member: Member) -> int:
        return member.base_weight if time.monotonic() else 0


class LookingElsewhere(Plain, name="looking_elsewhere"):
    """Have somebody else look at a clock."""

    def weigh(self, _now: float, member: Member) -> int:
        return member.base_weight if max(_look() for _ in range(2)) else 0


@pytest.mark.parametrize("policy", [Looking, LookingElsewhere])
def test_a_clock_is_found_wherever_it_is_looked_at(policy: type[Policy]) -> None:
    with pytest.raises(ConformanceError, match=r"pure: .*\n    - its code uses time"):
        conform_policy(policy)


def test_every_scheduler_of_a_configuration_is_tried() -> None:
    assert set(get_args(Scheduler)) == set(SCHEDULERS)
