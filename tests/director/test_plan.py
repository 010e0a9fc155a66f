import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    Operation,
    SetDestination,
    SetService,
    canonical,
    describe,
    plan,
)
from feedback.director.table.memory import MemoryTable
from feedback.model import (
    Counters,
    Destination,
    Endpoint,
    Family,
    Forwarding,
    ServiceKey,
    ServiceState,
    TableState,
    Transport,
    VirtualService,
)

WEB = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.10", 80))
MAIL = ServiceKey.at(Transport.TCP, Endpoint("2001:db8::10", 25))
MARK = ServiceKey.marked(7, Family.IPV4)
RS1, RS2, RS3 = (Endpoint(f"10.2.0.{number}", 8080) for number in (11, 12, 13))
LIMITED = Destination(RS1, Forwarding.MASQUERADE, 100, upper_threshold=9)


def at(key: Endpoint, weight: int = 100) -> Destination:
    return Destination(key, Forwarding.MASQUERADE, weight)


def web(*destinations: Destination, scheduler: str = "wlc") -> TableState:
    return {WEB: ServiceState(VirtualService(WEB, scheduler), {each.key: each for each in destinations})}


def applied(table: TableState, operations: Sequence[Operation]) -> TableState:
    """Return what a table becomes by operations that must all succeed."""
    memory = MemoryTable()
    fill = plan(table, {}, table.keys())
    assert asyncio.run(memory.apply([*fill, *operations])) == ()
    return memory.state()


def settings(table: TableState) -> TableState:
    """Return a table without its counters, its services written in one way."""
    return {key: ServiceState(canonical(state.service), dict(state.destinations)) for key, state in table.items()}


def usable(state: ServiceState | None) -> bool:
    return state is not None and any(each.weight for each in state.destinations.values())


def test_nothing_is_done_where_nothing_differs() -> None:
    assert plan(web(at(RS1)), web(at(RS1)), {WEB}) == ()


def test_counters_are_no_difference() -> None:
    observed = {WEB: ServiceState(VirtualService(WEB, "wlc"), {RS1: at(RS1)}, {RS1: Counters(active_connections=9)})}
    assert plan(web(at(RS1)), observed, {WEB}) == ()


def test_a_changed_weight_is_one_set_of_one_destination() -> None:
    operations = plan(web(at(RS1, 87), at(RS2)), web(at(RS1), at(RS2)), {WEB})
    assert operations == (SetDestination(WEB, at(RS1, 87)),)


def test_a_new_service_comes_with_its_destinations() -> None:
    operations = plan(web(at(RS2), at(RS1)), {}, {WEB})
    assert operations == (
        AddService(VirtualService(WEB, "wlc")),
        AddDestination(WEB, at(RS1)),
        AddDestination(WEB, at(RS2)),
    )


def test_a_changed_service_is_set_in_place() -> None:
    operations = plan(web(at(RS1), scheduler="mh"), web(at(RS1)), {WEB})
    assert operations == (SetService(VirtualService(WEB, "mh")),)


def test_what_takes_connections_comes_before_what_no_longer_does() -> None:
    operations = plan(web(at(RS1, 0), at(RS2, 50)), web(at(RS1), at(RS2, 0), at(RS3)), {WEB})
    assert operations == (
        SetDestination(WEB, at(RS2, 50)),
        SetDestination(WEB, at(RS1, 0)),
        DeleteDestination(WEB, RS3),
    )
    operations = plan(web(at(RS2)), web(at(RS1)), {WEB})
    assert operations == (AddDestination(WEB, at(RS2)), DeleteDestination(WEB, RS1))


def test_services_are_deleted_last_and_only_owned_ones() -> None:
    mail = ServiceState(VirtualService(MAIL, "wlc"), {})
    mark = ServiceState(VirtualService(MARK, "wlc"), {})
    operations = plan(web(at(RS1)), {MAIL: mail, MARK: mark}, {WEB, MAIL})
    assert operations[-1] == DeleteService(MAIL)
    assert DeleteService(MARK) not in operations


def test_a_wanted_service_that_is_not_owned_is_left_alone() -> None:
    assert plan(web(at(RS1)), {}, set()) == ()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (VirtualService(WEB, "wlc"), VirtualService(WEB, "wlc", 0, 24), True),
        (VirtualService(WEB, "wlc", 60), VirtualService(WEB, "wlc", 60, 32), True),
        (VirtualService(MAIL, "wlc", 60), VirtualService(MAIL, "wlc", 60, 128), True),
        (VirtualService(WEB, "wlc", 60), VirtualService(WEB, "wlc", 60, 24), False),
        (VirtualService(WEB, "wlc", 60), VirtualService(WEB, "wlc", 61), False),
        (VirtualService(WEB, "wlc"), VirtualService(WEB, "rr"), False),
        (VirtualService(WEB, "rr"), VirtualService(WEB, "rr", one_packet=True), True),
        (VirtualService(WEB, "rr", one_packet=True), VirtualService(WEB, "rr"), False),
    ],
)
def test_settings_that_mean_the_same_are_no_difference(
    one: VirtualService, other: VirtualService, *, same: bool
) -> None:
    key = one.key
    operations = plan({key: ServiceState(one, {})}, {key: ServiceState(other, {})}, {key})
    assert operations == (() if same else (SetService(one),))


@pytest.mark.parametrize(
    ("operation", "before", "words"),
    [
        (AddService(VirtualService(WEB, "wlc")), None, "web added: tcp 192.0.2.10:80 wlc"),
        (AddService(VirtualService(MARK, "sh", 300)), None, "web added: fwmark 7 ipv4 sh persistence 300s"),
        (SetService(VirtualService(MARK, "rr", one_packet=True)), None, "web changed: fwmark 7 ipv4 rr one packet"),
        (SetService(VirtualService(WEB, "mh")), None, "web changed: tcp 192.0.2.10:80 mh"),
        (DeleteService(WEB), None, "web deleted"),
        (AddDestination(WEB, at(RS1)), None, "rs1 added to web at weight 100"),
        (SetDestination(WEB, at(RS1, 87)), at(RS1), "rs1 in web: weight 100 to 87"),
        (SetDestination(WEB, at(RS1, 0)), at(RS1), "rs1 in web: weight 100 to 0 (quiesced)"),
        (SetDestination(WEB, at(RS1)), None, "rs1 in web: weight 100, forwarding masquerade"),
        (
            SetDestination(WEB, Destination(RS1, Forwarding.DIRECT, 5, 9, 7)),
            at(RS1),
            "rs1 in web: weight 100 to 5, forwarding direct, connections upper 9, lower 7",
        ),
        (SetDestination(WEB, Destination(RS1, Forwarding.TUNNEL, 100)), at(RS1), "rs1 in web: forwarding tunnel"),
        (SetDestination(WEB, LIMITED), at(RS1), "rs1 in web: connections upper 9"),
        (SetDestination(WEB, at(RS1)), LIMITED, "rs1 in web: no limit of connections"),
        (DeleteDestination(WEB, RS1), at(RS1), "rs1 removed from web"),
    ],
)
def test_every_operation_has_words(operation: Operation, before: Destination | None, words: str) -> None:
    assert describe(operation, "web", "rs1", before) == words


def test_changed_thresholds_are_one_change_in_place() -> None:
    before, after = web(at(RS1), at(RS2)), web(LIMITED, at(RS2))
    assert plan(after, before, {WEB}) == (SetDestination(WEB, LIMITED),)
    assert plan(before, after, {WEB}) == (SetDestination(WEB, at(RS1)),)


def destinations(family: Family) -> st.SearchStrategy[dict[Endpoint, Destination]]:
    prefix = "2001:db8:2::" if family is Family.IPV6 else "10.2.0."
    keys = st.builds(lambda number: Endpoint(f"{prefix}{number}", 80), st.integers(1, 5))
    made = st.builds(Destination, keys, st.sampled_from(Forwarding), st.integers(0, 3), st.sampled_from([0, 9]))
    return st.lists(made, max_size=5).map(lambda each: {one.key: one for one in each})


def states(key: ServiceKey) -> st.SearchStrategy[ServiceState]:
    services = st.builds(
        VirtualService,
        st.just(key),
        st.sampled_from(["wlc", "mh"]),
        st.sampled_from([0, 60]),
        st.sampled_from([None, 24]),
    )
    return st.builds(ServiceState, services, destinations(key.family))


tables = st.fixed_dictionaries({}, optional={key: states(key) for key in (WEB, MAIL, MARK)})
owners = st.sets(st.sampled_from([WEB, MAIL, MARK]))


@given(tables, tables, owners)
def test_applying_the_plan_gives_what_is_wanted_of_the_owned_and_leaves_the_rest(
    desired: TableState, observed: TableState, owned: set[ServiceKey]
) -> None:
    after = settings(applied(observed, plan(desired, observed, owned)))
    for key in (WEB, MAIL, MARK):
        assert after.get(key) == settings(desired if key in owned else observed).get(key)


@given(tables, tables, owners)
def test_planning_again_gives_nothing(desired: TableState, observed: TableState, owned: set[ServiceKey]) -> None:
    assert plan(desired, applied(observed, plan(desired, observed, owned)), owned) == ()


@given(tables, tables, owners, st.data())
def test_stopping_anywhere_and_planning_again_gets_there(
    desired: TableState, observed: TableState, owned: set[ServiceKey], data: st.DataObject
) -> None:
    operations = plan(desired, observed, owned)
    done = data.draw(st.integers(0, len(operations)))
    halfway = applied(observed, operations[:done])
    rest = plan(desired, halfway, owned)
    assert len(rest) == len(operations) - done
    assert settings(applied(halfway, rest)) == settings(applied(observed, operations))


@given(tables, tables, owners)
def test_a_service_that_is_usable_before_and_after_is_usable_all_the_way(
    desired: TableState, observed: TableState, owned: set[ServiceKey]
) -> None:
    operations = plan(desired, observed, owned)
    for done in range(len(operations) + 1):
        halfway = applied(observed, operations[:done])
        for key in owned:
            if usable(observed.get(key)) and usable(desired.get(key)):
                assert usable(halfway.get(key))
