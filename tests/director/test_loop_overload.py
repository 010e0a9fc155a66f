"""Overload in a whole director in virtual time: what is told, what is shown, and what stands in the table."""

from feedback.director.config import OverflowConfig, ServiceConfig, WeightsConfig
from feedback.director.link import Link
from feedback.model import Endpoint, Forwarding
from feedback.testing import run_virtual
from tests.director.fluid import OVERFLOW, SPARE
from tests.director.world import REFUSED, WEB, World, config, destinations, service


def overflowing(**fields: object) -> ServiceConfig:
    return service(**({"overflow": OVERFLOW, "weights": WeightsConfig(response_seconds=4.0)} | fields))


async def loaded(world: World, links: list[Link], utilization: float, seconds: int) -> None:
    for _ in range(seconds):
        for link in links:
            world.report(link, {"cpu": utilization})
        await world.after(1)


def test_overload_is_told_when_it_begins_and_ends_and_shown_meanwhile() -> None:
    async def main() -> None:
        async with World(config(overflowing(overflow=None))) as world:
            await world.after(5)
            links = [world.connect("rs1"), world.connect("rs2")]
            await loaded(world, links, 0.5, 30)
            assert world.messages("overload") == []
            await loaded(world, links, 0.99, 60)
            assert world.messages("overload") == [
                "web is overloaded: its destinations' mean utilization is 0.99, the least 0.99"
            ]
            web = world.director.snapshot().services[0]
            assert (web.overloaded, web.overflow, web.overflow_in_table) == (True, None, False)
            assert await world.weights() == {"rs1": 100, "rs2": 100}
            await loaded(world, links, 0.7, 60)
            ended = "web is no longer overloaded: its destinations' mean utilization is 0.7"
            assert world.messages("overload")[-1].startswith(ended)
            assert not world.director.snapshot().services[0].overloaded

    run_virtual(main())


def test_the_overflow_comes_and_goes_with_a_reason() -> None:
    async def main() -> None:
        async with World(config(overflowing())) as world:
            await world.after(5)
            links = [world.connect("rs1"), world.connect("rs2")]
            await loaded(world, links, 0.97, 60)
            added = "overflow added to web at weight 4: its destinations' mean utilization is 0.97, the least 0.97"
            assert added in world.messages("added")
            assert world.director.snapshot().services[0].overflow_in_table
            changed = world.messages("weight")[0]
            assert changed.startswith("overflow in web: weight 4 to 5: its destinations' mean utilization is 0.97")
            world.table.connection_opened(WEB, SPARE)  # type: ignore[attr-defined]
            await loaded(world, links, 0.2, 60)
            web = world.director.snapshot().services[0]
            assert (web.overloaded, web.overflow, web.overflow_in_table) == (False, "10.2.0.99:8080", True)
            assert world.messages("quiesced")[-1].startswith(
                "overflow in web: weight 4 to 0 (quiesced): its destinations"
            )
            world.table.connection_closed(WEB, SPARE)  # type: ignore[attr-defined]
            await loaded(world, links, 0.2, 2)
            assert not world.director.snapshot().services[0].overflow_in_table
            assert world.messages("removed")[-1].startswith("overflow removed from web: its destinations' mean")

    run_virtual(main())


def test_an_overload_that_nobody_reports_any_more_ends_and_says_so() -> None:
    async def main() -> None:
        async with World(config(overflowing())) as world:
            await world.after(5)
            await loaded(world, [world.connect("rs1")], 0.97, 30)
            await world.after(120)
            assert world.messages("overload")[-1] == "web is no longer overloaded: no destination reports its load"
            assert await world.weights() == {"rs1": 100, "rs2": 100}

    run_virtual(main())


def test_a_server_that_is_both_has_the_fallbacks_name_and_its_own_reasons() -> None:
    async def main() -> None:
        async with World(config(overflowing(fallback=SPARE))) as world:
            assert (await world.weights()) == {"rs99": 1}
            assert not world.director.snapshot().services[0].overflow_in_table
            await world.after(5)
            assert world.messages("removed")[-1] == "fallback removed from web: a destination is usable again"
            links = [world.connect("rs1"), world.connect("rs2")]
            await loaded(world, links, 1.0, 60)
            assert "fallback added to web at weight 4: its destinations' mean" in str(world.messages("added")[-1])
            assert world.director.snapshot().services[0].overflow_in_table
            world.runner.results = {"rs1": REFUSED, "rs2": REFUSED}
            await world.after(12)
            assert (await world.weights()) == {"rs99": 1}
            assert world.messages("weight")[-1].endswith("no destination is usable")

    run_virtual(main())


def test_a_reload_that_takes_a_service_away_while_it_is_overloaded_tells_no_end() -> None:
    async def main() -> None:
        async with World(config(overflowing())) as world:
            await world.after(5)
            await loaded(world, [world.connect("rs1")], 0.97, 30)
            world.config = config(service(name="other"))
            await world.director.reload()
            assert len(world.messages("overload")) == 1

    run_virtual(main())


def test_a_reload_changes_thresholds_in_place_and_says_why() -> None:
    async def main() -> None:
        async with World(config()) as world:
            await world.after(5)
            world.config = config(service(destinations=destinations(1, 2, upper_threshold=200)))
            await world.director.reload()
            there = (await world.table.read())[WEB].destinations.values()
            assert {(one.weight, one.upper_threshold, one.lower_threshold) for one in there} == {(100, 200, 0)}
            assert world.messages("changed") == [
                f"rs{number} in web: connections upper 200: as configured" for number in (1, 2)
            ]

    run_virtual(main())


def test_a_reload_that_moves_the_overflow_brings_the_new_one_before_the_old_one_goes() -> None:
    async def main() -> None:
        async with World(config(overflowing())) as world:
            await world.after(5)
            links = [world.connect("rs1"), world.connect("rs2")]
            await loaded(world, links, 1.0, 60)
            moved = OverflowConfig(key=Endpoint("10.2.0.98", 8080), forwarding=Forwarding.MASQUERADE)
            world.config = config(overflowing(overflow=moved))
            await world.director.reload()
            weights = await world.weights() or {}
            assert weights["rs98"] > 100
            assert "rs99" not in weights

    run_virtual(main())
