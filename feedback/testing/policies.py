"""What every weight policy must do, whatever its law: seen by stepping it through clusters to which much happens."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from feedback.director.stepping import wrong_terms
from feedback.director.weights import Member, Policy, make_policy
from feedback.director.weights.writing import NO_SHARES, bounds
from feedback.testing import conformance, plugins
from feedback.testing.clusters import STORIES, Moment, eventful
from feedback.testing.conformance import Findings
from feedback.testing.reaching import impurities

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos")

JUMP_RATIO = 0.1
"""How far a weight may move in the step in which reports cease."""

RETURN_SECONDS = 900
RETURN_RATIO = 0.15
"""How far off its base weight a weight may stay when there have been no reports for so long: some move in steps."""

RULES: Mapping[str, str] = {
    **{rule: plugins.RULES[rule] for rule in ("named", "described", "typed", "default")},
    "made": "can be made of scheduler, response, floor, ceiling and slow_start alone",
    "members": "returns a weight for each member and for nobody else",
    "whole": "returns whole numbers, as int",
    "bounds": "keeps within base*floor and base*ceiling, at least 1, in a slow start under the floor too; 0 for base 0",
    "no shares": f"returns the base weights where weights are no shares: under {', '.join(sorted(NO_SHARES))}",
    "pure": "goes by its arguments alone: no clock, no chance, no file, no log, nothing shared with another one",
    "untouched": "leaves what it is handed as it is, and does not look again at what it has returned",
    "unknown": "holds a weight when reports cease, and brings it back to the base weight in time",
    "raises": "raises nothing, whatever the members are",
    "terms": "tells Terms of its last step's members and of nobody else, in finite numbers, or nothing",
}

Make = Callable[..., Policy]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy is made of."""

    scheduler: str = "wlc"
    response: float = 10.0
    floor: float = 0.05
    ceiling: float = 10.0
    slow_start: float = 0.0

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in msgspec.structs.asdict(self).items())


def conform_policy(policy: str | type[Policy] | Make, /) -> None:
    """Prove a policy. Raises ConformanceError with every rule that it breaks.

    `policy` is its name, its class, or what makes one of scheduler, response, floor, ceiling and slow_start.
    """
    make: Make = partial(make_policy, policy) if isinstance(policy, str) else policy
    name = policy if isinstance(policy, str) else getattr(policy, "name", "") or getattr(policy, "__name__", "it")
    findings = Findings(f"policy {name}", RULES)
    try:
        made = make()
    except Exception as error:  # noqa: BLE001 - whatever its `__post_init__` raises
        findings.add("made", f"without settings it raises {conformance.words_of(error)}")
    else:
        plugins.examine(type(made), findings)
        for impure in sorted(impurities(type(made))):
            findings.add("pure", f"its code uses {impure}")
        _Trial(make, findings).run()
    findings.raise_any()


class _Trial:
    """One policy in many clusters."""

    def __init__(self, make: Make, findings: Findings) -> None:
        self._make = make
        self._findings = findings

    def run(self) -> None:
        """Let everything happen."""
        for scheduler in SCHEDULERS:
            for settings in (Settings(scheduler=scheduler), Settings(scheduler=scheduler, slow_start=30.0)):
                self._play(settings, "a cluster to which much happens", eventful())
        for settings in (Settings(floor=0.0), Settings(floor=1.0, ceiling=1.0), Settings(response=0.0)):
            self._play(settings, "a cluster to which much happens", eventful())
        for words, story in STORIES.items():
            self._play(Settings(), words, story())
        self._repeat(Settings())
        for settings in (Settings(), Settings(scheduler="wrr"), Settings(scheduler="mh")):
            self._fall_silent(settings)

    def _play(self, settings: Settings, words: str, story: Sequence[Moment]) -> list[dict[str, int]]:
        """Step a new policy through a story; return the weights of each step."""
        where = f"{words}, {settings}"
        policy = self._made(settings)
        came: list[dict[str, int]] = []
        for now, members in story:
            weights = self._step(policy, now, members, where)
            if weights is None:
                return came
            self._judge(weights, members, settings, where)
            self._hear(policy, members, where)
            came.append(dict(weights))
        return came

    def _made(self, settings: Settings) -> Policy | None:
        try:
            return self._make(**msgspec.structs.asdict(settings))
        except Exception as error:  # noqa: BLE001 - whatever its `__post_init__` raises
            self._findings.add("made", f"of {settings} it raises {conformance.words_of(error)}")
            return None

    def _step(
        self, policy: Policy | None, now: float, before: Mapping[str, Member], where: str
    ) -> dict[str, int] | None:
        """Step once. None where it did not return weights for those members, which is noted."""
        if policy is None:
            return None
        members = dict(before)
        try:
            weights: Any = policy.step(now, members)
        except Exception as error:  # noqa: BLE001 - a bug in the policy, whatever it is
            self._findings.add("raises", f"{where}: it raises {conformance.words_of(error)}")
            return None
        if members != before:
            self._findings.add("untouched", f"{where}: it changes the members it is handed")
        if not isinstance(weights, dict) or weights.keys() != before.keys():
            for_whom = ", ".join(list(before)[:4]) or "nobody"
            self._findings.add("members", f"{where}: it returns {weights!r:.60} for {for_whom}")
            return None
        return weights

    def _hear(self, policy: Policy | None, members: Mapping[str, Member], where: str) -> None:
        """See what it tells of a step."""
        try:
            words = "" if policy is None else wrong_terms(policy.terms(), members)
        except Exception as error:  # noqa: BLE001 - a bug in the policy, whatever it is
            words = f"it raises {conformance.words_of(error)}"
        if words:
            self._findings.add("terms", f"{where}: {words}")

    def _judge(self, weights: Mapping[str, Any], members: Mapping[str, Member], settings: Settings, where: str) -> None:
        for name, weight in weights.items():
            member = members[name]
            if type(weight) is not int:
                self._findings.add("whole", f"{where}: it returns {weight!r:.40}")
            elif member.base_weight == 0 or settings.scheduler in NO_SHARES:
                if weight != member.base_weight:
                    rule = "no shares" if member.base_weight else "bounds"
                    self._findings.add(rule, f"{where}: it returns {weight} for the base weight {member.base_weight}")
            elif not _is_within(weight, member, settings):
                self._findings.add("bounds", f"{where}: it returns {weight} for the base weight {member.base_weight}")

    def _repeat(self, settings: Settings) -> None:
        """See whether the same comes of the same, also beside another one, and when what it has returned is changed."""
        story = eventful()
        alone = self._play(settings, "a cluster to which much happens", story)
        if alone != self._play(settings, "the same once more", story):
            self._findings.add("pure", "the same steps give other weights the second time")
        if len(alone) == len(story) and alone != self._beside_another(settings, story):
            self._findings.add("pure", "another policy that steps in between changes its weights")

    def _beside_another(self, settings: Settings, story: Sequence[Moment]) -> list[dict[str, int]]:
        fields = msgspec.structs.asdict(settings)
        one, other = self._make(**fields), self._make(**fields)
        came = []
        for now, members in story:
            weights = one.step(now, dict(members))
            came.append(dict(weights))
            weights.clear()  # it is the caller's
            other.step(now + 1000.0, {name: _busy(member) for name, member in members.items()})
        return came

    def _fall_silent(self, settings: Settings) -> None:
        """See what becomes of weights when all reports cease."""
        where = f"when reports cease, {settings}"
        loaded = self._follow(settings, 300, lambda _: {"rs1": 0.9, "rs2": 0.3, "rs3": 0.5})
        silent = self._follow(
            settings, 300 + RETURN_SECONDS, lambda second: {"rs1": 0.9, "rs2": 0.3, "rs3": 0.5} if second < 300 else {}
        )
        if len(silent) <= len(loaded):
            return  # it has raised, which has been noted
        before, after = silent[len(loaded) - 1], silent[len(loaded)]
        for name, weight in before.items():
            if abs(after[name] - weight) > JUMP_RATIO * weight + 1:
                self._findings.add("unknown", f"{where}: {name} goes from {weight} to {after[name]} at once")
            if abs(silent[-1][name] - 100) > RETURN_RATIO * 100:
                seen = f"{name} weighs {silent[-1][name]} after {RETURN_SECONDS} s, its base weight is 100"
                self._findings.add("unknown", f"{where}: {seen}")

    def _follow(
        self, settings: Settings, seconds: int, busy: Callable[[int], Mapping[str, float]]
    ) -> list[dict[str, int]]:
        """Step a policy whose weights are written."""
        policy = self._made(settings)
        weights = dict.fromkeys(("rs1", "rs2", "rs3"), 100)
        came: list[dict[str, int]] = []
        for second in range(seconds):
            members = {
                name: Member(
                    base_weight=100, weight=weight, utilization=busy(second).get(name), usable_seconds=1000.0 + second
                )
                for name, weight in weights.items()
            }
            stepped = self._step(policy, 1000.0 + second, members, "three members")
            if stepped is None:
                break
            weights = stepped
            came.append(dict(stepped))
        return came


def _is_within(weight: int, member: Member, settings: Settings) -> bool:
    low, high = bounds(member.base_weight, settings.floor, settings.ceiling)
    return (1 if member.usable_seconds < settings.slow_start else low) <= weight <= high


def _busy(member: Member) -> Member:
    return msgspec.structs.replace(member, utilization=0.9, weight=1)
