"""The whole director in virtual time: what comes to stand in the table, when, and what is told of it."""

import asyncio
import itertools
from pathlib import Path

import pytest

from feedback.director.config import DirectorConfig, WeightsConfig
from feedback.director.control import UnknownNameError
from feedback.director.loop import TICK_SECONDS
from feedback.director.plan import AddDestination, AddService, DeleteDestination, DeleteService, SetDestination
from feedback.director.state_file import StateError
from feedback.director.table.contract import Refusal
from feedback.director.table.memory import MemoryTable
from feedback.errors import ConfigError, TableError
from feedback.model import (
    Admin,
    CheckResult,
    Destination,
    Endpoint,
    Forwarding,
    Outcome,
    ServiceKey,
    TableState,
    Transport,
    VirtualService,
)
from feedback.report import Goodbye, SetWish, Wish, encode
from feedback.testing import run_virtual
from tests.director.world import BUG, CADENCE, PASS, REFUSED, WEB, World, at, config, destinations, service

FALLBACK = Endpoint("127.0.0.1", 8080)
OTHERS = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.99", 25))
FALL_SECONDS = CADENCE.interval_seconds + CADENCE.fall * CADENCE.fast_interval_seconds + TICK_SECONDS


def test_destinations_come_in_when_their_checks_pass() -> None:
    async def main() -> None:
        async with World(config()) as world:
            assert await world.weights() == {}
            await world.after(3)
            assert await world.weights() == {"rs1": 100, "rs2": 100}
            assert "rs1 added to web at weight 100: its checks pass" in world.messages("added")

    run_virtual(main())


def test_a_destination_that_never_passed_does_not_come_in() -> None:
    async def main() -> None:
        async with World(config()) as world:
            world.runner.results["rs2"] = REFUSED
            await world.after(30)
            assert await world.weights() == {"rs1": 100}
            assert world.why("rs2") == "down, removed: tcp check failed 3 of 3: refused (nobody listens)"

    run_virtual(main())


def test_a_failing_destination_leaves_in_time_and_returns_after_rise_checks() -> None:
    async def main() -> None:
        async with World(config()) as world:
            await world.after(5)
            world.runner.results["rs1"] = REFUSED
            await world.after(FALL_SECONDS)
            assert await world.weights() == {"rs2": 100}
            assert world.messages("removed") == [
                "rs1 removed from web: tcp check failed 3 of 3: refused (nobody listens)"
            ]
            world.runner.results["rs1"] = PASS
            starts = len([name for _, name in world.runner.starts if name == "rs1"])
            await world.after(FALL_SECONDS)
            assert await world.weights() == {"rs1": 100, "rs2": 100}
            assert len([name for _, name in world.runner.starts if name == "rs1"]) - starts >= CADENCE.rise

    run_virtual(main())


def test_checks_go_faster_while_they_contradict_the_health() -> None:
    async def main() -> None:
        async with World(config(service(destinations=destinations(1)))) as world:
            await world.after(5)
            world.runner.results["rs1"] = REFUSED
            await world.after(10)
            times = [time for time, _ in world.runner.starts]
            gaps = [round(after - before, 1) for before, after in itertools.pairwise(times)]
            assert gaps[:2] == pytest.approx([2.0, 2.0], abs=0.15)
            assert [gap for gap in gaps if gap == 0.5] == [0.5, 0.5]
            assert gaps[-1] == pytest.approx(2.0, abs=0.15)

    run_virtual(main())


def test_a_check_that_takes_longer_than_its_interval_never_runs_twice_at_once() -> None:
    async def main() -> None:
        async with World(config()) as world:
            slow = PASS.__class__(Outcome.PASS, "", "at last", 5.0)
            world.runner.results = {"rs1": slow, "rs2": slow}
            await world.after(60)
            assert len(world.runner.starts) == pytest.approx(2 * 60 / 6, abs=2)

    run_virtual(main())


def test_a_bug_in_a_check_removes_nothing() -> None:
    async def main() -> None:
        async with World(config()) as world:
            await world.after(5)
            world.runner.results = {"rs1": BUG, "rs2": BUG}
            await world.after(60)
            assert await world.weights() == {"rs1": 100, "rs2": 100}
            assert world.prober.counts["tcp", "unknown"] > 10

    run_virtual(main())


def test_quiesce_instead_of_remove() -> None:
    async def main() -> None:
        async with World(config(service(on_failure="quiesce"))) as world:
            await world.after(5)
            world.runner.results["rs1"] = REFUSED
            await world.after(FALL_SECONDS)
            assert await world.weights() == {"rs1": 0, "rs2": 100}
            assert "rs1 in web: weight 100 to 0 (quiesced): tcp check failed 3 of 3: refused (nobody listens)" in (
                world.messages("quiesced")
            )

    run_virtual(main())


def test_the_fallback_is_there_exactly_while_nothing_else_is() -> None:
    async def main() -> None:
        async with World(config(service(fallback=FALLBACK))) as world:
            assert FALLBACK in (await world.table.read())[WEB].destinations
            assert world.director.snapshot().services[0].fallback_in_table
            await world.after(5)
            assert FALLBACK not in (await world.table.read())[WEB].destinations
            world.runner.results = {"rs1": REFUSED, "rs2": REFUSED}
            await world.after(2 * FALL_SECONDS)
            assert list((await world.table.read())[WEB].destinations) == [FALLBACK]
            assert "fallback added to web at weight 1: no destination is usable" in world.messages("added")
            world.runner.results = {}
            await world.after(2 * FALL_SECONDS)
            assert await world.weights() == {"rs1": 100, "rs2": 100}
            assert world.messages("removed")[-1] == "fallback removed from web: a destination is usable again"

    run_virtual(main())


def test_min_healthy_keeps_failing_destinations_and_says_so_once() -> None:
    async def main() -> None:
        four = service(destinations=destinations(1, 2, 3, 4), min_healthy_ratio=0.5)
        async with World(config(four)) as world:
            await world.after(5)
            world.runner.results = {f"rs{number}": REFUSED for number in (1, 2, 3, 4)}
            await world.after(20)
            assert len(await world.weights() or {}) >= 2
            assert world.messages("panic") == [
                "web: fewer than 50% of its destinations are healthy, so failing ones are kept"
            ]
            world.runner.results = {}
            await world.after(20)
            assert await world.weights() == {f"rs{number}": 100 for number in (1, 2, 3, 4)}
            assert world.messages("panic")[1:] == ["web: enough of its destinations are healthy again"]

    run_virtual(main())


def test_what_min_healthy_has_kept_is_not_removed_by_the_recovery_of_the_others() -> None:
    async def main() -> None:
        ten = service(
            destinations=destinations(*range(1, 11)),
            min_healthy_ratio=0.5,
            weights=WeightsConfig(policy="static", slow_start_seconds=30),
        )
        async with World(config(ten)) as world:
            await world.after(5)
            world.runner.results = {f"rs{number}": REFUSED for number in range(1, 11)}
            await world.after(20)
            kept = await world.weights() or {}
            assert 5 <= len(kept) < 10
            world.runner.results = {}
            removed = len(world.messages("removed"))
            for _ in range(100):
                await world.after(0.1)
                assert (
                    kept.items() <= (await world.weights() or {}).items()
                )  # at their weights: they have served all along
            assert len(await world.weights() or {}) == 10
            assert len(world.messages("removed")) == removed

    run_virtual(main())


def test_what_min_healthy_has_kept_is_removed_when_it_fails_again_after_the_others_have_recovered() -> None:
    async def main() -> None:
        four = service(destinations=destinations(1, 2, 3, 4), min_healthy_ratio=0.5)
        async with World(config(four)) as world:
            await world.after(5)
            world.runner.results = {f"rs{number}": REFUSED for number in (1, 2, 3, 4)}
            await world.after(20)
            kept = sorted(await world.weights() or {})
            world.runner.results = {kept[0]: REFUSED}
            await world.after(20)
            assert await world.weights() == {f"rs{number}": 100 for number in (1, 2, 3, 4) if f"rs{number}" != kept[0]}

    run_virtual(main())


def test_what_another_hand_does_is_mended_at_the_next_tick_and_told() -> None:
    async def main() -> None:
        async with World(config()) as world:
            await world.after(5)
            await world.table.apply([SetDestination(WEB, Destination(at(1), Forwarding.MASQUERADE, 5))])
            await world.table.apply([DeleteDestination(WEB, at(2))])
            await world.table.apply([AddDestination(WEB, Destination(at(9), Forwarding.MASQUERADE, 5))])
            await world.after(TICK_SECONDS + 0.1)
            assert await world.weights() == {"rs1": 100, "rs2": 100}
            told = world.messages()[-3:]
            assert "rs1 in web: weight 5 to 100: another hand had changed it" in told
            assert "rs2 added to web at weight 100: another hand had removed it" in told
            assert "10.2.0.9:8080 removed from web: another hand had added it" in told
            await world.table.apply([DeleteService(WEB)])
            await world.after(TICK_SECONDS + 0.1)
            assert await world.weights() == {"rs1": 100, "rs2": 100}
            assert "web added: tcp 192.0.2.10:80 wlc: another hand had deleted it" in world.messages("added")

    run_virtual(main())


@pytest.mark.parametrize("result", [BUG, REFUSED], ids=["unknown", "kept by min_healthy"])
def test_what_is_held_is_mended_too(result: CheckResult) -> None:
    async def main() -> None:
        held = {"rs1": 100, "rs2": 100}
        wanted = config(service(min_healthy_ratio=1.0))
        table = MemoryTable()
        async with World(wanted, table=table) as world:
            await world.after(5)
        async with World(wanted, table=table) as world:
            world.runner.results = {"rs1": result, "rs2": result}
            await world.after(20)
            assert await world.weights() == held
            await table.apply([SetDestination(WEB, Destination(at(1), Forwarding.MASQUERADE, 5))])
            await table.apply([DeleteDestination(WEB, at(2))])
            await world.after(TICK_SECONDS + 0.1)
            assert await world.weights() == held
            await table.apply([DeleteService(WEB)])
            await world.after(TICK_SECONDS + 0.1)
            assert await world.weights() == held

    run_virtual(main())


def test_services_of_others_are_left_alone_from_beginning_to_end() -> None:
    async def main() -> None:
        table = MemoryTable()
        await table.apply([AddService(VirtualService(OTHERS, "rr"))])
        await table.apply([AddDestination(OTHERS, Destination(at(7), Forwarding.DIRECT, 3))])
        before = (await table.read())[OTHERS]
        async with World(config(), table=table) as world:
            await world.after(5)
            await world.director.clear()
            assert await world.table.read() == {OTHERS: before}

    run_virtual(main())


def test_drain_quiesces_at_once_and_enable_brings_back() -> None:
    async def main() -> None:
        async with World(config()) as world:
            await world.after(5)
            await world.director.set_admin("web", "rs1", Admin.DRAIN)
            assert await world.weights() == {"rs1": 0, "rs2": 100}
            assert world.why("rs1") == "drained by the operator: 0 connections left"
            await world.director.set_admin("web", "rs1", Admin.ENABLED)
            assert await world.weights() == {"rs1": 100, "rs2": 100}
            assert world.messages("admin") == [
                "rs1 in web: drain by the operator",
                "rs1 in web: enabled by the operator",
            ]

    run_virtual(main())


def test_the_same_word_twice_is_told_once() -> None:
    async def main() -> None:
        async with World(config()) as world:
            await world.after(5)
            await world.director.set_admin("web", "rs1", Admin.DRAIN)
            await world.director.set_admin("web", "rs1", Admin.DRAIN)
            assert world.messages("admin") == ["rs1 in web: drain by the operator"]

    run_virtual(main())


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("mail", "rs1"), 'there is no service "mail"; there are: web'),
        (("web", "rs9"), 'there is no destination "rs9" in web; there are: rs1, rs2'),
    ],
)
def test_unknown_names_are_refused_with_those_there_are(names: tuple[str, str], sentence: str) -> None:
    async def main() -> None:
        async with World(config()) as world:
            with pytest.raises(UnknownNameError) as caught:
                await world.director.set_admin(*names, Admin.DRAIN)
            assert str(caught.value) == sentence

    run_virtual(main())


def test_a_restart_changes_nothing_in_the_table_and_keeps_admin_states(tmp_path: Path) -> None:
    path = tmp_path / "director.state"
    wanted = config(service(destinations=destinations(1, 2, 3)), state_file=str(path))

    async def main() -> None:
        table = MemoryTable()
        async with World(wanted, table=table, state=path) as world:
            world.runner.results["rs3"] = REFUSED
            await world.after(10)
            await world.director.set_admin("web", "rs2", Admin.DRAIN)
        before = await table.read()
        async with World(wanted, table=table, state=path) as world:
            world.runner.results["rs3"] = REFUSED
            for _ in range(60):
                assert await table.read() == before
                await world.after(0.25)
            assert world.director.snapshot().services[0].destinations[1].admin is Admin.DRAIN
            assert world.messages("added") + world.messages("weight") == []

    run_virtual(main())


def test_a_destination_that_was_out_before_the_restart_needs_rise_checks() -> None:
    wanted = config()

    async def main() -> None:
        table = MemoryTable()
        async with World(wanted, table=table) as world:
            world.runner.results["rs1"] = REFUSED
            await world.after(10)
        async with World(wanted, table=table) as world:
            while await world.weights() == {"rs2": 100}:
                await world.after(0.05)
            assert [name for _, name in world.runner.starts].count("rs1") == CADENCE.rise

    run_virtual(main())


def test_services_that_left_the_configuration_while_the_director_was_down_are_deleted(tmp_path: Path) -> None:
    path = tmp_path / "director.state"
    mail = service(name="mail", key=ServiceKey.at(Transport.TCP, Endpoint("192.0.2.10", 25)))

    async def main() -> None:
        table = MemoryTable()
        async with World(config(service(), mail, state_file=str(path)), table=table, state=path) as world:
            await world.after(5)
        async with World(config(state_file=str(path)), table=table, state=path) as world:
            assert (await table.read()).keys() == {WEB}
            assert world.messages("removed") == ["tcp 192.0.2.10:25 deleted: it is no longer in the configuration"]

    run_virtual(main())


def test_reload_adds_removes_and_changes_and_leaves_the_rest_alone() -> None:
    mail = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.10", 25))

    async def main() -> None:
        async with World(config(service(destinations=destinations(1, 2, 3)))) as world:
            await world.after(5)
            changed = {**destinations(1), **destinations(2, base_weight=50), **destinations(4)}
            world.config = config(service(destinations=changed), service(name="mail", key=mail))
            await world.director.reload()
            assert await world.weights() == {"rs1": 100, "rs2": 50}
            await world.after(3)
            assert await world.weights() == {"rs1": 100, "rs2": 50, "rs4": 100}
            assert await world.weights(mail) == {"rs1": 100, "rs2": 100}
            assert "configuration reloaded: added mail; changed web" in world.messages("config")
            assert "rs3 removed from web: it is no longer in the configuration" in world.messages("removed")
            world.config = config(service(destinations=changed))
            await world.director.reload()
            assert await world.weights(mail) is None
            assert world.messages("removed")[-1] == "mail deleted: it is no longer in the configuration"
            assert world.director.counts.reloads["done"] == 2

    run_virtual(main())


def test_the_snapshot_is_whole_in_the_middle_of_a_reload() -> None:
    async def main() -> None:
        async with World(config()) as world:
            await world.after(5)
            world.config = config(service(destinations=destinations(1, 2, 3)), service(name="mail", key=OTHERS))
            reload = asyncio.create_task(world.director.reload())
            seen = []
            while not reload.done():
                seen.append([len(one.destinations) for one in world.director.snapshot().services])
                await asyncio.sleep(0)
            assert seen[0] == [2]
            assert len(seen) > 2
            assert [len(one.destinations) for one in world.director.snapshot().services] == [3, 2]

    run_virtual(main())


def test_a_service_that_moves_to_another_address_leaves_the_old_one() -> None:
    moved = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.11", 80))

    async def main() -> None:
        async with World(config()) as world:
            await world.after(5)
            world.config = config(service(key=moved))
            await world.director.reload()
            await world.after(3)
            assert await world.weights() is None
            assert await world.weights(moved) == {"rs1": 100, "rs2": 100}

    run_virtual(main())


def test_a_broken_configuration_is_refused_and_the_old_one_goes_on() -> None:
    async def main() -> None:
        async with World(config()) as world:
            await world.after(5)

            async def broken() -> DirectorConfig:
                raise ConfigError("director.yaml:3: services.web: must be a mapping")

            world.director._load = broken
            with pytest.raises(ConfigError):
                await world.director.reload()
            await world.after(5)
            assert await world.weights() == {"rs1": 100, "rs2": 100}
            assert world.director.counts.reloads["refused"] == 1
            assert "must be a mapping" in world.messages("config")[-1]

    run_virtual(main())


def test_what_only_a_restart_can_change_is_refused_at_reload() -> None:
    async def main() -> None:
        async with World(config()) as world:
            world.config = config(listen=Endpoint("127.0.0.1", 9999))
            with pytest.raises(ConfigError, match=r"director\.listen: can't change while the director runs"):
                await world.director.reload()

    run_virtual(main())


def test_weights_follow_the_agents_reports() -> None:
    async def main() -> None:
        policy = WeightsConfig(policy="availability")
        async with World(config(service(weights=policy))) as world:
            await world.after(5)
            one, two = world.connect("rs1"), world.connect("rs2")
            for _ in range(30):
                world.report(one, {"cpu": 0.8})
                world.report(two, {"cpu": 0.2})
                await world.after(1)
            weights = await world.weights() or {}
            assert weights["rs1"] < weights["rs2"] / 2
            views = world.director.snapshot().services[0].destinations
            assert [view.utilization for view in views] == [0.8, 0.2]

    run_virtual(main())


def test_what_comes_back_is_told_to_come_by_its_checks_and_not_by_its_load() -> None:
    async def main() -> None:
        async with World(config(service(weights=WeightsConfig(policy="availability")))) as world:
            link = world.connect("rs1")
            for result in (PASS, REFUSED, PASS):
                world.runner.results["rs1"] = result
                for _ in range(10):
                    world.report(link, {"cpu": 0.5})
                    await world.after(1)
            told = world.messages("added")[-1]
            assert told.startswith("rs1 added to web at weight ")
            assert told.endswith(": its checks pass")

    run_virtual(main())


def test_another_hand_is_told_of_even_where_the_weight_moves_at_the_same_time() -> None:
    async def main() -> None:
        async with World(config(service(weights=WeightsConfig(policy="availability")))) as world:
            one = world.connect("rs1")
            for _ in range(20):
                world.report(one, {"cpu": 0.2})
                await world.after(1)
            world.report(one, {"cpu": 0.9})
            await world.table.apply([DeleteDestination(WEB, at(1))])
            await world.after(TICK_SECONDS + 0.1)
            assert "another hand had removed it" in world.messages("added")[-1]
            world.report(one, {"cpu": 0.1})
            await world.table.apply([SetDestination(WEB, Destination(at(1), Forwarding.MASQUERADE, 7))])
            await world.after(TICK_SECONDS + 0.1)
            assert "another hand had changed it" in world.messages("weight")[-1]

    run_virtual(main())


def test_a_host_that_says_goodbye_or_asks_is_quiesced_at_once_and_comes_back() -> None:
    async def main() -> None:
        async with World(config()) as world:
            await world.after(5)
            link = world.connect("rs1")
            world.agents.hear(link, encode(Goodbye("SIGTERM")), world.now())
            world.director.wake()
            await world.after(0.05)
            assert await world.weights() == {"rs1": 0, "rs2": 100}
            assert "rs1 in web: weight 100 to 0 (quiesced): host is shutting down" in world.messages("quiesced")
            world.agents.lose(link, "closed", world.now())
            link = world.connect("rs1")
            await world.after(0.05)
            assert await world.weights() == {"rs1": 100, "rs2": 100}
            world.agents.hear(link, encode(SetWish(Wish.DRAIN)), world.now())
            world.director.wake()
            await world.after(0.05)
            assert await world.weights() == {"rs1": 0, "rs2": 100}

    run_virtual(main())


def test_a_hosts_wish_outlives_a_restart_of_the_director(tmp_path: Path) -> None:
    path = tmp_path / "director.state"
    wanted = config(state_file=str(path))

    async def main() -> None:
        table = MemoryTable()
        async with World(wanted, table=table, state=path) as world:
            await world.after(5)
            world.agents.hear(world.connect("rs1"), encode(SetWish(Wish.DRAIN)), world.now())
            await world.after(1.1)
        async with World(wanted, table=table, state=path) as world:
            await world.after(10)
            assert await world.weights() == {"rs1": 0, "rs2": 100}

    run_virtual(main())


class Unreachable(MemoryTable):
    """A table that can be taken away, and that counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = False
        self.refuse = False
        self.tries = 0

    async def read(self) -> TableState:
        if self.gone:
            raise TableError("no answer from the kernel")
        return await super().read()

    async def apply(self, operations: object) -> tuple[Refusal, ...]:
        self.tries += 1
        if self.refuse:
            return tuple(Refusal(one, 12, "Cannot allocate memory") for one in operations)  # type: ignore[attr-defined]
        return await super().apply(operations)  # type: ignore[arg-type]


def test_a_table_that_cannot_be_read_is_told_once_and_work_goes_on_when_it_is_back() -> None:
    async def main() -> None:
        table = Unreachable()
        async with World(config(), table=table) as world:
            await world.after(5)
            assert world.director.trouble() == ""
            table.gone = True
            await world.after(10)
            assert world.director.trouble() == "no answer from the kernel"
            assert world.messages("table") == [
                "the table can't be reached, it stays as it is: no answer from the kernel"
            ]
            table.gone = False
            await world.after(1.1)
            assert world.director.trouble() == ""
            assert world.messages("table")[1:] == ["the trouble with the table is over"]
            assert world.director.counts.reads_failed >= 9

    run_virtual(main())


def test_refused_operations_are_retried_with_patience_and_told() -> None:
    async def main() -> None:
        table = Unreachable()
        async with World(config(service(destinations=destinations(1))), table=table) as world:
            table.refuse = True
            await world.after(30)
            assert 4 <= table.tries <= 8
            assert world.messages("table")[0] == "refused: Cannot allocate memory (errno 12); it is tried again"
            assert world.director.counts.refused["AddDestination", "ENOMEM"] == table.tries - 1
            assert not world.director.snapshot().services[0].destinations[0].in_table
            table.refuse = False
            await world.after(40)
            assert await world.weights() == {"rs1": 100}
            assert world.messages("added")[-1] == "rs1 added to web at weight 100: its checks pass"

    run_virtual(main())


def test_a_service_that_is_refused_is_told_without_each_of_its_destinations() -> None:
    async def main() -> None:
        table = Unreachable()
        table.refuse = True
        async with World(config(), table=table) as world:
            await world.after(30)
            tries = world.director.counts.refused["AddService", "ENOMEM"]
            assert len(world.messages("table")) == tries
            assert world.director.counts.refused["AddDestination", "ENOMEM"] >= tries

    run_virtual(main())


def test_a_state_that_cannot_be_kept_refuses_the_change(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "director.state"
        async with World(config(state_file=str(path)), state=path) as world:
            await world.after(5)
            path.unlink()
            path.mkdir()
            with pytest.raises(StateError, match="can't be written: Is a directory"):
                await world.director.set_admin("web", "rs1", Admin.DRAIN)
            assert await world.weights() == {"rs1": 100, "rs2": 100}
            link = world.connect("rs2")
            world.agents.hear(link, encode(SetWish(Wish.DRAIN)), world.now())
            await world.after(2.5)
            assert len(world.messages("state")) == 1
            path.rmdir()
            await world.after(1.1)
            assert world.messages("state")[1:] == ["the trouble with the state is over"]

    run_virtual(main())


def test_a_returning_destination_is_let_in_slowly_and_the_first_ones_are_not() -> None:
    async def main() -> None:
        policy = WeightsConfig(policy="static", slow_start_seconds=20.0)
        async with World(config(service(weights=policy))) as world:
            await world.after(3)
            assert await world.weights() == {"rs1": 100, "rs2": 100}
            world.runner.results["rs1"] = REFUSED
            await world.after(FALL_SECONDS)
            world.runner.results["rs1"] = PASS
            seen = []
            for _ in range(40):
                await world.after(1)
                seen.append((await world.weights() or {}).get("rs1", 0))
            ramp = [weight for weight in seen if weight]
            assert ramp[0] <= 20
            assert ramp == sorted(ramp)
            assert ramp[-1] == 100
            assert 15 <= len([weight for weight in ramp if weight < 100]) <= 21

    run_virtual(main())


def test_the_status_counts_what_is_up_and_names_what_is_in_the_way() -> None:
    async def main() -> None:
        table = Unreachable()
        async with World(config(), table=table) as world:
            assert world.director.status() == "1 service and 2 destinations, 0 up"
            world.runner.results["rs2"] = REFUSED
            await world.after(5)
            assert world.director.status() == "1 service and 2 destinations, 1 up"
            table.gone = True
            await world.after(2)
            assert world.director.status() == "1 service and 2 destinations, 1 up; no answer from the kernel"

    run_virtual(main())


class Hanging(MemoryTable):
    """A table that does not come to an end of a read while it is `stuck`."""

    stuck = False

    async def read(self) -> TableState:
        if self.stuck:
            await asyncio.sleep(3600)
        return await super().read()


def test_a_tick_that_hangs_is_late_and_one_that_only_fails_is_not() -> None:
    async def main() -> None:
        hanging, unreachable = Hanging(), Unreachable()
        async with World(config(), table=unreachable) as world:
            unreachable.gone = True
            await world.after(30)
            assert world.director.late_seconds() <= 0
        async with World(config(), table=hanging) as world:
            await world.after(30)
            assert world.director.late_seconds() <= 0
            hanging.stuck = True
            await world.after(30)
            assert world.director.late_seconds() == pytest.approx(29, abs=TICK_SECONDS)

    run_virtual(main())


def test_the_snapshot_has_everything_the_api_shows() -> None:
    async def main() -> None:
        async with World(config(service(fallback=FALLBACK))) as world:
            before = world.director.snapshot().services[0].destinations[0]
            assert (before.checks[0].outcome, before.checks[0].detail) == (Outcome.UNKNOWN, "")
            await world.after(5)
            web = world.director.snapshot().services[0]
            assert (web.address, web.protocol, web.fallback, web.fallback_in_table) == (
                "192.0.2.10:80",
                "tcp",
                "127.0.0.1:8080",
                False,
            )
            rs1 = web.destinations[0]
            assert (rs1.in_table, rs1.weight, rs1.base_weight, rs1.agent) == (True, 100, 100, "absent")
            assert rs1.checks[0].detail == "connected"

    run_virtual(main())
