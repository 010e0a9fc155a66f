"""The ways of checks that go via the vip: their marks, what the table has for them, and where the checks then go."""

import msgspec
import pytest

from feedback.checks.tcp import TcpCheck
from feedback.director import steering
from feedback.director.config import CheckConfig, DestinationConfig, DirectorConfig, ServiceConfig
from feedback.director.outlook import outlook
from feedback.director.state import State
from feedback.director.steering import MARKS, Way, is_steered, standing, target_via, wanted, ways
from feedback.director.table.memory import MemoryTable
from feedback.model import (
    CheckResult,
    Destination,
    Endpoint,
    Family,
    Forwarding,
    Health,
    Outcome,
    ServiceKey,
    ServiceState,
    VirtualService,
)
from feedback.net import Steering, Target
from feedback.testing import run_virtual
from tests.director.world import CADENCE, CHECK, WEB, World, at, config, destinations, service

VIA_VIP = CheckConfig(name="tcp#2", check=TcpCheck(via="vip"), cadence=CADENCE)
FIRST = 0x10000000
MARK = 0x1080A246
"""That of web/rs1: the lowest three bytes of the CRC-32 of the name, behind the first one."""


def web(*numbers: int, **fields: object) -> ServiceConfig:
    return service(checks=(CHECK, VIA_VIP), destinations=destinations(*numbers), **fields)


def marks(wanted_config: DirectorConfig) -> dict[str, int]:
    return {"/".join(names): way.key.fwmark for names, way in ways(wanted_config).items()}


def test_only_destinations_that_are_checked_via_the_vip_have_a_way() -> None:
    mail = service(name="mail", key=msgspec.structs.replace(WEB, port=25))
    assert ways(config(mail)) == {}
    assert set(ways(config(mail, web(1, 2)))) == {("web", "rs1"), ("web", "rs2")}
    assert [is_steered(one.check) for one in (CHECK, VIA_VIP)] == [False, True]


def test_a_mark_stays_the_same_whatever_else_is_configured() -> None:
    """Also in the next release: a director that is restarted must not send probes astray."""
    alone = marks(config(web(1)))
    assert alone == {"web/rs1": MARK}
    mail = web(1, 2, 3, name="mail", key=msgspec.structs.replace(WEB, port=25))
    assert marks(config(mail, web(3, 1, 2)))["web/rs1"] == alone["web/rs1"]
    assert marks(config(web(1), probe_marks=5))["web/rs1"] == alone["web/rs1"] - FIRST + 5


def test_marks_are_in_their_range_and_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steering, "MARKS", 16)
    marked = service(name="ftp", key=ServiceKey.marked(FIRST + 3, Family.IPV6), destinations=destinations(1))
    given = marks(config(web(*range(1, 16)), marked))
    assert sorted(given.values()) == [FIRST + number for number in range(16) if number != 3]
    assert marks(config(marked, web(*range(15, 0, -1)))) == given
    assert MARKS == 2**24


@pytest.mark.parametrize("forwarding", list(Forwarding))
@pytest.mark.parametrize("family", list(Family))
def test_a_way_has_the_one_destination_as_the_service_forwards_to_it(forwarding: Forwarding, family: Family) -> None:
    vip = Endpoint("2001:db8::10" if family is Family.IPV6 else "192.0.2.10", 80)
    rs1 = DestinationConfig(name="rs1", key=at(1), base_weight=50, forwarding=forwarding, agent="rs1")
    found = ways(config(service(key=ServiceKey.at("tcp", vip), checks=(VIA_VIP,), destinations={"rs1": rs1})))  # type: ignore[arg-type]
    key = ServiceKey.marked(MARK, family)
    here = Endpoint(at(1).address, 0)
    one_packet = forwarding is not Forwarding.MASQUERADE
    state = ServiceState(VirtualService(key, "rr", one_packet=one_packet), {here: Destination(here, forwarding, 1)})
    assert wanted(found) == {key: state}
    assert found["web", "rs1"].name == "probes of web/rs1"


def a_way() -> Way:
    return ways(config(web(1)))["web", "rs1"]


def test_a_check_goes_to_the_destinations_port_at_the_services_address() -> None:
    way = a_way()
    target = Target(at(1), "rs1", "web", 50, Endpoint("192.0.2.10", 80))
    lead = Steering(way.key.fwmark, at(1).address, Forwarding.MASQUERADE)
    steered = target_via(way, target)
    assert steered == Target(Endpoint("192.0.2.10", 8080), "rs1", "web", 50, target.vip, lead)
    assert target_via(None, target) is target
    assert TcpCheck(via="vip", port=9000).aimed(steered).endpoint == Endpoint("192.0.2.10", 9000)
    marked = target_via(way, msgspec.structs.replace(target, vip=None))
    assert TcpCheck(via="vip", address="192.0.2.11").aimed(marked).endpoint == Endpoint("192.0.2.11", 8080)


def test_a_result_is_for_one_destination_alone() -> None:
    scopes = {
        TcpCheck(via="vip").scope(target_via(way, Target(way.destination.key, vip=Endpoint("192.0.2.10", 80))))
        for way in ways(config(web(1, 2))).values()
    }
    assert len(scopes) == 2


def test_a_way_stands_that_leads_where_it_should() -> None:
    found = ways(config(web(1)))
    way, mark = a_way(), a_way().key.fwmark
    assert standing(found, {}) == frozenset()
    assert standing(found, {way.key: way.state}) == {mark}
    elsewhere = {at(2): Destination(at(2), Forwarding.MASQUERADE, 1)}
    assert standing(found, {way.key: ServiceState(way.state.service, elsewhere)}) == frozenset()


def test_the_plan_shows_the_ways() -> None:
    assert outlook(config(web(1)), State(), {}) == [
        f"probes of web/rs1 added: fwmark {MARK} ipv4 rr",
        "rs1 added to probes of web/rs1 at weight 1",
        "web added: tcp 192.0.2.10:80 wlc",
        "rs1 added to web at weight 100",
    ]


def test_ways_come_and_go_with_the_check_and_are_nobodys_health() -> None:
    async def main() -> None:
        async with World(config(web(1, 2))) as world:
            world.runner.results["web/rs2/tcp"] = CheckResult(Outcome.FAIL, "refused", "nobody listens", 0.01)
            await world.after(20)
            keys = {way.key for way in ways(world.config).values()}
            assert await world.weights() == {"rs1": 100}
            assert (await world.table.read()).keys() == {WEB, *keys}
            assert [view.name for view in world.director.snapshot().services] == ["web"]
            world.config = config(service(destinations=destinations(1, 2)))
            await world.director.reload()
            assert (await world.table.read()).keys() == {WEB}
            assert "probes of web/rs1 deleted: it is no longer in the configuration" in world.messages()
            assert "rs1 added to probes of web/rs1 at weight 1: as configured" in world.messages()

    run_virtual(main())


def test_a_destination_that_moves_takes_its_way_with_it() -> None:
    async def main() -> None:
        async with World(config(web(1))) as world:
            await world.after(5)
            moved = msgspec.structs.replace(destinations(1)["rs1"], key=at(7))
            world.config = config(msgspec.structs.replace(web(1), destinations={"rs1": moved}))
            await world.director.reload()
            (state,) = [state for key, state in (await world.table.read()).items() if key.fwmark]
            assert set(state.destinations) == {Endpoint(at(7).address, 0)}
            assert world.messages("removed")[0] == (
                "rs1 removed from probes of web/rs1: it is no longer in the configuration"
            )

    run_virtual(main())


class Refusing(MemoryTable):
    """A table that knows no marks."""

    def _refusal(self, operation: object) -> int:
        key = getattr(operation, "key", None) or getattr(operation, "service", None)
        key = getattr(key, "key", key)
        return 2 if isinstance(key, ServiceKey) and key.fwmark else super()._refusal(operation)  # type: ignore[arg-type]


def test_without_its_way_a_check_says_nothing_and_nobody_is_taken_out() -> None:
    async def main() -> None:
        table = Refusing()
        async with World(config(web(1)), table=table) as world:
            await world.after(20)
            checks = world.director.snapshot().services[0].destinations[0].checks
            assert [one.outcome for one in checks] == [Outcome.PASS, Outcome.UNKNOWN]
            assert checks[1].detail == "the table has no way to the destination via the vip"
            assert checks[1].health is Health.UNKNOWN
            assert not any(run.endswith("tcp#2") for run in world.runner.running)

    run_virtual(main())
