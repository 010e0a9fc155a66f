from itertools import pairwise
from typing import get_args

import pytest

from feedback.director.advice import Sysctls, advise, weighing
from feedback.director.config import WeightsConfig
from feedback.director.config_shape import Scheduler
from feedback.director.weights import Member, make_policy
from tests.director.world import config, service

RIGHT = Sysctls(expire_nodest_conn=1, expire_quiescent_template=1, conn_reuse_mode=1)
WRONG = Sysctls(expire_nodest_conn=0, expire_quiescent_template=0, conn_reuse_mode=0)


def test_right_settings_need_no_word() -> None:
    assert list(advise(config(service(persistence_seconds=300)), RIGHT)) == []


def test_a_kernel_that_tells_nothing_gets_no_advice() -> None:
    assert list(advise(config(service(persistence_seconds=300)), Sysctls(None, None, None))) == []


def test_every_trap_is_named_with_the_way_out() -> None:
    assert list(advise(config(service(persistence_seconds=300)), WRONG)) == [
        (
            "persistent clients of web keep being sent to a drained or quiesced destination: "
            "set net.ipv4.vs.expire_quiescent_template=1"
        ),
        (
            "clients of web with a connection to a removed destination wait until they time out: "
            "set net.ipv4.vs.expire_nodest_conn=1"
        ),
        (
            "a client that uses its port again is sent to its old destination, even a drained one: "
            "set net.ipv4.vs.conn_reuse_mode=1"
        ),
    ]


def test_what_a_service_does_not_use_is_not_spoken_of() -> None:
    quiescing = config(service(on_failure="quiesce"))
    assert list(advise(quiescing, WRONG)) == [
        (
            "a client that uses its port again is sent to its old destination, even a drained one: "
            "set net.ipv4.vs.conn_reuse_mode=1"
        )
    ]


NOTHING = "the policy equalize does nothing here"
SELDOM = "equalize writes every 30 s at most, once a weight is off by 10 %"
AT_ONCE = "gives shares by weight: equalize writes at once when a weight is off by more than its tolerance"
WEIGHING = {
    "rr": f"rr looks at no weight but 0: {NOTHING}",
    "lc": f"lc looks at no weight but 0: {NOTHING}",
    "dh": f"dh looks at no weight but 0: {NOTHING}",
    "fo": f"fo takes weights for ranks, and base weights stay: {NOTHING}",
    "ovf": f"ovf takes weights for ranks, and base weights stay: {NOTHING}",
    "sh": f"under sh a change reshuffles clients: {SELDOM}",
    "mh": f"under mh a change reshuffles clients: {SELDOM}",
    "lblc": f"under lblc a change reshuffles addresses: {SELDOM}",
    "lblcr": f"under lblcr a change reshuffles addresses: {SELDOM}",
    "wrr": (
        "wrr serves in bursts where weights have no large common divisor: equalize writes short cycles, in which only "
        "shares count, once a weight is off by more than its tolerance"
    ),
    "wlc": f"wlc {AT_ONCE}",
    "sed": f"sed {AT_ONCE}",
    "nq": f"nq {AT_ONCE}",
    "twos": f"twos {AT_ONCE}",
}


def test_all_schedulers_are_spoken_of() -> None:
    assert WEIGHING.keys() == set(get_args(Scheduler))


@pytest.mark.parametrize("scheduler", WEIGHING)
def test_what_a_scheduler_does_with_weights_that_follow_load(scheduler: str) -> None:
    one = service(scheduler=scheduler, weights=WeightsConfig(policy="equalize"))
    assert list(weighing(config(one))) == [f"web: {WEIGHING[scheduler]}"]


@pytest.mark.parametrize("scheduler", WEIGHING)
def test_what_is_said_of_a_scheduler_is_what_weights_do(scheduler: str) -> None:
    """Two servers, one of them busier: under some their weights never move, under some at most every 30 seconds."""
    policy = make_policy("equalize", scheduler=scheduler)
    weights, changed = {"rs1": 100, "rs2": 100}, []
    for second in range(100):
        members = {
            name: Member(
                base_weight=100, weight=weight, utilization=0.3 if name == "rs1" else 0.6, usable_seconds=300.0
            )
            for name, weight in weights.items()
        }
        before, weights = weights, policy.step(float(second), members)
        changed += [second] * (weights != before)
    apart = min((after - before for before, after in pairwise(changed)), default=None)
    words = WEIGHING[scheduler]
    assert (apart is None) is words.endswith(NOTHING)
    assert (apart is not None and apart >= 30) is words.endswith(SELDOM)


def test_a_policy_from_outside_writes_as_it_likes_and_a_static_one_needs_no_word() -> None:
    mine = WeightsConfig(policy="mine")
    assert list(weighing(config(service(weights=mine)))) == [
        "web: wlc gives shares by weight: mine decides what it writes and when"
    ]
    assert list(weighing(config(service(scheduler="rr", weights=mine)))) == [
        "web: rr looks at no weight but 0: the policy mine does nothing here"
    ]
    assert list(weighing(config(service(weights=WeightsConfig(policy="static"))))) == []
