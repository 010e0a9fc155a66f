"""Steps a policy that may have a bug: where it raises or returns no weights, those that there are stay. Pure.

A policy may come from outside. What it does wrong is named and counted, and it is asked again after a while that
doubles up to a minute; meanwhile a service goes on with the weights that it has. A policy that can't tell why its
weights are what they are is treated alike, and its weights hold.
"""

import math
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import msgspec

from feedback.director.weights import Member, Policy, Terms
from feedback.director.weights.writing import NO_SHARES, bounds

LONGEST_PAUSE_SECONDS = 60.0
MAX_WORDS = 200
LARGEST_WHOLE = 2**53

AnswerT = TypeVar("AnswerT")


class _Question(Generic[AnswerT]):
    """One thing that a policy is asked for again and again. `complaint` begins what is said when it fails."""

    def __init__(self, complaint: str) -> None:
        self.failure = ""
        self.failures = 0
        self.error: Exception | None = None
        self._complaint = complaint
        self._in_a_row = 0
        self._resumes_at = -math.inf

    def ask(self, now: float, answer: Callable[[], AnswerT], wrong: Callable[[AnswerT], str]) -> AnswerT | None:
        """Return the answer; None where it is wrong, as `wrong` says in words, and while it is not asked for."""
        if now < self._resumes_at:
            return None
        self.error = None
        try:
            found = answer()
            words = wrong(found)
        except Exception as error:  # noqa: BLE001 - a bug in the policy, whatever it is
            self.error = error
            words = f"{type(error).__name__}: {error}"
        if words:
            self._fail(now, words)
            return None
        self.failure, self._in_a_row, self._resumes_at = "", 0, -math.inf
        return found

    def _fail(self, now: float, words: str) -> None:
        self.failure = f"{self._complaint}: {words}"[:MAX_WORDS]
        self.failures += 1
        self._resumes_at = now + min(2.0**self._in_a_row, LONGEST_PAUSE_SECONDS)
        self._in_a_row = min(self._in_a_row + 1, 16)


class Stepper:
    """One service's policy, and what goes wrong with it."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        name = policy.name or type(policy).__name__
        self._weights = _Question[Mapping[str, int]](f"the policy {name} fails, and weights stay as they are")
        self._terms = _Question[Mapping[str, Terms]](f"the policy {name} can't tell why weights are what they are")
        self._now = -math.inf
        self._members: Mapping[str, Member] = {}

    @property
    def failure(self) -> str:
        """What it did last, in words; "" while it does well."""
        return self._weights.failure or self._terms.failure

    @property
    def failures(self) -> int:
        """How many of its answers were none."""
        return self._weights.failures + self._terms.failures

    @property
    def error(self) -> Exception | None:
        """What it raised last, for whoever logs it."""
        return self._weights.error if self._weights.failure else self._terms.error

    def step(self, now: float, members: Mapping[str, Member]) -> Mapping[str, int]:
        """Return the weights of those members that the policy gives one."""
        weights = self._weights.ask(
            now, lambda: self.policy.step(now, dict(members)), lambda found: wrong_weights(found, members, self.policy)
        )
        self._now, self._members = now, {} if weights is None else members
        return weights or {}

    def terms(self) -> Mapping[str, Terms]:
        """Return what the last step's weights are made of, of those members of which the policy tells."""
        if not self._members:
            return {}
        return self._terms.ask(self._now, self.policy.terms, lambda found: wrong_terms(found, self._members)) or {}


def wrong_weights(weights: object, members: Mapping[str, Member], policy: Policy) -> str:
    """Return what is wrong with what a policy returned, in words; "" where nothing is."""
    if not isinstance(weights, Mapping):
        return f"it returned {weights!r:.60}, must return a weight for each member"
    if missing := members.keys() - weights.keys():
        return f"it returned no weight for {min(missing)}"
    if strange := weights.keys() - members.keys():
        return f"it returned a weight for {min(map(str, strange))}, which is no member"
    for name, member in members.items():
        if words := _wrong(weights[name], member, policy):
            return f"it returned {weights[name]!r:.40} for {name}, must return {words}"
    return ""


def _wrong(weight: object, member: Member, policy: Policy) -> str:
    if type(weight) is not int:
        return "a whole number"
    if member.base_weight == 0 or policy.scheduler in NO_SHARES:
        return "" if weight == member.base_weight else f"{member.base_weight}, its base weight"
    low, high = bounds(member.base_weight, policy.floor, policy.ceiling)
    low = 1 if member.usable_seconds < policy.slow_start else low
    return "" if low <= weight <= high else f"{low} to {high}"


def _is_endless(value: object) -> bool:
    """Say whether something is no number that JSON can hold."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and abs(value) > LARGEST_WHOLE


def wrong_terms(terms: object, members: Mapping[str, Member]) -> str:
    """Return what is wrong with the terms that a policy returned, in words; "" where nothing is."""
    if not isinstance(terms, Mapping):
        return f"it returned {terms!r:.60}, must return terms by member"
    if strange := terms.keys() - members.keys():
        return f"it returned terms for {min(map(str, strange))}, which is no member"
    for name, one in terms.items():
        if type(one) is not Terms:
            return f"it returned {one!r:.40} for {name}, must return Terms"
        fields = msgspec.structs.asdict(one)
        if endless := [field for field, value in fields.items() if _is_endless(value)]:
            return f"its {endless[0]} of {name} is {fields[endless[0]]!r:.40}, must be a number"
        try:
            msgspec.convert(fields, Terms)
        except msgspec.ValidationError as error:
            return f"its terms of {name} are none: {error}"
    return ""
