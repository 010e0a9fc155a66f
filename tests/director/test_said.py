"""What agents have found of their hosts: when it is heeded, and what becomes of it in the table."""

from collections.abc import Coroutine, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.agents import SAID_HOLD_SECONDS
from feedback.director.controller import Facts
from feedback.director.hints import Wish
from feedback.director.said import Said, heed
from feedback.model import Admin, CheckResult, Destination, Endpoint, Forwarding, Health, Outcome, ServiceState
from feedback.model import VirtualService as Service
from feedback.report import HostState, Report, encode
from feedback.testing import run_virtual
from tests.director.world import PASS, REFUSED, WEB, World, at, config, destinations, service

UP = Facts(health=Health.UP)
GONE = Said(HostState.DOWN, "nobody listens on TCP port 80")
HOT = Said(HostState.DRAIN, "cpu is 0.97, drain_above is 0.95")
FALLBACK = Endpoint("127.0.0.1", 8080)


def table(**weights: int) -> ServiceState:
    kept = {at(int(name[2:])): weight for name, weight in weights.items()}
    return ServiceState(
        Service(WEB, "wlc"), {key: Destination(key, Forwarding.MASQUERADE, weight) for key, weight in kept.items()}
    )


def heeded(
    said: Mapping[str, Said],
    facts: Mapping[str, Facts] | None = None,
    observed: ServiceState | None = None,
    **fields: Any,
) -> dict[str, Facts]:
    """Return the facts about rs1 to rs3 with what their hosts say. They are up and serve unless said otherwise."""
    names = destinations(1, 2, 3)
    plain = dict.fromkeys(names, UP) | dict(facts or {})
    return heed(service(destinations=names, **fields), plain, said, observed or table(rs1=1, rs2=1, rs3=1))


def test_a_host_that_is_down_by_its_own_word_is_as_if_a_check_had_failed() -> None:
    facts = heeded({"rs1": GONE})
    assert facts["rs1"] == Facts(health=Health.DOWN, reason="its host says down (nobody listens on TCP port 80)")
    assert facts["rs2"] == facts["rs3"] == UP


def test_a_host_that_asks_to_be_drained_is_and_its_checks_are_left_alone() -> None:
    facts = heeded({"rs1": HOT}, {"rs1": Facts(health=Health.DOWN, reason="refused")})
    assert facts["rs1"] == Facts(health=Health.DOWN, reason="refused", asks="drain", asks_why=HOT.why)


def test_where_the_checks_say_down_already_their_reason_stays() -> None:
    failed = Facts(health=Health.DOWN, reason="refused")
    assert heeded({"rs1": GONE}, {"rs1": failed})["rs1"] == failed


def test_where_the_host_drains_or_says_goodbye_anyway_that_stays() -> None:
    leaving = Facts(health=Health.UP, asks="goodbye")
    assert heeded({"rs1": HOT}, {"rs1": leaving})["rs1"] == leaving


@pytest.mark.parametrize("said", [GONE, HOT])
def test_the_last_ones_are_not_taken_out_by_what_agents_find(said: Said) -> None:
    facts = heeded(dict.fromkeys(("rs1", "rs2", "rs3"), said))
    assert {one.health for one in facts.values()} == {Health.UP}
    assert {one.asks for one in facts.values()} == {"ready"}
    assert facts["rs1"].doubt == f"its host says {said}, which too few others allow to heed"


def test_a_fallback_takes_the_place_of_the_last_that_is_down_but_not_of_one_that_is_busy() -> None:
    down = heeded(dict.fromkeys(("rs1", "rs2", "rs3"), GONE), fallback=FALLBACK)
    assert {one.health for one in down.values()} == {Health.DOWN}
    busy = heeded(dict.fromkeys(("rs1", "rs2", "rs3"), HOT), fallback=FALLBACK)
    assert {one.asks for one in busy.values()} == {"ready"}


@pytest.mark.parametrize("said", [GONE, HOT])
def test_min_healthy_bounds_how_many_may_go(said: Said) -> None:
    one = heeded({"rs1": said}, min_healthy_ratio=0.6)["rs1"]
    assert one.health is Health.DOWN or one.asks == "drain"
    two = heeded({"rs1": said, "rs2": said}, min_healthy_ratio=0.6, fallback=FALLBACK)
    assert [two[name].doubt != "" for name in ("rs1", "rs2", "rs3")] == [True, True, False]


def test_who_does_not_serve_and_is_down_does_not_come_back_for_want_of_others() -> None:
    facts = heeded(dict.fromkeys(("rs1", "rs2", "rs3"), GONE), observed=table(rs2=0, rs3=1))
    assert [facts[name].health for name in ("rs1", "rs2", "rs3")] == ["down", "down", "up"]


@pytest.mark.parametrize(
    ("other", "serves"),
    [
        (Facts(health=Health.DOWN), False),
        (Facts(health=Health.UP, admin=Admin.DRAIN), False),
        (Facts(health=Health.UP, asks="drain"), False),
        (Facts(health=Health.UP, wish=Wish("http", 0.0)), False),
        (Facts(health=Health.UP, wish=Wish("http", 0.5)), True),
        (Facts(health=Health.UNKNOWN), True),
    ],
)
def test_only_others_that_serve_count(other: Facts, serves: bool) -> None:
    facts = heeded({"rs1": GONE}, {"rs2": other, "rs3": other})
    assert (facts["rs1"].health is Health.DOWN) is serves


def test_what_is_unknown_and_not_in_the_table_does_not_serve() -> None:
    unknown = Facts(health=Health.UNKNOWN)
    facts = heeded({"rs1": GONE}, {"rs2": unknown, "rs3": unknown}, observed=table(rs1=1, rs2=0))
    assert facts["rs1"].health is Health.UP


def test_where_nobody_serves_at_all_the_checks_alone_decide() -> None:
    plain = dict.fromkeys(destinations(1, 2), UP)
    facts = heed(service(), plain, dict.fromkeys(plain, GONE), None)
    assert {one.health for one in facts.values()} == {Health.UP}


healths = st.sampled_from(Health)


@given(st.lists(st.tuples(healths, st.sampled_from([None, GONE, HOT]), st.integers(0, 2)), min_size=1, max_size=5))
def test_of_those_whose_checks_pass_one_at_least_may_serve(hosts: list[tuple[Health, Said | None, int]]) -> None:
    numbers = range(1, len(hosts) + 1)
    facts = {f"rs{number}": Facts(health=hosts[number - 1][0]) for number in numbers}
    said = {f"rs{number}": one for number in numbers if (one := hosts[number - 1][1]) is not None}
    observed = table(**{f"rs{number}": hosts[number - 1][2] for number in numbers})
    after = heed(service(destinations=destinations(*numbers)), facts, said, observed)
    before = [name for name, one in facts.items() if one.health is Health.UP]
    serving = [name for name, one in after.items() if one.asks == "ready" and one.health is not Health.DOWN]
    assert serving or not before


def run(story: Coroutine[Any, Any, None]) -> None:
    run_virtual(story)


def say(world: World, link: Any, said: Said) -> None:
    """Report a state, and let the director look where it matters."""
    if world.agents.hear(link, encode(Report({}, state=said.state, why=said.why)), world.now()).matters:
        world.director.wake()


def test_a_host_that_is_down_is_out_of_the_table_at_once_and_back_by_its_word() -> None:
    async def story() -> None:
        async with World(config()) as world:
            link = world.connect("rs1")
            say(world, link, Said())
            await world.after(3.3)
            say(world, link, GONE)
            await world.after(0.01)
            assert await world.weights() == {"rs2": 100}
            assert world.why("rs1") == "down, removed: its host says down (nobody listens on TCP port 80)"
            assert "agent rs1 says that its host is down (nobody listens on TCP port 80)" in world.messages("agent")
            assert "its host says down" in world.messages("removed")[-1]
            say(world, link, Said())
            await world.after(0.01)
            assert (await world.weights() or {}).keys() == {"rs1", "rs2"}

    run(story())


def test_the_word_of_a_host_never_overrides_failing_checks() -> None:
    async def story() -> None:
        async with World(config()) as world:
            link = world.connect("rs1")
            say(world, link, GONE)
            world.runner.results["rs1"] = REFUSED
            await world.after(10)
            say(world, link, Said())
            await world.after(1.5)
            assert await world.weights() == {"rs2": 100}
            assert "tcp check failed 3 of 3" in world.why("rs1")

    run(story())


def test_a_host_that_asks_to_be_drained_keeps_its_place_at_weight_0() -> None:
    async def story() -> None:
        async with World(config()) as world:
            link = world.connect("rs1")
            say(world, link, HOT)
            await world.after(1.5)
            assert await world.weights() == {"rs1": 0, "rs2": 100}
            assert world.why("rs1") == "drained by its host (cpu is 0.97, drain_above is 0.95): 0 connections left"

    run(story())


def test_a_host_that_is_down_is_quiesced_where_failures_quiesce() -> None:
    async def story() -> None:
        async with World(config(service(on_failure="quiesce"))) as world:
            say(world, world.connect("rs1"), GONE)
            await world.after(1.5)
            assert await world.weights() == {"rs1": 0, "rs2": 100}

    run(story())


def test_an_agent_that_falls_silent_is_believed_for_a_while_and_then_its_checks_decide() -> None:
    async def story() -> None:
        async with World(config()) as world:
            link = world.connect("rs1")
            say(world, link, GONE)
            await world.after(5)
            world.agents.lose(link, "reset", world.now())
            await world.after(SAID_HOLD_SECONDS - 7)
            assert await world.weights() == {"rs2": 100}
            await world.after(4)
            assert (await world.weights() or {}).keys() == {"rs1", "rs2"}
            assert (
                "agent rs1 said that its host is down (nobody listens on TCP port 80), and reports no more: "
                "its checks alone decide"
            ) in world.messages("agent")

    run(story())


def test_the_last_destination_stays_until_its_own_checks_fail() -> None:
    async def story() -> None:
        async with World(config(service(destinations=destinations(1)))) as world:
            say(world, world.connect("rs1"), GONE)
            await world.after(1.5)
            assert await world.weights() == {"rs1": 100}
            assert "too few others allow to heed" in world.why("rs1")
            world.runner.results["rs1"] = CheckResult(Outcome.FAIL, "refused", "", 0.01)
            await world.after(10)
            assert await world.weights() == {}

    run(story())


def test_a_director_that_starts_anew_leaves_out_who_was_down_until_the_agent_is_back() -> None:
    async def story() -> None:
        async with World(config()) as world:
            say(world, world.connect("rs1"), GONE)
            await world.after(3.5)
            kept = world.table
        async with World(config(), table=kept) as world:
            await world.after(0.3)
            assert await world.weights() == {"rs2": 100}
            world.runner.results["rs1"] = PASS
            say(world, world.connect("rs1"), GONE)
            await world.after(20)
            assert await world.weights() == {"rs2": 100}

    run(story())
