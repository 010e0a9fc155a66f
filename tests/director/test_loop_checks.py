"""What checks mean to the table beyond up and down, in a whole director in virtual time."""

from collections.abc import Sequence

import msgspec
import pytest

from feedback.checks.tcp import TcpCheck
from feedback.director.config import CheckConfig, Dependency, ServiceConfig, WeightsConfig
from feedback.director.loop import TICK_SECONDS, _probes
from feedback.director.plan import Operation
from feedback.director.table.contract import Refusal
from feedback.director.table.memory import MemoryTable
from feedback.model import CheckResult, Endpoint, Family, Outcome, ServiceKey, TableState, Transport
from feedback.testing import run_virtual
from tests.director.world import CADENCE, CHECK, PASS, REFUSED, World, config, destinations, service

FALLBACK = Endpoint("10.2.0.9", 8080)
DB_KEY = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.11", 5432))
APP_KEY = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.12", 8080))
NOT_FOUND = CheckResult(Outcome.PASS, "", "404 Not Found", 0.01, 0.0)
HALF = CheckResult(Outcome.PASS, "", "load 3", 0.01, 0.5)
MAYBE = CheckResult(Outcome.UNKNOWN, "local", "no file descriptor is left", 0.01)
A_CHECK_SECONDS = CADENCE.interval_seconds + 2 * TICK_SECONDS


class Counting(MemoryTable):
    """A table that counts what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    async def apply(self, operations: Sequence[Operation]) -> tuple[Refusal, ...]:
        self.writes += 1
        return await super().apply(operations)


def weight_ratio(world: World, destination: int = 0) -> float | None:
    return world.director.snapshot().services[0].destinations[destination].checks[0].weight_ratio


def test_a_hint_moves_the_weight_and_is_told_and_goes_again() -> None:
    async def main() -> None:
        async with World(config()) as world:
            await world.after(5)
            assert weight_ratio(world) is None
            world.runner.results["rs1"] = HALF
            await world.after(A_CHECK_SECONDS)
            assert await world.weights() == {"rs1": 50, "rs2": 100}
            assert weight_ratio(world) == 0.5
            assert world.why("rs1") == "up; weight 50 of base 100: its tcp check asks for 0.5 of it (load 3)"
            assert world.messages("weight") == [
                "rs1 in web: weight 100 to 50: its tcp check asks for 0.5 of it (load 3)"
            ]
            world.runner.results["rs1"] = PASS
            await world.after(A_CHECK_SECONDS)
            assert await world.weights() == {"rs1": 100, "rs2": 100}
            assert weight_ratio(world) is None

    run_virtual(main())


@pytest.mark.parametrize("result", [MAYBE, REFUSED], ids=["unknown", "one failure"])
def test_a_hint_holds_while_a_check_says_nothing_better(result: CheckResult) -> None:
    async def main() -> None:
        patient = msgspec.structs.replace(CHECK, cadence=msgspec.structs.replace(CADENCE, fall=1000))
        async with World(config(service(checks=(patient,)))) as world:
            world.runner.results["rs1"] = HALF
            await world.after(5)
            world.runner.results["rs1"] = result
            await world.after(60)
            assert await world.weights() == {"rs1": 50, "rs2": 100}

    run_virtual(main())


def test_a_destination_that_its_check_drains_is_quiesced_at_once_never_removed_and_comes_back() -> None:
    async def main() -> None:
        async with World(config(service(fallback=FALLBACK, scheduler="sh", drain_timeout_seconds=5.0))) as world:
            await world.after(5)
            world.runner.results = {"rs1": NOT_FOUND, "rs2": NOT_FOUND}
            for _ in range(120):
                await world.after(1)
                weights = await world.weights() or {}
                assert {"rs1", "rs2"} <= weights.keys()
            assert weights == {"rs1": 0, "rs2": 0, "rs9": 1}
            assert world.why("rs1") == "drained by its tcp check: 404 Not Found; 0 connections left"
            assert "rs1 in web: weight 100 to 0 (quiesced): drained by its tcp check: 404 Not Found" in (
                world.messages("quiesced")
            )
            assert world.messages("health") == [f"{name} in web is up: its checks pass" for name in ("rs1", "rs2")]
            world.runner.results = {}
            await world.after(CADENCE.interval_seconds + 0.1)
            assert await world.weights() == {"rs1": 100, "rs2": 100}

    run_virtual(main())


def test_a_drain_by_a_check_is_in_the_table_a_moment_after_the_check() -> None:
    async def main() -> None:
        async with World(config(service(destinations=destinations(1)))) as world:
            await world.after(5)
            world.runner.results["rs1"] = NOT_FOUND
            starts = len(world.runner.starts)
            while len(world.runner.starts) == starts:
                await world.after(0.01)
            await world.after(0.05)
            assert await world.weights() == {"rs1": 0}

    run_virtual(main())


def test_the_noise_of_response_times_is_not_written_to_the_table() -> None:
    async def main() -> None:
        table = Counting()
        slow = msgspec.structs.replace(CHECK, check=TcpCheck(slow=0.5))
        async with World(config(service(checks=(slow,))), table=table) as world:
            await world.after(10)
            before = table.writes
            for ratio in (None, 0.8, None, 0.7, 0.9, None, None, 0.8) * 20:
                world.runner.results["rs1"] = CheckResult(Outcome.PASS, "", "connected", 0.01, ratio)
                await world.after(CADENCE.interval_seconds)
            assert table.writes - before <= 2
            for _ in range(60):
                world.runner.results["rs1"] = CheckResult(Outcome.PASS, "", "connected", 0.01, 0.3)
                await world.after(CADENCE.interval_seconds)
            assert (await world.weights() or {})["rs1"] == pytest.approx(30, abs=4)
            assert table.writes - before <= 20

    run_virtual(main())


def test_a_restart_keeps_a_weight_that_a_check_has_asked_for() -> None:
    async def main() -> None:
        table = MemoryTable()
        for _ in range(2):
            async with World(config(), table=table) as world:
                world.runner.results["rs1"] = HALF
                await world.after(10)
                assert await world.weights() == {"rs1": 50, "rs2": 100}
        assert world.messages("weight") == []

    run_virtual(main())


def several(must_pass: int | None) -> ServiceConfig:
    checks = tuple(
        CheckConfig(name=name, check=check, cadence=CADENCE)
        for name, check in (("tcp", TcpCheck()), ("tcp#2", TcpCheck(port=25)), ("tcp#3", TcpCheck(port=26)))
    )
    return service(checks=checks, must_pass=must_pass, destinations=destinations(1))


class Ports(World):
    """A world whose checks of one destination have results of their own, by the port that they check."""

    def __init__(self, wanted: ServiceConfig) -> None:
        super().__init__(config(wanted))
        start = self.runner.start
        self.failing: set[int] = set()

        def start_at(check: TcpCheck, target: object, *others: object) -> object:
            port = check.port or 80
            check_of_port = type("Named", (), {"name": f"tcp:{port}"})()
            self.runner.results[f"web/rs1/tcp:{port}"] = REFUSED if port in self.failing else PASS
            return start(check_of_port, target, *others)  # type: ignore[arg-type]

        self.runner.start = start_at  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize(
    ("must_pass", "failing", "there"),
    [
        (None, {25}, False),
        (1, {25, 26}, True),
        (1, {80, 25, 26}, False),
        (2, {26}, True),
        (2, {25, 26}, False),
    ],
)
def test_a_destination_is_there_while_enough_of_its_checks_pass(
    must_pass: int | None, failing: set[int], *, there: bool
) -> None:
    async def main() -> None:
        async with Ports(several(must_pass)) as world:
            await world.after(5)
            world.failing = failing
            await world.after(10)
            assert await world.weights() == ({"rs1": 100} if there else {})
            refused = "failed 3 of 3: refused (nobody listens)"
            if must_pass == 2:
                why = world.why("rs1")
                assert why == (
                    f"up; weight 100 of base 100; tcp#3 check {refused}"
                    if there
                    else f"down, removed: 2 of 3 checks must pass: tcp#2 check {refused}; tcp#3 check {refused}"
                )

    run_virtual(main())


def depending(*names: str) -> CheckConfig:
    return msgspec.structs.replace(CHECK, depends_on=tuple(Dependency(*name.split("/")) for name in names))


def chain() -> tuple[ServiceConfig, ...]:
    """Return web, which depends on app, which depends on db; each with a destination or two of its own."""
    return (
        service(checks=(depending("app"),)),
        service(name="app", key=APP_KEY, checks=(depending("db/rs5"),), destinations=destinations(3, 4)),
        service(name="db", key=DB_KEY, destinations=destinations(5)),
    )


async def whole(world: World) -> dict[str, int]:
    """Return all weights in the table."""
    found: dict[str, int] = {}
    for key in await world.table.read():
        found |= await world.weights(key) or {}
    return found


def test_when_the_database_dies_what_depends_on_it_stays_and_the_rest_of_the_world_is_told() -> None:
    async def main() -> None:
        async with World(config(*chain())) as world:
            await world.after(10)
            healthy = await whole(world)
            assert healthy == {f"rs{number}": 100 for number in range(1, 6)}
            world.runner.results = {f"rs{number}": REFUSED for number in range(1, 6)}
            for _ in range(60):
                await world.after(1)
                assert {**(await whole(world)), "rs5": 100} == healthy
            assert "rs5" not in await whole(world)
            down = "tcp check failed 3 of 3: refused (nobody listens)"
            assert world.why("rs1").startswith(
                "up; weight 100 of base 100; tcp check fails, which does not count: refused (nobody listens), and app, "
                "which it depends on, may be down: tcp check fails, which does not count: refused ("
            )
            assert any(
                message.startswith("rs3 in app: tcp check fails, which does not count: refused (nobody listens), and ")
                for message in world.messages("held")
            )
            app = world.director.snapshot().services[1].destinations[0].checks[0]
            assert (app.outcome, app.reason) == (Outcome.UNKNOWN, "dependency")
            assert app.detail == f"refused (nobody listens), and db/rs5, which it depends on, is down: {down}"
            world.runner.results = {}
            await world.after(20)
            assert await whole(world) == healthy
            assert "rs1 in web: tcp check counts again" in world.messages("held")
            assert [message for message in world.messages("removed") if "rs5" not in message] == []

    run_virtual(main())


def test_what_fails_by_itself_is_removed_all_the_same() -> None:
    async def main() -> None:
        async with World(config(*chain())) as world:
            await world.after(10)
            world.runner.results = {"rs1": REFUSED, "rs3": REFUSED}
            await world.after(10)
            assert sorted(await whole(world)) == ["rs2", "rs4", "rs5"]

    run_virtual(main())


def test_at_a_start_into_a_failure_nobody_is_removed_before_the_database_was_asked() -> None:
    async def main() -> None:
        table = MemoryTable()
        wanted = config(*chain())
        async with World(wanted, table=table) as world:
            await world.after(10)
        async with World(wanted, table=table) as world:
            world.runner.results = {f"rs{number}": REFUSED for number in range(1, 6)}
            await world.after(60)
            assert sorted(await whole(world)) == ["rs1", "rs2", "rs3", "rs4"]

    run_virtual(main())


def test_a_reload_changes_what_a_check_depends_on_and_keeps_its_health() -> None:
    async def main() -> None:
        async with World(config(*chain())) as world:
            await world.after(10)
            world.runner.results = {"rs1": REFUSED, "rs5": REFUSED, "rs3": REFUSED, "rs4": REFUSED}
            await world.after(20)
            assert "rs1" in await whole(world)
            _, *others = chain()
            world.config = config(service(), *others)
            await world.director.reload()
            await world.after(10)
            assert sorted(await whole(world)) == ["rs2", "rs3", "rs4"]

    run_virtual(main())


def test_a_check_of_two_services_at_one_place_runs_once_and_both_follow() -> None:
    async def main() -> None:
        async with World(config(service(), service(name="tls", key=APP_KEY))) as world:
            await world.after(10)
            assert await world.weights() == await world.weights(APP_KEY) == {"rs1": 100, "rs2": 100}
            starts = len(world.runner.starts)
            await world.after(20)
            assert len(world.runner.starts) - starts == 20
            world.runner.results["rs1"] = REFUSED
            await world.after(10)
            assert await world.weights() == await world.weights(APP_KEY) == {"rs2": 100}

    run_virtual(main())


def test_a_check_is_told_the_base_weight_and_the_address_of_its_service() -> None:
    marked = service(name="ftp", key=ServiceKey.marked(21, Family.IPV4), destinations=destinations(1))
    wanted = config(service(destinations=destinations(1, base_weight=50)), marked)
    targets = {key.service: probe.target for key, probe in _probes(wanted, {})}
    assert (targets["web"].base_weight, targets["web"].vip) == (50, Endpoint("192.0.2.10", 80))
    assert (targets["ftp"].base_weight, targets["ftp"].vip) == (100, None)
    assert (targets["web"].service, targets["web"].destination) == ("web", "rs1")


def test_equalize_goes_on_from_a_hint_and_writes_nothing_while_nothing_changes() -> None:
    async def main() -> None:
        table = Counting()
        policy = WeightsConfig(policy="equalize")
        async with World(config(service(weights=policy)), table=table) as world:
            world.runner.results["rs1"] = HALF
            await world.after(10)
            assert await world.weights() == {"rs1": 50, "rs2": 100}
            before: TableState = await table.read()
            writes = table.writes
            await world.after(120)
            assert table.writes == writes
            assert await table.read() == before

    run_virtual(main())
