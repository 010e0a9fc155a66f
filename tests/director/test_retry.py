from collections.abc import Mapping

import msgspec

from feedback.director.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    Operation,
    SetDestination,
    SetService,
)
from feedback.director.retry import LONGEST_WAIT_SECONDS, Retries, subject, table_after
from feedback.model import (
    Counters,
    Destination,
    Endpoint,
    Forwarding,
    ServiceKey,
    ServiceState,
    Transport,
    VirtualService,
)

WEB = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.10", 80))
DNS = ServiceKey.at(Transport.UDP, Endpoint("192.0.2.10", 53))
RS1 = Destination(Endpoint("10.2.0.11", 80), Forwarding.MASQUERADE, 100)
RS2 = Destination(Endpoint("10.2.0.12", 80), Forwarding.MASQUERADE, 100)
ADD_WEB = AddService(VirtualService(WEB, "wlc"))
ADD_RS1 = AddDestination(WEB, RS1)
ADD_RS2 = AddDestination(WEB, RS2)


def test_every_operation_has_a_subject() -> None:
    assert subject(ADD_WEB) == subject(SetService(ADD_WEB.service)) == subject(DeleteService(WEB)) == (WEB, None)
    assert subject(ADD_RS1) == subject(SetDestination(WEB, RS1)) == (WEB, RS1.key)
    assert subject(DeleteDestination(WEB, RS1.key)) == (WEB, RS1.key)


def test_nothing_waits_that_was_not_refused() -> None:
    retries = Retries()
    retries.note([ADD_WEB, ADD_RS1], [], 0.0)
    assert retries.due([ADD_WEB, ADD_RS1], 0.0) == [ADD_WEB, ADD_RS1]


def test_a_refused_destination_waits_and_the_others_go_on() -> None:
    retries = Retries()
    retries.note([ADD_RS1, ADD_RS2], [ADD_RS1], 0.0)
    assert retries.due([ADD_RS1, ADD_RS2], 0.5) == [ADD_RS2]
    assert retries.due([ADD_RS1, ADD_RS2], 1.0) == [ADD_RS1, ADD_RS2]


def test_the_wait_doubles_up_to_a_minute() -> None:
    retries, now, waits = Retries(), 0.0, []
    for _ in range(9):
        retries.note([ADD_RS1], [ADD_RS1], now)
        wait = next(wait for wait in range(200) if retries.due([ADD_RS1], now + wait))
        waits.append(wait)
        now += wait
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, LONGEST_WAIT_SECONDS]


def test_success_ends_the_wait_for_good() -> None:
    retries = Retries()
    retries.note([ADD_RS1], [ADD_RS1], 0.0)
    retries.note([ADD_RS1], [], 1.0)
    retries.note([ADD_RS1], [ADD_RS1], 2.0)
    assert retries.due([ADD_RS1], 3.0) == [ADD_RS1]


def test_destinations_wait_for_a_service_that_cannot_be_made_and_not_longer() -> None:
    retries = Retries()
    all_of_it: list[Operation] = [ADD_WEB, ADD_RS1, ADD_RS2]
    for now in (0.0, 1.0, 3.0):
        retries.note(all_of_it, all_of_it, now)
    assert retries.due(all_of_it, 6.9) == []
    assert retries.due(all_of_it, 7.0) == all_of_it
    retries.note(all_of_it, [ADD_RS2], 7.0)
    assert retries.due([ADD_RS1, ADD_RS2], 7.5) == [ADD_RS1]
    assert retries.due([ADD_RS2], 8.0) == [ADD_RS2]


def test_another_service_does_not_wait() -> None:
    retries = Retries()
    retries.note([ADD_WEB], [ADD_WEB], 0.0)
    dns = AddService(VirtualService(DNS, "rr"))
    assert retries.due([ADD_WEB, dns], 0.1) == [dns]


def state(
    *destinations: Destination, scheduler: str = "wlc", counters: Mapping[Endpoint, Counters] | None = None
) -> ServiceState:
    return ServiceState(
        VirtualService(WEB, scheduler), {destination.key: destination for destination in destinations}, counters or {}
    )


def test_after_a_tick_the_table_is_as_wanted() -> None:
    counted = {RS1.key: Counters(active_connections=3)}
    raised = msgspec.structs.replace(RS1, weight=200)
    observed = {WEB: state(RS1, RS2, counters=counted)}
    assert table_after(observed, {WEB: state(raised)}, frozenset()) == {WEB: state(raised, counters=counted)}


def test_what_was_not_done_is_as_it_was() -> None:
    raised = msgspec.structs.replace(RS1, weight=200)
    undone = {(WEB, None), (WEB, RS1.key), (WEB, RS2.key)}
    observed = {WEB: state(RS1, RS2)}
    assert table_after(observed, {WEB: state(raised, scheduler="wrr")}, undone) == observed
    assert table_after({WEB: state()}, {WEB: state(RS1, RS2)}, {(WEB, RS2.key)}) == {WEB: state(RS1)}


def test_a_service_that_could_not_be_made_is_not_there() -> None:
    assert table_after({}, {WEB: state(RS1)}, {(WEB, None), (WEB, RS1.key)}) == {}
    assert table_after({}, {WEB: state(RS1)}, frozenset()) == {WEB: state(RS1)}


def test_the_services_of_others_stay_in_it() -> None:
    others = {DNS: ServiceState(VirtualService(DNS, "rr"), {})}
    assert table_after(others, {WEB: state(RS1)}, frozenset()) == {**others, WEB: state(RS1)}
