from feedback.director.outlook import outlook
from feedback.director.state import State
from feedback.model import Admin, Destination, Endpoint, Forwarding, ServiceState, VirtualService
from tests.director.world import WEB, at, config, destinations, service

FALLBACK = Endpoint("127.0.0.1", 8080)


def test_an_empty_table_gets_everything() -> None:
    assert outlook(config(service(fallback=FALLBACK)), State(), {}) == [
        "web added: tcp 192.0.2.10:80 wlc",
        "rs1 added to web at weight 100",
        "rs2 added to web at weight 100",
    ]


def test_only_differences_are_named_with_what_was_there() -> None:
    here = {
        at(1): Destination(at(1), Forwarding.MASQUERADE, 100),
        at(2): Destination(at(2), Forwarding.MASQUERADE, 50),
        at(9): Destination(at(9), Forwarding.MASQUERADE, 1),
        FALLBACK: Destination(FALLBACK, Forwarding.MASQUERADE, 1),
    }
    observed = {WEB: ServiceState(VirtualService(WEB, "wlc"), here)}
    assert outlook(config(service(fallback=FALLBACK)), State(), observed) == [
        "rs2 in web: weight 50 to 100",
        "10.2.0.9:8080 removed from web",
        "fallback removed from web",
    ]


def test_a_table_that_is_right_needs_nothing() -> None:
    here = {at(1): Destination(at(1), Forwarding.MASQUERADE, 100)}
    observed = {WEB: ServiceState(VirtualService(WEB, "wlc"), here)}
    wanted = config(service(destinations=destinations(1)))
    assert outlook(wanted, State(), observed) == ["no change: the table is as it should be"]


def test_what_is_drained_stays_drained() -> None:
    state = State().with_admin("web", "rs1", Admin.DRAIN)
    assert "rs1 added to web at weight 0" in outlook(config(), state, {})


def test_a_service_of_ours_that_left_the_configuration_is_deleted() -> None:
    mail = service(name="mail", key=WEB)
    observed = {WEB: ServiceState(VirtualService(WEB, "wlc"), {})}
    lines = outlook(config(service(name="mail", key=mail.key)), State(owned=frozenset({WEB})), observed)
    assert lines[0] == "rs1 added to mail at weight 100"
    assert outlook(config().__class__(name="lvs1", services={}), State(owned=frozenset({WEB})), observed) == [
        "tcp 192.0.2.10:80 deleted"
    ]
