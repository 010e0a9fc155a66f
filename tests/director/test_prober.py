"""Who runs and who hears of it: what several services check alike is run once. In virtual time."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from feedback.checks.check import Check
from feedback.checks.exec import ExecCheck
from feedback.checks.http import HttpCheck
from feedback.checks.tcp import TcpCheck
from feedback.director.config import CheckConfig, Dependency
from feedback.director.dependencies import resolve
from feedback.director.health import CheckHealth
from feedback.director.prober import ProbeConfig, ProbeKey, Prober, Same
from feedback.model import CheckResult, Endpoint, Health, Outcome
from feedback.net import Target
from feedback.testing import run_virtual
from tests.director.world import BUG, CADENCE, PASS, REFUSED, ScriptedRunner, service

HERE = Endpoint("10.2.0.1", 8080)
HALF = CheckResult(Outcome.PASS, "", "half", 0.01, 0.5)
DRAIN = CheckResult(Outcome.PASS, "", "404 Not Found", 0.01, 0.0)


class Scene:
    """A prober with a scripted runner; `changes` counts how often it has called for a tick."""

    def __init__(self, wanted: Mapping[ProbeKey, ProbeConfig]) -> None:
        self.runner = ScriptedRunner()
        self.changes = 0
        self.prober = Prober(self.runner, asyncio.get_running_loop().time, self._change)  # type: ignore[arg-type]
        self.configure(wanted)
        self._task = asyncio.create_task(self.prober.run())

    def _change(self) -> None:
        self.changes += 1

    def configure(self, wanted: Mapping[ProbeKey, ProbeConfig]) -> None:
        self.prober.configure(wanted, lambda _key: CheckHealth())

    async def after(self, seconds: float) -> int:
        """Let time pass, and return how many runs have begun in it."""
        before = len(self.runner.starts)
        await asyncio.sleep(seconds)
        assert not self._task.done()
        return len(self.runner.starts) - before

    def health(self, name: str, check: str = "tcp") -> CheckHealth:
        configs = [CheckConfig(name=check, check=TcpCheck(), cadence=CADENCE)]
        return self.prober.health_of(name, "rs1", configs)[check]


def probe(check: Check | None = None, target: Target | None = None, **cadence: Any) -> ProbeConfig:
    config = CheckConfig(name="tcp", check=check or TcpCheck(), cadence=msgspec.structs.replace(CADENCE, **cadence))
    return ProbeConfig(config, target or Target(HERE, "rs1", "web"))


def key(service_name: str, check: str = "tcp") -> ProbeKey:
    return ProbeKey(service_name, "rs1", check)


def both(first: ProbeConfig, second: ProbeConfig) -> dict[ProbeKey, ProbeConfig]:
    return {key("web"): first, key("mail"): second}


def runs_in_a_minute(wanted: Mapping[ProbeKey, ProbeConfig]) -> int:
    """Return how many runs begin in a minute, of checks that pass every 2 s."""

    async def main() -> int:
        return await Scene(wanted).after(60)

    return run_virtual(main())


ELSEWHERE = Target(Endpoint("10.2.0.2", 8080), "rs1", "mail")
OTHER_NAMES = Target(HERE, "host", "mail", 50, Endpoint("192.0.2.10", 25))


@pytest.mark.parametrize(
    "second",
    [
        probe(),
        probe(target=OTHER_NAMES),
        probe(rise=5, fall=1, fast_interval_seconds=1.0),
        probe(TcpCheck(address="10.2.0.1"), ELSEWHERE),
    ],
    ids=["all the same", "names, weight and vip", "rise and fall", "address"],
)
def test_what_is_checked_alike_runs_once(second: ProbeConfig) -> None:
    first = probe(TcpCheck(address=second.config.check.address))
    assert runs_in_a_minute(both(first, second)) == 30


@pytest.mark.parametrize(
    "second",
    [
        probe(TcpCheck(quiet=False)),
        probe(HttpCheck()),
        probe(TcpCheck(port=25)),
        probe(TcpCheck(slow=0.5)),
        probe(target=ELSEWHERE),
        probe(timeout_seconds=0.5),
    ],
    ids=["options", "class", "port", "slow", "destination", "timeout"],
)
def test_what_differs_runs_for_itself(second: ProbeConfig) -> None:
    assert runs_in_a_minute(both(probe(), second)) == 60


def test_another_interval_is_another_run() -> None:
    assert runs_in_a_minute(both(probe(), probe(interval_seconds=4.0))) == 45


def test_a_check_that_looks_at_names_runs_for_each() -> None:
    program = ExecCheck(command=["/bin/true"])
    assert runs_in_a_minute(both(probe(program), probe(program, OTHER_NAMES))) == 60


def test_the_same_check_twice_in_one_service_runs_once() -> None:
    assert runs_in_a_minute({key("web"): probe(), key("web", "tcp#2"): probe()}) == 30


def test_secrets_that_look_alike_are_told_apart() -> None:
    class Token:
        def __init__(self, value: str) -> None:
            self.value = value

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Token) and self.value == other.value

        def __hash__(self) -> int:
            return 0

        def __repr__(self) -> str:
            return "Token(…)"

    one, other, like_one = (Same(Token(value)) for value in "aba")  # type: ignore[arg-type]
    assert (one == like_one, one == other, hash(one) == hash(other)) == (True, False, True)
    assert one != Token("a")


def test_each_service_has_its_own_rise_and_fall() -> None:
    async def main() -> None:
        scene = Scene(both(probe(fall=1), probe(fall=6)))
        await scene.after(5)
        scene.runner.results["rs1"] = REFUSED
        await scene.after(3)
        assert (scene.health("web").health, scene.health("mail").health) == (Health.DOWN, Health.UP)
        assert scene.health("web").last is scene.health("mail").last
        await scene.after(5)
        assert scene.health("mail").health is Health.DOWN

    run_virtual(main())


def test_the_run_is_made_as_often_as_the_most_anxious_asks() -> None:
    async def main() -> None:
        scene = Scene(both(probe(fall=1), probe(fall=100, fast_interval_seconds=0.5)))
        await scene.after(5)
        scene.runner.results["rs1"] = REFUSED
        await scene.after(5)
        assert await scene.after(10) == 20  # one has fallen, and is content with 2 s
        scene.runner.results["rs1"] = PASS
        await scene.after(5)
        assert await scene.after(10) == 5

    run_virtual(main())


def test_a_run_is_counted_once_whoever_hears_of_it() -> None:
    async def main() -> None:
        scene = Scene(both(probe(), probe()))
        begun = await scene.after(59)
        assert scene.prober.counts == {("tcp", "pass"): begun}

    run_virtual(main())


def test_one_that_joins_shares_the_run_and_keeps_its_place_and_one_that_leaves_does_not_end_it() -> None:
    async def main() -> None:
        scene = Scene({key("web"): probe()})
        await scene.after(5)
        scene.configure(both(probe(), probe()))
        assert scene.health("mail").health is Health.UNKNOWN
        assert await scene.after(2) == 1
        assert scene.health("mail").health is Health.UP
        heard = scene.health("web").heard
        scene.configure({key("mail"): probe()})
        assert await scene.after(2) == 1
        assert scene.health("mail").heard == pytest.approx(heard + 2.0, abs=0.11)
        scene.configure({})
        assert await scene.after(10) == 0

    run_virtual(main())


def test_a_check_that_is_run_otherwise_keeps_its_health() -> None:
    async def main() -> None:
        scene = Scene(both(probe(), probe()))
        await scene.after(5)
        scene.configure(both(probe(), probe(TcpCheck(port=25))))
        assert scene.health("mail").health is Health.UP
        await scene.after(2.2)
        assert await scene.after(10) == 10

    run_virtual(main())


def test_a_reload_during_a_run_neither_ends_nor_doubles_it() -> None:
    async def main() -> None:
        scene = Scene({key("web"): probe()})
        scene.runner.results["rs1"] = CheckResult(Outcome.PASS, "", "at last", 1.5)
        while not scene.runner.running:
            await scene.after(0.1)
        scene.configure(both(probe(), probe()))
        await scene.after(1.6)
        assert scene.health("mail").health is Health.UP
        assert len(scene.runner.starts) == 1

    run_virtual(main())


def test_a_reload_hands_the_newest_check_to_the_run() -> None:
    """It may have read its files anew, like a certificate that was renewed."""

    async def main() -> None:
        scene = Scene({key("web"): probe()})
        seen: list[Check] = []
        start = scene.runner.start

        def watch(check: Check, *others: Any) -> Any:
            seen.append(check)
            return start(check, *others)

        scene.runner.start = watch  # type: ignore[method-assign,assignment]
        newest = TcpCheck()
        scene.configure({key("web"): probe(newest)})
        await scene.after(3)
        assert all(check is newest for check in seen)
        assert seen

    run_virtual(main())


@pytest.mark.parametrize(
    ("results", "changes"),
    [
        ((PASS, HALF, PASS), 0),
        ((PASS, DRAIN), 1),
        ((PASS, DRAIN, DRAIN, PASS), 2),
        ((PASS, DRAIN, BUG, HALF), 2),
    ],
)
def test_a_hint_calls_for_a_tick_only_where_it_drains_or_ends_that(
    results: tuple[CheckResult, ...], changes: int
) -> None:
    """What else it says of the weight can wait for the next second: weights change no faster."""

    async def main() -> None:
        scene = Scene({key("web"): probe()})
        for result in results:
            scene.runner.results["rs1"] = result
            await scene.after(2)
        assert scene.changes == 1 + changes  # the first is that it came up

    run_virtual(main())


def dependent(interval: float = 2.0, fall: int = 3) -> dict[ProbeKey, ProbeConfig]:
    """Return a web server that depends on a database which is checked every `interval` seconds."""
    db = service(name="db", checks=(probe(interval_seconds=interval, fall=fall).config,))
    config = msgspec.structs.replace(probe().config, depends_on=(Dependency("db", "rs1"),))
    web = ProbeConfig(config, Target(HERE, "rs1", "web"), resolve(config, {"db": db}))
    return {key("web"): web, key("db"): ProbeConfig(db.checks[0], ELSEWHERE)}


@pytest.mark.parametrize("interval", [0.5, 1.9, 2.0, 2.1, 7.0])
@pytest.mark.parametrize("moment", [tenth / 4 for tenth in range(10)])
def test_what_depends_on_something_is_never_down_because_of_it_whoever_is_checked_first(
    interval: float, moment: float
) -> None:
    async def main() -> None:
        scene = Scene(dependent(interval))
        await scene.after(20 + moment)
        scene.runner.results["rs1"] = REFUSED  # both
        for _ in range(30):
            await scene.after(1)
            assert scene.health("web").health is Health.UP
        last = scene.health("web").last
        assert last is not None
        assert last.detail == (
            "refused (nobody listens), and db/rs1, which it depends on, is down: "
            "tcp check failed 3 of 3: refused (nobody listens)"
        )

    run_virtual(main())


@pytest.mark.parametrize("interval", [0.5, 2.0, 7.0])
def test_what_fails_by_itself_is_down_once_what_it_depends_on_has_passed(interval: float) -> None:
    async def main() -> None:
        scene = Scene(dependent(interval))
        await scene.after(20)
        scene.runner.results["web/rs1"] = scene.runner.results["host/rs1"] = REFUSED
        assert scene.health("web").health is Health.UP
        await scene.after(2.0 + max(interval, 2.0) + CADENCE.fall * CADENCE.fast_interval_seconds + 0.5)
        assert scene.health("web").health is Health.DOWN

    run_virtual(main())


def test_when_what_it_depends_on_is_up_again_failures_count_anew() -> None:
    async def main() -> None:
        scene = Scene(dependent(0.5, fall=1))
        await scene.after(10)
        scene.runner.results["rs1"] = REFUSED
        await scene.after(20)
        scene.runner.results["mail/rs1"] = PASS
        states = set()
        while (state := scene.health("web")).health is Health.UP:
            states.add(state.streak)
            await scene.after(0.1)
        assert states == {0, 1, 2}

    run_virtual(main())


def test_a_pass_ends_the_failing_and_an_unknown_result_changes_nothing_of_it() -> None:
    async def main() -> None:
        scene = Scene(dependent())
        await scene.after(10)
        for result in (REFUSED, PASS, BUG, REFUSED, BUG):
            scene.runner.results["web/rs1"] = result
            await scene.after(2)
        assert scene.health("web").last is BUG
        assert scene.health("web").health is Health.UP

    run_virtual(main())


def test_several_destinations_of_many_services_are_each_checked_once() -> None:
    wanted = {
        ProbeKey(f"service{number}", f"rs{host}", "tcp"): probe(
            target=Target(Endpoint(f"10.2.0.{host}", 80), f"rs{host}", f"service{number}")
        )
        for number in range(50)
        for host in range(1, 5)
    }
    assert runs_in_a_minute(wanted) == 4 * 30


@pytest.mark.parametrize("scope", [KeyError("which?"), None])
def test_a_check_that_can_not_say_what_it_depends_on_runs_for_each_by_itself(
    scope: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    class Lost(TcpCheck):
        def scope(self, target: Target) -> Target:
            if scope is not None:
                raise scope
            return target.destination  # type: ignore[return-value]

    assert runs_in_a_minute(both(probe(Lost()), probe(Lost(), OTHER_NAMES))) == 2 * runs_in_a_minute(
        {key("web"): probe()}
    )
    assert ("bug in the check tcp: its scope of 10.2.0.1:8080" in caplog.text) is (scope is not None)
