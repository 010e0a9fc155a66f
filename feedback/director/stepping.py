"""Steps a policy that may have a bug: where it raises or returns no weights, those that there are stay. Pure.

A policy may come from outside. What it does wrong is named and counted, and it is asked again after a while that
doubles up to a minute; meanwhile a service goes on with the weights that it has.
"""

from collections.abc import Mapping

from feedback.director.weights import Member, Policy
from feedback.director.weights.writing import NO_SHARES, bounds

LONGEST_PAUSE_SECONDS = 60.0
MAX_WORDS = 200


class Stepper:
    """One service's policy, and what goes wrong with it.

    failure: what it did last, in words; "" while it does well. failures: how many of its steps came to nothing.
    error: what it raised last, for whoever logs it.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.failure = ""
        self.failures = 0
        self.error: Exception | None = None
        self._in_a_row = 0
        self._resumes_at: float | None = None

    def step(self, now: float, members: Mapping[str, Member]) -> Mapping[str, int]:
        """Return the weights of those members that the policy gives one."""
        if self._resumes_at is not None and now < self._resumes_at:
            return {}
        self.error = None
        try:
            weights = self.policy.step(now, dict(members))
            words = wrong_weights(weights, members, self.policy)
        except Exception as error:  # noqa: BLE001 - a bug in the policy, whatever it is
            self.error = error
            words = f"{type(error).__name__}: {error}"
        if words:
            self._fail(now, words)
            return {}
        self.failure, self._in_a_row, self._resumes_at = "", 0, None
        return weights

    def _fail(self, now: float, words: str) -> None:
        name = self.policy.name or type(self.policy).__name__
        self.failure = f"the policy {name} fails, and weights stay as they are: {words}"[:MAX_WORDS]
        self.failures += 1
        self._resumes_at = now + min(2.0**self._in_a_row, LONGEST_PAUSE_SECONDS)
        self._in_a_row = min(self._in_a_row + 1, 16)


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
