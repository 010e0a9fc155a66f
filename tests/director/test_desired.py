from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.config import DestinationConfig, ServiceConfig
from feedback.director.desired import DesiredService, MemberInput, decide, wants_weight
from feedback.director.hints import Wish
from feedback.model import (
    Admin,
    Counters,
    Destination,
    Endpoint,
    Forwarding,
    Health,
    ServiceKey,
    ServiceState,
    Transport,
    VirtualService,
)

WEB = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.10", 80))
FALLBACK = Endpoint("127.0.0.1", 8080)
REFUSED = "http check failed 3 of 3: refused"


def key(number: int) -> Endpoint:
    return Endpoint(f"10.2.0.{number}", 8080)


def member(number: int, health: Health = Health.UP, **fields: Any) -> MemberInput:
    """Return destination rs<number>, up and enabled and ready unless said otherwise."""
    reason = {Health.DOWN: REFUSED, Health.UP: "http check passed", Health.UNKNOWN: "http check has not run yet"}
    plain: dict[str, Any] = {
        "name": f"rs{number}",
        "key": key(number),
        "base_weight": 100,
        "forwarding": Forwarding.MASQUERADE,
        "health": health,
        "reason": reason[health],
    }
    return MemberInput(**(plain | fields))


def service(**fields: Any) -> ServiceConfig:
    destinations: dict[str, DestinationConfig] = {}
    plain: dict[str, Any] = {
        "name": "web",
        "key": WEB,
        "scheduler": "wlc",
        "forwarding": Forwarding.MASQUERADE,
        "destinations": destinations,
    }
    return ServiceConfig(**(plain | fields))


def table(weights: dict[int, int], connections: dict[int, int] | None = None) -> ServiceState:
    """Return the service as observed, from weights and active connections by destination number."""
    return ServiceState(
        VirtualService(WEB, "wlc"),
        {key(number): Destination(key(number), Forwarding.MASQUERADE, weight) for number, weight in weights.items()},
        {key(number): Counters(active_connections=count) for number, count in (connections or {}).items()},
    )


def weights(desired: DesiredService) -> dict[int, int]:
    """Return the weights in the wanted table by destination number; 0 stands for the fallback."""
    return {
        0 if at == FALLBACK else int(at.address.rpartition(".")[2]): destination.weight
        for at, destination in desired.state.destinations.items()
    }


def test_the_service_has_the_configured_settings() -> None:
    config = service(scheduler="wrr", persistence_seconds=60, persistence_prefix=24)
    assert decide(config, [], None).state.service == VirtualService(WEB, "wrr", 60, 24)


def test_up_is_in_the_table_with_the_policys_weight() -> None:
    desired = decide(service(), [member(1, weight=130, forwarding=Forwarding.DIRECT), member(2)], None)
    assert desired.state.destinations[key(1)] == Destination(key(1), Forwarding.DIRECT, 130)
    assert weights(desired) == {1: 130, 2: 100}
    assert desired.usable == {"rs1", "rs2"}
    assert not desired.fallback
    assert not desired.panic


def test_up_says_its_weight_and_the_load_behind_it() -> None:
    desired = decide(service(), [member(1, weight=130, utilization=0.41), member(2, utilization=0.63), member(3)], None)
    assert desired.why == {
        "rs1": "up; weight 130 of base 100: utilization 0.41, service mean 0.52",
        "rs2": "up; weight 100 of base 100: utilization 0.63, service mean 0.52",
        "rs3": "up; weight 100 of base 100",
    }


@pytest.mark.parametrize(
    ("fields", "wants"),
    [
        ({}, True),
        ({"health": Health.UNKNOWN}, False),
        ({"health": Health.DOWN}, False),
        ({"admin": Admin.DRAIN}, False),
        ({"admin": Admin.MAINTENANCE}, False),
        ({"asks": "drain"}, False),
        ({"asks": "goodbye"}, False),
        ({"wish": Wish("http", 0.5)}, True),
        ({"wish": Wish("http", 0.0)}, False),
    ],
)
def test_a_policy_weighs_only_what_is_up_enabled_and_ready(fields: dict[str, Any], *, wants: bool) -> None:
    assert wants_weight(member(1, **fields)) is wants


NOT_FOUND = Wish("http", 0.0, "404 Not Found")


def test_a_hint_moves_the_base_weight_and_says_so() -> None:
    half = Wish("agent", 0.5, "50% up")
    members = [member(1, wish=half), member(2, wish=half, weight=40, utilization=0.5), member(3, wish=Wish("exec", 2))]
    desired = decide(service(), members, None)
    assert weights(desired) == {1: 50, 2: 40, 3: 200}
    assert desired.why == {
        "rs1": "up; weight 50 of base 100: its agent check asks for 0.5 of it (50% up)",
        "rs2": (
            "up; weight 40 of base 100: its agent check asks for 0.5 of it (50% up); "
            "utilization 0.50, service mean 0.50"
        ),
        "rs3": "up; weight 200 of base 100: its exec check asks for 2 of it",
    }
    assert desired.cause["rs1"] == "its agent check asks for 0.5 of it (50% up)"


def test_a_hint_above_0_never_makes_a_weight_0() -> None:
    assert weights(decide(service(), [member(1, base_weight=3, wish=Wish("exec", 0.01))], None)) == {1: 1}


def test_what_is_doubtful_of_one_that_is_up_is_said() -> None:
    desired = decide(service(), [member(1, doubt="tcp check says nothing: bug (ZeroDivisionError)")], None)
    assert desired.why["rs1"] == "up; weight 100 of base 100; tcp check says nothing: bug (ZeroDivisionError)"


@pytest.mark.parametrize("scheduler", ["wlc", "sh"])
@pytest.mark.parametrize("observed", [table({1: 100, 2: 100}, {1: 3}), table({1: 0, 2: 100}, {1: 3})])
def test_a_check_that_asks_for_0_quiesces_and_never_removes(observed: ServiceState, scheduler: str) -> None:
    config = service(scheduler=scheduler)
    desired = decide(config, [member(1, wish=NOT_FOUND, weight=70, drain_seconds=1e6), member(2)], observed)
    assert weights(desired) == {1: 0, 2: 100}
    assert desired.why["rs1"] == "drained by its http check: 404 Not Found; 3 connections left"
    assert desired.cause["rs1"] == "drained by its http check: 404 Not Found"
    assert desired.usable == {"rs2"}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"admin": Admin.DRAIN}, "drained by the operator: 3 connections left"),
        ({"asks": "drain"}, "drained by its host: 3 connections left"),
        ({"health": Health.DOWN}, f"down, removed: {REFUSED}"),
        ({"health": Health.UNKNOWN}, "unknown, held at weight 100: http check has not run yet"),
    ],
)
def test_the_operator_the_host_and_health_go_before_a_checks_wish(fields: dict[str, Any], why: str) -> None:
    desired = decide(service(), [member(1, wish=NOT_FOUND, **fields)], table({1: 100}, {1: 3}))
    assert desired.why["rs1"] == why


def test_when_all_are_drained_by_their_checks_the_fallback_serves_and_there_is_no_panic() -> None:
    config = service(fallback=FALLBACK, min_healthy_ratio=0.5)
    members = [member(number, wish=NOT_FOUND) for number in (1, 2)]
    desired = decide(config, members, table({1: 100, 2: 100}))
    assert weights(desired) == {1: 0, 2: 0, 0: 1}
    assert not desired.panic


@pytest.mark.parametrize(("drained", "panic"), [(3, False), (1, True)])
def test_who_is_drained_by_its_check_is_healthy_for_min_healthy(drained: int, *, panic: bool) -> None:
    """Three that answer are enough to believe that the fourth does not; with one of four, the checks are doubted."""
    members = [
        member(number, wish=NOT_FOUND) if number <= drained else member(number, Health.DOWN) for number in range(1, 5)
    ]
    desired = decide(service(min_healthy_ratio=0.5), members, table({1: 0, 2: 100, 3: 100, 4: 100}))
    assert desired.panic is panic
    assert (4 in weights(desired)) is panic


def test_a_base_weight_of_0_is_in_the_table_and_not_usable() -> None:
    desired = decide(service(fallback=FALLBACK), [member(1, base_weight=0, weight=0)], None)
    assert weights(desired) == {1: 0, 0: 1}
    assert desired.usable == frozenset()


def test_a_failed_check_removes() -> None:
    desired = decide(service(), [member(1, Health.DOWN), member(2)], table({1: 100, 2: 100}))
    assert weights(desired) == {2: 100}
    assert desired.why["rs1"] == f"down, removed: {REFUSED}"


@pytest.mark.parametrize("observed", [None, table({1: 100}), table({1: 0}), table({})])
def test_a_failed_check_quiesces_where_that_is_asked_for(observed: ServiceState | None) -> None:
    desired = decide(service(on_failure="quiesce"), [member(1, Health.DOWN)], observed)
    assert weights(desired) == {1: 0}
    assert desired.why["rs1"] == f"down, quiesced: {REFUSED}"
    assert desired.usable == frozenset()


@pytest.mark.parametrize(
    ("observed", "held", "why"),
    [
        (table({1: 37}), {1: 37}, "unknown, held at weight 37: http check has not run yet"),
        (table({1: 0}), {1: 0}, "unknown, held at weight 0: http check has not run yet"),
        (table({2: 5}), {}, "unknown, held out of the table: http check has not run yet"),
        (None, {}, "unknown, held out of the table: http check has not run yet"),
    ],
)
def test_unknown_is_held_as_it_is(observed: ServiceState | None, held: dict[int, int], why: str) -> None:
    desired = decide(service(), [member(1, Health.UNKNOWN, weight=80)], observed)
    assert weights(desired) == held
    assert desired.why["rs1"] == why


def test_unknown_without_words_says_that_nothing_has_decided() -> None:
    assert (
        decide(service(), [member(1, Health.UNKNOWN, reason="")], None).why["rs1"].endswith("no check has decided yet")
    )


@pytest.mark.parametrize(
    ("fields", "who"),
    [
        ({"admin": Admin.DRAIN}, "drained by the operator"),
        ({"asks": "drain"}, "drained by its host"),
        ({"asks": "goodbye"}, "host is shutting down"),
        ({"asks": "drain", "admin": Admin.DRAIN}, "drained by the operator"),
    ],
)
@pytest.mark.parametrize("health", list(Health))
def test_drain_quiesces_while_connections_run_whatever_the_checks_say(
    fields: dict[str, Any], who: str, health: Health
) -> None:
    drained = member(1, health, drain_seconds=10.0, **fields)
    desired = decide(service(), [drained, member(2)], table({1: 100, 2: 100}, {1: 3}))
    assert weights(desired) == {1: 0, 2: 100}
    assert desired.why["rs1"] == f"{who}: 3 connections left"
    assert desired.usable == {"rs2"}


def test_one_connection_is_one_connection() -> None:
    desired = decide(service(), [member(1, admin=Admin.DRAIN)], table({1: 100}, {1: 1}))
    assert desired.why["rs1"] == "drained by the operator: 1 connection left"


def test_drain_stays_in_the_table_for_as_long_as_it_lasts() -> None:
    drained = member(1, admin=Admin.DRAIN, drain_seconds=1e6)
    assert weights(decide(service(), [drained], table({1: 0}, {1: 3}))) == {1: 0}
    assert weights(decide(service(), [drained], table({1: 0}))) == {1: 0}


@pytest.mark.parametrize(("health", "held"), [(Health.UP, {1: 0}), (Health.UNKNOWN, {}), (Health.DOWN, {})])
def test_drain_of_what_is_not_in_the_table_puts_in_only_what_is_up(health: Health, held: dict[int, int]) -> None:
    assert weights(decide(service(), [member(1, health, admin=Admin.DRAIN)], None)) == held


@pytest.mark.parametrize(
    ("config", "drain_seconds", "connections", "held"),
    [
        ({}, 10.0, 3, {1: 0}),
        ({}, 10.0, 0, {}),
        ({}, 300.0, 3, {}),
        ({}, None, 3, {1: 0}),
        ({"persistence_seconds": 60}, 10.0, 3, {}),
        ({"scheduler": "sh"}, 10.0, 3, {}),
        ({"on_failure": "quiesce"}, 300.0, 0, {1: 0}),
    ],
)
def test_drained_and_down_leaves_when_it_serves_nobody_any_more(
    config: dict[str, Any], drain_seconds: float | None, connections: int, held: dict[int, int]
) -> None:
    """Running connections may finish; but under persistence and hashing weight 0 would still send clients there."""
    drained = member(1, Health.DOWN, admin=Admin.DRAIN, drain_seconds=drain_seconds)
    desired = decide(service(**config), [drained], table({1: 100}, {1: connections}))
    assert weights(desired) == held
    if not held:
        assert desired.why["rs1"] == f"drained by the operator and down, removed: {REFUSED}"


@pytest.mark.parametrize("scheduler", ["sh", "dh", "mh"])
@pytest.mark.parametrize(("drain_seconds", "held"), [(299.0, {1: 0, 2: 100}), (300.0, {2: 100})])
def test_drain_under_hashing_leaves_the_table_after_the_timeout(
    scheduler: str, drain_seconds: float, held: dict[int, int]
) -> None:
    drained = member(1, admin=Admin.DRAIN, drain_seconds=drain_seconds)
    config = service(scheduler=scheduler)
    desired = decide(config, [drained, member(2)], table({1: 100, 2: 100}, {1: 3}))
    assert weights(desired) == held
    assert f"under {scheduler}" in desired.why["rs1"]
    assert "drain_timeout" in desired.why["rs1"]
    assert (1 in weights(decide(config, [drained, member(2)], table({2: 100})))) is (1 in held)


@pytest.mark.parametrize("health", list(Health))
@pytest.mark.parametrize(
    ("observed", "drain_seconds", "held", "why"),
    [
        (table({1: 100}, {1: 3}), 10.0, {1: 0}, "maintenance: 3 connections left"),
        (table({1: 0}, {1: 3}), 300.0, {}, "maintenance: drain_timeout is over, 3 connections left behind"),
        (table({1: 0}, {1: 0}), 10.0, {}, "maintenance: out of the table"),
        (table({}), 10.0, {}, "maintenance: out of the table"),
        (None, None, {}, "maintenance: out of the table"),
    ],
)
def test_maintenance_leaves_the_table_when_its_connections_are_gone_or_the_time_is_over(
    health: Health, observed: ServiceState | None, drain_seconds: float | None, held: dict[int, int], why: str
) -> None:
    kept = member(1, health, admin=Admin.MAINTENANCE, asks="drain", drain_seconds=drain_seconds)
    desired = decide(service(), [kept], observed)
    assert weights(desired) == held
    assert desired.why["rs1"] == why


def test_inactive_connections_are_waited_for_too() -> None:
    observed = msgspec.structs.replace(table({1: 0}), counters={key(1): Counters(inactive_connections=2)})
    desired = decide(service(), [member(1, admin=Admin.MAINTENANCE)], observed)
    assert desired.why["rs1"] == "maintenance: 2 connections left"


def test_below_min_healthy_failing_ones_are_kept_as_they_are() -> None:
    members = [member(1), member(2, Health.DOWN), member(3, Health.DOWN), member(4, Health.DOWN)]
    desired = decide(service(min_healthy_ratio=0.5), members, table({1: 100, 2: 40, 3: 0}))
    assert weights(desired) == {1: 100, 2: 40, 3: 0}
    assert desired.panic
    assert desired.why["rs2"] == (f"down, but held at weight 40, as fewer than min_healthy 0.5 are healthy: {REFUSED}")
    assert desired.why["rs4"] == f"down, removed: {REFUSED}"


def test_at_min_healthy_failing_ones_are_removed() -> None:
    members = [member(1), member(2), member(3, Health.DOWN), member(4, Health.DOWN)]
    desired = decide(service(min_healthy_ratio=0.5), members, table({1: 1, 2: 1, 3: 1, 4: 1}))
    assert weights(desired) == {1: 100, 2: 100}
    assert not desired.panic


def test_where_nothing_is_kept_there_is_no_panic() -> None:
    members = [member(1, Health.UNKNOWN), member(2, Health.DOWN)]
    assert not decide(service(min_healthy_ratio=1.0), members, None).panic
    assert not decide(service(min_healthy_ratio=1.0), members, table({1: 0, 2: 0})).panic


def test_who_is_not_meant_to_serve_does_not_count_for_min_healthy() -> None:
    out = [
        member(3, Health.DOWN, admin=Admin.DRAIN),
        member(4, admin=Admin.MAINTENANCE),
        member(5, asks="drain"),
        member(6, Health.DOWN, asks="goodbye"),
    ]
    desired = decide(service(min_healthy_ratio=0.5), [member(1), member(2, Health.DOWN), *out], table({2: 100}))
    assert not desired.panic
    assert 2 not in weights(desired)


@pytest.mark.parametrize(("observed", "panic"), [({1: 100, 2: 100}, False), ({1: 100}, True), ({1: 100, 2: 0}, True)])
def test_unknown_counts_as_healthy_for_min_healthy_while_it_serves(observed: dict[int, int], *, panic: bool) -> None:
    members = [member(1, Health.DOWN), member(2, Health.UNKNOWN)]
    assert decide(service(min_healthy_ratio=0.5), members, table(observed)).panic is panic


def test_the_fallback_is_in_the_table_while_nothing_else_takes_connections() -> None:
    config = service(fallback=FALLBACK, forwarding=Forwarding.DIRECT)
    desired = decide(config, [member(1, Health.DOWN), member(2, admin=Admin.DRAIN)], table({1: 100, 2: 100}, {2: 1}))
    assert weights(desired) == {0: 1, 2: 0}
    assert desired.state.destinations[FALLBACK] == Destination(FALLBACK, Forwarding.DIRECT, 1)
    assert desired.fallback


@pytest.mark.parametrize("serving", [member(2), member(2, Health.UNKNOWN)])
def test_the_fallback_leaves_when_something_takes_connections(serving: MemberInput) -> None:
    desired = decide(service(fallback=FALLBACK), [member(1, Health.DOWN), serving], table({1: 100, 2: 100}))
    assert weights(desired) == {2: 100}
    assert not desired.fallback


def test_what_is_kept_in_a_panic_takes_connections_so_there_is_no_fallback() -> None:
    config = service(fallback=FALLBACK, min_healthy_ratio=0.5)
    assert weights(decide(config, [member(1, Health.DOWN)], table({1: 100}))) == {1: 100}


@pytest.mark.parametrize("health", list(Health))
def test_a_fallback_that_is_a_destination_too_is_in_the_table_once(health: Health) -> None:
    desired = decide(service(fallback=key(1)), [member(1, health)], None)
    assert weights(desired) == {1: 100 if health is Health.UP else 1}


def test_without_destinations_and_fallback_the_service_is_empty() -> None:
    assert weights(decide(service(), [], table({7: 100}))) == {}


members_of_a_service = st.lists(
    st.builds(
        member,
        st.integers(1, 6),
        health=st.sampled_from(Health),
        admin=st.sampled_from(Admin),
        asks=st.sampled_from(["ready", "drain", "goodbye"]),
        weight=st.none() | st.integers(1, 1000),
        utilization=st.none() | st.floats(0, 2),
        drain_seconds=st.none() | st.floats(0, 600),
        wish=st.none() | st.builds(Wish, st.just("http"), st.sampled_from([0.0, 0.001, 0.5, 2.0])),
    ),
    max_size=6,
    unique_by=lambda made: made.name,
)
configs = st.builds(
    service,
    scheduler=st.sampled_from(["wlc", "sh"]),
    fallback=st.sampled_from([None, FALLBACK]),
    min_healthy_ratio=st.sampled_from([0.0, 0.5, 1.0]),
    on_failure=st.sampled_from(["remove", "quiesce"]),
    persistence_seconds=st.sampled_from([0, 60]),
)
tables = st.none() | st.builds(
    table,
    st.dictionaries(st.integers(1, 6), st.integers(0, 500)),
    st.dictionaries(st.integers(1, 6), st.integers(0, 3)),
)


@given(configs, members_of_a_service, tables)
def test_whatever_comes_the_safety_rules_hold(
    config: ServiceConfig, members: list[MemberInput], observed: ServiceState | None
) -> None:
    desired = decide(config, members, observed)
    destinations = desired.state.destinations
    before = observed.destinations if observed is not None else {}
    assert set(destinations) <= {each.key for each in members} | {FALLBACK}
    assert set(desired.why) == {each.name for each in members}
    assert all(desired.why.values())
    assert desired.usable == {
        each.name for each in members if each.key in destinations and destinations[each.key].weight
    }
    assert (FALLBACK in destinations) == desired.fallback == (config.fallback is not None and not desired.usable)
    for each in members:
        weight = destinations[each.key].weight if each.key in destinations else None
        was = before[each.key].weight if each.key in before else None
        if each.admin is not Admin.ENABLED or each.asks != "ready":
            assert not weight, "who is drained gets no new connections"
        elif each.health is Health.UNKNOWN:
            assert weight == was, "unknown is not down"
        elif each.health is Health.DOWN:
            assert weight in (None, 0, was), "who is down never gets more than it has"
        elif each.wish is not None and each.wish.drains:
            assert weight == 0, "and it stays in the table"
        else:
            assert weight, "who is up gets connections"
            assert each.weight in (None, weight)


@given(configs, members_of_a_service, tables)
def test_deciding_again_on_the_decided_table_changes_nothing_more_under_unchanged_news(
    config: ServiceConfig, members: list[MemberInput], observed: ServiceState | None
) -> None:
    """A table that is right stays as it is; only what panic or maintenance had held may follow once it is over."""
    once = decide(config, members, observed)
    counters = observed.counters if observed is not None else {}
    twice = decide(config, members, msgspec.structs.replace(once.state, counters=counters))
    if once.panic == twice.panic:
        assert twice.state == once.state
