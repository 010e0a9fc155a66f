"""A policy that has a bug harms nothing: weights stay, it is named and counted, and asked less and less often."""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from feedback.director.config import WeightsConfig
from feedback.director.stepping import LONGEST_PAUSE_SECONDS, Stepper
from feedback.director.weights import Member, Policy, Terms
from feedback.director.weights.policy import make_policy
from feedback.testing import run_virtual
from tests.director.world import World, config, service

MEMBERS = {"rs1": Member(base_weight=100, weight=100, utilization=0.5, usable_seconds=60.0)}
Answer = Callable[[Mapping[str, Member]], Any]


class Answering(Policy):
    """Answers as `answer` says."""

    def __post_init__(self) -> None:
        self.answer: Answer = lambda members: dict.fromkeys(members, 50)
        self.asked: list[float] = []
        self.told: Any = {}
        self.asked_why = 0

    def terms(self) -> dict[str, Terms]:
        self.asked_why += 1
        if isinstance(self.told, Exception):
            raise self.told
        told: dict[str, Terms] = self.told
        return told

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        self.asked.append(now)
        answer: dict[str, int] = self.answer(members)
        return answer


def answering(answer: Answer, **settings: Any) -> tuple[Stepper, Answering]:
    policy = Answering(**settings)
    policy.answer = answer
    return Stepper(policy), policy


def raising(_members: Mapping[str, Member]) -> Any:
    raise KeyError("rs1")


def test_what_a_policy_says_is_what_comes() -> None:
    stepper, _ = answering(lambda _: {"rs1": 50})
    assert stepper.step(0.0, MEMBERS) == {"rs1": 50}
    assert (stepper.failure, stepper.failures, stepper.error) == ("", 0, None)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (raising, "KeyError: 'rs1'"),
        (lambda _: None, "it returned None, must return a weight for each member"),
        (lambda _: {}, "it returned no weight for rs1"),
        (lambda _: {"rs1": 50, "rs9": 1}, "it returned a weight for rs9, which is no member"),
        (lambda _: {"rs1": 50.0}, "it returned 50.0 for rs1, must return a whole number"),
        (lambda _: {"rs1": True}, "it returned True for rs1, must return a whole number"),
        (lambda _: {"rs1": 0}, "it returned 0 for rs1, must return 5 to 1000"),
        (lambda _: {"rs1": 1001}, "it returned 1001 for rs1, must return 5 to 1000"),
        (lambda members: members.clear() or {}, "it returned no weight for rs1"),
    ],
)
def test_what_is_no_weight_is_no_answer_and_is_named(answer: Answer, words: str) -> None:
    stepper, _ = answering(answer)
    assert stepper.step(0.0, MEMBERS) == {}
    assert stepper.failure == f"the policy Answering fails, and weights stay as they are: {words}"
    assert stepper.failures == 1
    assert (stepper.error is not None) is (answer is raising)
    assert MEMBERS.keys() == {"rs1"}


@pytest.mark.parametrize(
    ("member", "settings", "weight", "right"),
    [
        ({"base_weight": 0}, {}, 0, True),
        ({"base_weight": 0}, {}, 1, False),
        ({"usable_seconds": 1.0}, {"slow_start": 30.0}, 1, True),
        ({"usable_seconds": 60.0}, {"slow_start": 30.0}, 1, False),
        ({}, {"scheduler": "rr"}, 100, True),
        ({}, {"scheduler": "rr"}, 50, False),
    ],
)
def test_bounds_are_those_of_the_contract(
    member: dict[str, Any], settings: dict[str, Any], weight: int, right: bool
) -> None:
    plain: dict[str, Any] = {"base_weight": 100, "weight": 100, "utilization": None, "usable_seconds": 60.0}
    stepper, _ = answering(lambda _: {"rs1": weight}, **settings)
    stepper.step(0.0, {"rs1": Member(**(plain | member))})
    assert (not stepper.failure) is right


def test_one_that_fails_is_asked_less_and_less_often_and_at_once_when_it_does_well_again() -> None:
    stepper, policy = answering(raising)
    for second in range(200):
        stepper.step(float(second), MEMBERS)
    assert policy.asked == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    assert policy.asked[-1] - policy.asked[-2] == LONGEST_PAUSE_SECONDS
    assert stepper.failures == len(policy.asked)
    policy.answer = lambda _: {"rs1": 50}
    assert stepper.step(300.0, MEMBERS) == {"rs1": 50}
    assert stepper.failure == ""
    assert stepper.step(301.0, MEMBERS) == {"rs1": 50}


TERMS = Terms(utilization=0.5, wanted_weight=50.4, tolerance_ratio=0.0, bound="tolerance")


def test_what_a_policy_tells_of_its_last_step_is_what_comes() -> None:
    stepper, policy = answering(lambda members: dict.fromkeys(members, 50))
    policy.told = {"rs1": TERMS}
    assert stepper.terms() == {}
    assert policy.asked_why == 0
    stepper.step(0.0, MEMBERS)
    assert stepper.terms() == {"rs1": TERMS}
    policy.told = {}
    assert stepper.terms() == {}
    assert stepper.failure == ""


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (KeyError("rs1"), "KeyError: 'rs1'"),
        (None, "it returned None, must return terms by member"),
        ({"rs9": TERMS}, "it returned terms for rs9, which is no member"),
        ({"rs1": {"bound": ""}}, "it returned {'bound': ''} for rs1, must return Terms"),
        ({"rs1": replace(TERMS, bound="mood")}, "its terms of rs1 are none: Invalid enum value 'mood' - at `$.bound`"),
        ({"rs1": replace(TERMS, aim="high")}, "its terms of rs1 are none: Expected `float | null`, got `str`"),
        ({"rs1": replace(TERMS, error=math.nan)}, "its error of rs1 is nan, must be a number"),
        ({"rs1": replace(TERMS, wanted_weight=math.inf)}, "its wanted_weight of rs1 is inf, must be a number"),
        ({"rs1": replace(TERMS, follow_seconds=10**400)}, "its follow_seconds of rs1 is 1000000000"),
    ],
)
def test_what_are_no_terms_is_named_and_the_weights_go_on(told: Any, words: str) -> None:
    stepper, policy = answering(lambda members: dict.fromkeys(members, 50))
    policy.told = told
    stepper.step(0.0, MEMBERS)
    assert stepper.terms() == {}
    assert stepper.failure.startswith(f"the policy Answering can't tell why weights are what they are: {words}")
    assert stepper.failures == 1
    assert (stepper.error is not None) is isinstance(told, Exception)
    assert stepper.step(1.0, MEMBERS) == {"rs1": 50}
    assert stepper.failure


def test_a_policy_that_can_not_tell_is_asked_less_and_less_often_and_at_once_when_it_can_again() -> None:
    stepper, policy = answering(lambda members: dict.fromkeys(members, 50))
    policy.told = KeyError("rs1")
    asked = []
    for second in range(20):
        stepper.step(float(second), MEMBERS)
        before = policy.asked_why
        stepper.terms()
        stepper.terms()
        asked += [second] * (policy.asked_why - before)
    assert asked == [0, 1, 3, 7, 15]
    policy.told = {"rs1": TERMS}
    stepper.step(40.0, MEMBERS)
    assert stepper.terms() == {"rs1": TERMS}
    assert stepper.failure == ""


def test_weights_that_fail_have_no_terms() -> None:
    stepper, policy = answering(raising)
    policy.told = {"rs1": TERMS}
    stepper.step(0.0, MEMBERS)
    assert stepper.terms() == {}
    assert policy.asked_why == 0
    assert isinstance(stepper.error, KeyError)


def test_long_words_are_cut() -> None:
    def raise_much(_members: Mapping[str, Member]) -> Any:
        raise ValueError("x" * 1_000_000)

    stepper, _ = answering(raise_much)
    stepper.step(0.0, MEMBERS)
    assert len(stepper.failure) == 200


def test_a_director_whose_policy_fails_goes_on_at_the_weights_it_has(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[Answering] = []

    def make(name: str, **settings: Any) -> Policy:
        if name != "mine":
            return make_policy(name, **settings)
        made.append(Answering(**settings))
        return made[-1]

    monkeypatch.setattr("feedback.director.controller.make_policy", make)

    async def main() -> None:
        async with World(config(service(weights=WeightsConfig(policy="mine")))) as world:
            await world.after(5)
            assert await world.weights() == {"rs1": 50, "rs2": 50}
            made[0].answer = raising
            await world.after(30)
            assert await world.weights() == {"rs1": 50, "rs2": 50}
            (seen,) = world.director.snapshot().services
            assert seen.policy_failure.endswith("weights stay as they are: KeyError: 'rs1'")
            assert world.director.counts.policy_failures["web"] == 5
            assert world.director.trouble() == ""
            made[0].answer = lambda members: dict.fromkeys(members, 60)
            await world.after(60)
            assert await world.weights() == {"rs1": 60, "rs2": 60}
            made[0].told = {"rs1": TERMS}
            (seen,) = world.director.snapshot().services
            assert [one.weighing for one in seen.destinations] == [TERMS, None]
            assert world.messages("policy") == [
                "web: the policy Answering fails, and weights stay as they are: KeyError: 'rs1'",
                "web: its policy does well again",
            ]

    with caplog.at_level(logging.ERROR):
        run_virtual(main())
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.getMessage().startswith("bug in the policy of web: the policy Answering fails")


def test_a_director_whose_policy_can_not_tell_shows_the_rest_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[Answering] = []

    def make(_name: str, **settings: Any) -> Policy:
        made.append(Answering(**settings))
        made[-1].told = KeyError("rs1")
        return made[-1]

    monkeypatch.setattr("feedback.director.controller.make_policy", make)

    async def main() -> None:
        async with World(config(service(weights=WeightsConfig(policy="mine")))) as world:
            for _ in range(20):
                await world.after(1)
                (seen,) = world.director.snapshot().services
                assert {one.weighing for one in seen.destinations} == {None}
            assert await world.weights() == {"rs1": 50, "rs2": 50}
            sentence = "the policy Answering can't tell why weights are what they are: KeyError: 'rs1'"
            assert seen.policy_failure == sentence
            assert world.messages("policy") == [f"web: {sentence}"]
            made[0].told = {"rs1": TERMS}
            await world.after(60)
            world.director.snapshot()
            await world.after(2)
            assert world.messages("policy")[1:] == ["web: its policy does well again"]

    with caplog.at_level(logging.ERROR):
        run_virtual(main())
    (record,) = caplog.records
    assert record.exc_info is not None
