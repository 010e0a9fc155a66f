from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.config import Dependency, ServiceConfig
from feedback.director.dependencies import Need, hold, resolve, trouble
from feedback.director.health import CheckHealth, first, observe
from feedback.model import CheckResult, Health, Outcome
from tests.director.world import CADENCE, CHECK, PASS, REFUSED, destinations, service

LOCAL = CheckResult(Outcome.UNKNOWN, "local", "no file descriptor is left", 0.01)
HELD = CheckResult(Outcome.UNKNOWN, "dependency", "refused, and disk, which it depends on, is down: timeout", 0.01)
RESULTS = {"p": PASS, "f": REFUSED, "?": LOCAL, "h": HELD}
DB = service(name="db", destinations=destinations(1, 2))
FAILED = "tcp check failed 3 of 3: refused (nobody listens)"


def state(results: str, at: float = 10.0, *, removed_before: bool = False) -> CheckHealth:
    """Return the health after results written as the letters of `RESULTS`, the last of which came at `at`."""
    known = first(in_table=not removed_before, service_in_table=True)
    for letter in results:
        known = observe(known, RESULTS[letter], CADENCE, at)
    return known


def need(name: str = "db", of: ServiceConfig = DB) -> Need:
    service_name, _, destination = name.partition("/")
    wanted = msgspec.structs.replace(CHECK, depends_on=(Dependency(service_name, destination or None),))
    (found,) = resolve(wanted, {of.name: of})
    return found


def troubled(wanted: Need, since: float = 5.0, **states: CheckHealth) -> str:
    """Return what is wrong with a dependency whose destinations' only checks are in these states."""

    def look(_service: ServiceConfig, destination: str) -> Mapping[str, CheckHealth]:
        return {"tcp": states[destination]}

    return trouble(wanted, look, since)


def test_a_dependency_is_resolved_to_its_destinations() -> None:
    assert need("db") == Need("db", DB, ("rs1", "rs2"))
    assert need("db/rs2") == Need("db/rs2", DB, ("rs2",))
    assert resolve(CHECK, {}) == ()


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ("p", ""),
        ("fffpp", ""),
        ("p?", ""),
        ("?", ""),
        ("pfff", f"db/rs1, which it depends on, is down: {FAILED}"),
        ("pfffp", "db/rs1, which it depends on, is down: tcp check passed 1 of 2, after: refused (nobody listens)"),
        ("pf", "db/rs1, which it depends on, may be down: tcp check failed 1 of 3: refused (nobody listens)"),
        (
            "ph",
            (
                "db/rs1, which it depends on, may be down: tcp check fails, which does not count: "
                "refused, and disk, which it depends on, is down: timeout"
            ),
        ),
        ("", "db/rs1, which it depends on, has not been checked since"),
    ],
)
def test_a_destination_works_when_its_checks_say_so_and_nothing_speaks_against_it(results: str, words: str) -> None:
    assert troubled(need("db/rs1"), rs1=state(results)) == words


def test_what_was_out_of_the_table_before_works_when_it_is_up_and_not_before() -> None:
    once, twice = state("p", removed_before=True), state("pp", removed_before=True)
    assert troubled(need("db/rs1"), rs1=once) == ("db/rs1, which it depends on, may be down: tcp check passed 1 of 2")
    assert troubled(need("db/rs1"), rs1=twice) == ""


def test_a_pass_from_before_the_failing_began_proves_nothing() -> None:
    began = PASS.duration_seconds
    assert troubled(need("db/rs1"), since=10.0, rs1=state("p", at=10.0)) == (
        "db/rs1, which it depends on, has not been checked since"
    )
    assert troubled(need("db/rs1"), since=10.0, rs1=state("p", at=10.1 + began)) == ""


@pytest.mark.parametrize(
    ("first_one", "other", "words"),
    [
        ("p", "pfff", ""),
        ("pfff", "p", ""),
        ("pfff", "pfff", f"db, which it depends on, is down: {FAILED}"),
        ("pf", "pfff", "db, which it depends on, may be down: tcp check failed 1 of 3: refused (nobody listens)"),
        ("pfff", "pf", "db, which it depends on, may be down: tcp check failed 1 of 3: refused (nobody listens)"),
    ],
)
def test_a_service_works_while_one_of_its_destinations_does(first_one: str, other: str, words: str) -> None:
    assert troubled(need(), rs1=state(first_one), rs2=state(other)) == words


def test_a_service_without_destinations_does_not_work() -> None:
    empty = need(of=service(name="db", destinations={}))
    assert troubled(empty) == "db, which it depends on, is down: it has no destinations"


def test_a_service_without_checks_always_works() -> None:
    bare = need(of=service(name="db", checks=()))
    assert trouble(bare, lambda _service, _destination: {}, 5.0) == ""


def test_a_destination_is_judged_by_its_services_own_rule() -> None:
    checks = (CHECK, msgspec.structs.replace(CHECK, name="tcp#2"))
    states = {"tcp": state("pfff"), "tcp#2": state("p")}
    for must_pass, words in ((None, f"db/rs1, which it depends on, is down: {FAILED}"), (1, "")):
        wanted = need("db/rs1", service(name="db", checks=checks, must_pass=must_pass))
        assert trouble(wanted, lambda _service, _destination: states, 5.0) == words


@given(st.lists(st.tuples(st.text("pf?h", max_size=5), st.floats(0, 20)), min_size=1, max_size=3), st.floats(0, 20))
def test_nothing_that_is_up_and_has_passed_since_is_in_trouble_and_nothing_that_is_down_is_not(
    histories: list[tuple[str, float]], since: float
) -> None:
    wanted = need(of=service(name="db", destinations=destinations(*range(len(histories)))))
    states = {f"rs{number}": state(results, at) for number, (results, at) in enumerate(histories)}
    words = troubled(wanted, since, **states)
    if all(one.health is Health.DOWN for one in states.values()):
        assert words
    if any(one.last is PASS and one.health is Health.UP and one.heard - 0.01 >= since for one in states.values()):
        assert not words


def test_a_failure_that_is_held_says_nothing_of_the_service() -> None:
    held = hold(REFUSED, "db, which it depends on, is down: timeout")
    assert (held.outcome, held.reason, held.duration_seconds) == (Outcome.UNKNOWN, "dependency", 0.01)
    assert held.detail == "refused (nobody listens), and db, which it depends on, is down: timeout"
    bare = hold(CheckResult(Outcome.FAIL, "timeout", "", 1.0), "db, which it depends on, is down: timeout")
    assert bare.detail == "timeout, and db, which it depends on, is down: timeout"
