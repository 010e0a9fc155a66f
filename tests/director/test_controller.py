"""One service's decisions over time: what is remembered from tick to tick."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from feedback.director.config import ServiceConfig, WeightsConfig
from feedback.director.controller import Facts, ServiceController
from feedback.director.hints import Wish
from feedback.director.weights import Member, Policy, Terms
from feedback.model import Admin, Counters, Destination, Forwarding, Health, ServiceState, VirtualService
from tests.director.world import WEB, at, destinations, service

UP, DOWN, UNKNOWN = Facts(health=Health.UP), Facts(health=Health.DOWN), Facts(health=Health.UNKNOWN)


class Watching(Policy):
    """Gives everyone what `weights` says, and remembers what it was shown. Not registered: tests put it in."""

    def __post_init__(self) -> None:
        self.steps: list[tuple[float, dict[str, Member]]] = []
        self.weights: dict[str, int] = {}

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        self.steps.append((now, dict(members)))
        return {name: self.weights.get(name, 70) for name in members}


def watched(config: ServiceConfig | None = None) -> tuple[ServiceController, Watching]:
    policy = Watching()
    controller = ServiceController(config or service(), policy)
    return controller, policy


class Telling(Watching):
    """Tells as much as there is to tell."""

    def terms(self) -> dict[str, Terms]:
        return {name: Terms(wanted_weight=70.0, tolerance_ratio=0.0, bound="") for name in self.steps[-1][1]}


def table(weights: Mapping[int, int], totals: Mapping[int, int] | None = None) -> ServiceState:
    return ServiceState(
        VirtualService(WEB, "wlc"),
        {at(number): Destination(at(number), Forwarding.MASQUERADE, weight) for number, weight in weights.items()},
        {
            at(number): Counters(active_connections=3, total_connections=total)
            for number, total in (totals or {}).items()
        },
    )


def weights_of(controller: ServiceController, now: float, facts: Mapping[str, Facts], seen: ServiceState | None) -> Any:
    desired = controller.step(now, facts, seen)
    return {f"rs{key.address[-1]}": one.weight for key, one in desired.state.destinations.items()}


def test_the_policys_weights_are_what_is_wanted() -> None:
    controller, policy = watched()
    policy.weights = {"rs1": 30, "rs2": 60}
    assert weights_of(controller, 0.0, {"rs1": UP, "rs2": UP}, None) == {"rs1": 30, "rs2": 60}


def test_the_policy_steps_once_a_second_however_often_the_loop_is_woken() -> None:
    controller, policy = watched()
    for tenth in range(31):
        controller.step(tenth / 10, {"rs1": UP, "rs2": UP}, table({1: 70, 2: 70}))
    assert [round(now, 1) for now, _ in policy.steps] == [0.0, 0.9, 1.8, 2.7]


def test_a_newcomer_gets_its_weight_at_once() -> None:
    controller, policy = watched()
    controller.step(0.0, {"rs1": UP, "rs2": UNKNOWN}, table({1: 70}))
    assert weights_of(controller, 0.1, {"rs1": UP, "rs2": UP}, table({1: 70})) == {"rs1": 70, "rs2": 70}
    assert len(policy.steps) == 2


def test_one_that_leaves_does_not_hurry_the_others() -> None:
    controller, policy = watched()
    controller.step(0.0, {"rs1": UP, "rs2": UP}, None)
    controller.step(0.1, {"rs1": UP, "rs2": DOWN}, table({1: 70, 2: 70}))
    assert len(policy.steps) == 1


def test_what_serves_at_the_start_goes_on_at_its_weight_and_has_served_for_ever() -> None:
    controller, policy = watched()
    facts = {"rs1": UP, "rs2": UP}
    controller.step(5.0, facts, table({1: 17, 2: 0}))
    members = policy.steps[0][1]
    assert (members["rs1"].weight, members["rs1"].usable_seconds) == (17, float("inf"))
    assert (members["rs2"].weight, members["rs2"].usable_seconds) == (100, 0.0)


def test_all_of_a_new_service_have_served_for_ever() -> None:
    controller, policy = watched()
    controller.step(0.0, {"rs1": UNKNOWN, "rs2": UNKNOWN}, None)
    controller.step(1.0, {"rs1": UP, "rs2": UP}, table({}))
    assert {member.usable_seconds for member in policy.steps[1][1].values()} == {float("inf")}


@pytest.mark.parametrize(
    "away", [DOWN, Facts(health=Health.UP, admin=Admin.DRAIN), Facts(health=Health.UP, asks="drain")]
)
def test_one_that_comes_back_counts_its_time_from_then(away: Facts) -> None:
    controller, policy = watched()
    controller.step(0.0, {"rs1": UP, "rs2": UP}, None)
    controller.step(1.0, {"rs1": away, "rs2": UP}, table({1: 70, 2: 70}))
    controller.step(10.0, {"rs1": UP, "rs2": UP}, table({2: 70}))
    controller.step(14.0, {"rs1": UP, "rs2": UP}, table({1: 70, 2: 70}))
    assert [members["rs1"].usable_seconds for _, members in policy.steps if "rs1" in members][1:] == [0.0, 4.0]


def test_unknown_health_keeps_the_time_and_the_weight() -> None:
    controller, policy = watched()
    controller.step(0.0, {"rs1": UP, "rs2": DOWN}, None)
    controller.step(1.0, {"rs1": UP, "rs2": UP}, table({1: 70}))
    controller.step(3.0, {"rs1": UP, "rs2": UNKNOWN}, table({1: 70, 2: 70}))
    controller.step(6.0, {"rs1": UP, "rs2": UP}, table({1: 70, 2: 70}))
    assert policy.steps[-1][1]["rs2"].usable_seconds == 5.0
    assert policy.steps[-1][1]["rs2"].weight == 70


def test_a_destination_that_a_reload_brings_is_new() -> None:
    controller, policy = watched()
    controller.step(0.0, {"rs1": UP, "rs2": UP}, None)
    controller.configure(service(destinations=destinations(1, 2, 3)))
    facts = {"rs1": UP, "rs2": UP, "rs3": UP}
    controller.step(1.0, facts, table({1: 70, 2: 70}))
    assert policy.steps[-1][1]["rs3"].usable_seconds == 0.0
    assert policy.steps[-1][1]["rs1"].usable_seconds == float("inf")


def test_one_that_a_reload_takes_away_is_forgotten() -> None:
    controller, policy = watched()
    controller.step(0.0, {"rs1": UP, "rs2": UP}, None)
    controller.configure(service(destinations=destinations(1)))
    controller.step(1.0, {"rs1": UP}, table({1: 70, 2: 70}))
    controller.configure(service(destinations=destinations(1, 2)))
    controller.step(2.0, {"rs1": UP, "rs2": UP}, table({1: 70}))
    assert policy.steps[-1][1]["rs2"].usable_seconds == 0.0


def test_a_changed_policy_is_made_anew_and_an_unchanged_one_goes_on() -> None:
    controller, policy = watched()
    controller.configure(service(destinations=destinations(1)))
    assert controller.policy.policy is policy
    controller.configure(service(weights=WeightsConfig(policy="equalize")))
    assert controller.policy.policy is not policy
    assert controller.policy.policy.name == "equalize"


def test_connections_since_the_last_step_are_counted() -> None:
    controller, policy = watched()
    for now, total in ((0.0, 10), (1.0, 17), (2.0, 17), (3.0, 4)):
        controller.step(now, {"rs1": UP, "rs2": UP}, table({1: 70, 2: 70}, {1: total}))
    assert [members["rs1"].new_connections for _, members in policy.steps] == [0, 7, 0, 0]
    assert policy.steps[0][1]["rs1"].active_connections == 3


def test_what_the_kernel_remembers_of_one_that_was_away_is_not_new() -> None:
    controller, policy = watched()
    facts = {"rs1": UP, "rs2": UP}
    controller.step(0.0, facts, table({1: 70, 2: 70}, {1: 5000, 2: 9000}))
    controller.step(1.0, {"rs1": DOWN, "rs2": UP}, table({1: 70, 2: 70}, {1: 5000, 2: 9100}))
    controller.step(2.0, facts, table({2: 70}, {2: 9200}))
    controller.step(3.0, facts, table({1: 70, 2: 70}, {1: 5003, 2: 9300}))
    controller.step(4.0, facts, table({1: 70, 2: 70}, {1: 5008, 2: 9400}))
    assert [members["rs1"].new_connections for _, members in policy.steps if "rs1" in members] == [0, 0, 0, 5]


def test_the_policy_is_shown_what_was_decided_and_not_what_another_hand_wrote() -> None:
    controller, policy = watched()
    controller.step(0.0, {"rs1": UP, "rs2": UP}, None)
    controller.step(1.0, {"rs1": UP, "rs2": UP}, table({1: 5, 2: 70}))
    assert policy.steps[-1][1]["rs1"].weight == 70


def test_the_time_of_a_drain_is_counted_from_its_beginning() -> None:
    controller, _ = watched(service(scheduler="sh", drain_timeout_seconds=60.0))
    drained = {"rs1": Facts(health=Health.UP, admin=Admin.DRAIN), "rs2": UP}
    seen = table({1: 70, 2: 70})
    assert weights_of(controller, 0.0, drained, seen)["rs1"] == 0
    assert weights_of(controller, 59.0, drained, seen)["rs1"] == 0
    assert "rs1" not in weights_of(controller, 60.0, drained, seen)
    controller.step(61.0, {"rs1": UP, "rs2": UP}, seen)
    assert weights_of(controller, 62.0, drained, seen)["rs1"] == 0


def wishing(ratio: float) -> Facts:
    return Facts(health=Health.UP, wish=Wish("http", ratio))


def test_the_policy_starts_from_what_the_checks_ask_for() -> None:
    controller, policy = watched()
    controller.step(0.0, {"rs1": wishing(0.5), "rs2": UP}, None)
    members = policy.steps[-1][1]
    assert (members["rs1"].base_weight, members["rs1"].weight) == (50, 50)
    assert members["rs2"].base_weight == 100


def test_another_wish_is_followed_in_the_next_tick() -> None:
    controller, policy = watched()
    controller.step(0.0, {"rs1": UP, "rs2": UP}, None)
    controller.step(0.1, {"rs1": wishing(0.5), "rs2": UP}, table({1: 70, 2: 70}))
    controller.step(0.2, {"rs1": wishing(0.5), "rs2": UP}, table({1: 70, 2: 70}))
    controller.step(0.3, {"rs1": UP, "rs2": UP}, table({1: 70, 2: 70}))
    assert [now for now, _ in policy.steps] == [0.0, 0.1, 0.3]


def test_one_that_its_check_has_drained_is_not_weighed_and_begins_anew_afterwards() -> None:
    controller, policy = watched()
    controller.step(0.0, {"rs1": UP, "rs2": UP}, None)
    drained = weights_of(controller, 1.0, {"rs1": wishing(0.0), "rs2": UP}, table({1: 70, 2: 70}))
    assert drained == {"rs1": 0, "rs2": 70}
    assert "rs1" not in policy.steps[-1][1]
    controller.step(10.0, {"rs1": UP, "rs2": UP}, table({1: 0, 2: 70}))
    controller.step(14.0, {"rs1": UP, "rs2": UP}, table({1: 70, 2: 70}))
    assert [members["rs1"].usable_seconds for _, members in policy.steps if "rs1" in members][1:] == [0.0, 4.0]


@pytest.mark.parametrize(("policy", "weight"), [("static", 50), ("availability", 50), ("equalize", 50)])
def test_every_policy_starts_from_the_scaled_base(policy: str, weight: int) -> None:
    controller = ServiceController(service(weights=WeightsConfig(policy=policy)))
    facts = {"rs1": wishing(0.5), "rs2": UP}
    assert weights_of(controller, 0.0, facts, None) == {"rs1": weight, "rs2": 100}
    assert weights_of(controller, 1.0, {"rs1": UP, "rs2": UP}, table({1: weight, 2: 100}))["rs1"] >= weight


def test_under_equalize_load_has_the_last_word() -> None:
    controller = ServiceController(service(weights=WeightsConfig(policy="equalize")))
    weights = {"rs1": 50, "rs2": 100}
    for now in range(300):
        load = {name: weights[name] / 200 for name in weights}  # two servers that are as fast as each other
        facts = {
            "rs1": Facts(health=Health.UP, wish=Wish("http", 0.5), utilization=load["rs1"]),
            "rs2": Facts(health=Health.UP, utilization=load["rs2"]),
        }
        weights = weights_of(controller, float(now), facts, None)
        if not now:
            assert weights == {"rs1": 50, "rs2": 100}
    assert weights["rs1"] == pytest.approx(weights["rs2"], rel=0.1)


def test_terms_are_told_of_those_whom_the_policy_weighs_now() -> None:
    """Who is drained between two steps has a weight that the policy did not make."""
    controller = ServiceController(service(), Telling())
    assert controller.terms() == {}
    controller.step(0.0, {"rs1": UP, "rs2": UP}, None)
    assert controller.terms().keys() == {"rs1", "rs2"}
    controller.step(0.1, {"rs1": UP, "rs2": replace(UP, admin=Admin.DRAIN)}, None)
    assert controller.terms().keys() == {"rs1"}
