import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.tcp import TcpCheck
from feedback.director.config import Cadence, CheckConfig, ServiceConfig
from feedback.director.health import (
    CheckHealth,
    combine,
    doubt,
    explain,
    first,
    next_interval,
    observe,
    quiesces,
    reason,
)
from feedback.model import CheckResult, Health, Outcome
from tests.director.world import service

CADENCE = Cadence(interval_seconds=2.0, fast_interval_seconds=0.5, rise=2, fall=3)
PASS = CheckResult(Outcome.PASS, "", "200 in 3 ms", 0.003)
FAIL = CheckResult(Outcome.FAIL, "refused", "nobody listens on 10.2.0.11:80", 0.001)
UNKNOWN = CheckResult(Outcome.UNKNOWN, "local", "no file descriptor is left", 0.0)
HELD = CheckResult(Outcome.UNKNOWN, "dependency", "refused, and db, which it depends on, is down: timeout", 0.0)
HALF = CheckResult(Outcome.PASS, "", "half", 0.003, 0.5)
DRAIN = CheckResult(Outcome.PASS, "", "404 Not Found", 0.003, 0.0)
RESULTS = {"p": PASS, "f": FAIL, "?": UNKNOWN, "h": HELD, "2": HALF, "0": DRAIN}

FRESH = first(in_table=False, service_in_table=False)
ADOPTED = first(in_table=True, service_in_table=True)
REMOVED = first(in_table=False, service_in_table=True)


def after(start: CheckHealth, results: str, cadence: Cadence = CADENCE) -> CheckHealth:
    """Return the health after results written as the letters of `RESULTS`."""
    state = start
    for letter in results:
        state = observe(state, RESULTS[letter], cadence, 0.0)
    return state


@pytest.mark.parametrize("start", [FRESH, ADOPTED, REMOVED])
def test_before_the_first_result_health_is_unknown(start: CheckHealth) -> None:
    assert start.health is Health.UNKNOWN
    assert start.last is None


@pytest.mark.parametrize("start", [FRESH, ADOPTED])
@pytest.mark.parametrize(
    ("results", "health"),
    [
        ("p", Health.UP),
        ("f", Health.UNKNOWN),
        ("ff", Health.UNKNOWN),
        ("fff", Health.DOWN),
        ("ffp", Health.UP),
        ("ff?f", Health.DOWN),
        ("???", Health.UNKNOWN),
    ],
)
def test_with_nothing_known_against_it_one_pass_is_enough_and_fall_failures_are_too(
    start: CheckHealth, results: str, health: Health
) -> None:
    assert after(start, results).health is health


@pytest.mark.parametrize(
    ("results", "health"),
    [("p", Health.UNKNOWN), ("pp", Health.UP), ("p?p", Health.UP), ("f", Health.DOWN), ("pfp", Health.DOWN)],
)
def test_what_an_earlier_run_had_removed_needs_rise_passes(results: str, health: Health) -> None:
    assert after(REMOVED, results).health is health


@pytest.mark.parametrize(
    ("results", "health"),
    [
        ("ff", Health.UP),
        ("fff", Health.DOWN),
        ("ffpff", Health.UP),
        ("fffp", Health.DOWN),
        ("fffpp", Health.UP),
        ("fffpfp", Health.DOWN),
        ("fffp?p", Health.UP),
        ("ff????", Health.UP),
        ("fff????", Health.DOWN),
    ],
)
def test_up_falls_after_fall_failures_and_down_rises_after_rise_passes(results: str, health: Health) -> None:
    assert after(FRESH, "p" + results).health is health


def test_the_newest_result_and_the_newest_failure_are_kept() -> None:
    state = after(FRESH, "pfp")
    assert (state.last, state.failure) == (PASS, FAIL)
    assert after(FRESH, "pf?").last == UNKNOWN


@pytest.mark.parametrize(
    ("results", "seconds"),
    [("", 2.0), ("p", 2.0), ("pf", 0.5), ("pff", 0.5), ("pfff", 2.0), ("pfffp", 0.5), ("f", 0.5), ("pf?", 2.0)],
)
def test_checks_run_faster_while_results_contradict_the_health(results: str, seconds: float) -> None:
    assert next_interval(after(FRESH, results), CADENCE) == seconds


def test_the_fast_interval_is_never_the_slower_one() -> None:
    cadence = Cadence(interval_seconds=0.2, fast_interval_seconds=0.5)
    assert next_interval(after(FRESH, "pf", cadence), cadence) == 0.2


U, D, N = Health.UP, Health.DOWN, Health.UNKNOWN


@pytest.mark.parametrize(
    ("healths", "must_pass", "combined"),
    [
        ([], None, U),
        ([U, U], None, U),
        ([U, N], None, N),
        ([N, D, U], None, D),
        ([], 1, U),
        ([U, D, D], 1, U),
        ([N, D, D], 1, N),
        ([D, D], 1, D),
        ([U, U, D], 2, U),
        ([U, N, D], 2, N),
        ([U, D, D], 2, D),
        ([N, N, N], 2, N),
    ],
)
def test_as_many_checks_as_are_asked_for_must_pass(
    healths: list[Health], must_pass: int | None, combined: Health
) -> None:
    assert combine(healths, must_pass) is combined


@given(st.lists(st.sampled_from(Health), max_size=6), st.none() | st.integers(1, 6))
def test_unknown_decides_nothing_that_it_could_still_change(healths: list[Health], must_pass: int | None) -> None:
    """Three values done right: UNKNOWN is the answer exactly where what is unknown could turn out to decide."""
    with_all_up = [U if health is N else health for health in healths]
    with_all_down = [D if health is N else health for health in healths]
    best, worst = combine(with_all_up, must_pass), combine(with_all_down, must_pass)
    assert N not in {best, worst}
    assert combine(healths, must_pass) is (best if best is worst else N)


@given(st.lists(st.sampled_from(Health), min_size=1, max_size=6))
def test_all_and_any_are_the_ends_of_at_least(healths: list[Health]) -> None:
    assert combine(healths) is combine(healths, len(healths))
    assert (combine(healths, 1) is U) is (U in healths)
    assert (combine(healths, 1) is D) is (set(healths) == {D})


def checked(must_pass: int | None, count: int = 3) -> ServiceConfig:
    names = ["tcp", *(f"tcp#{number}" for number in range(2, count + 1))]
    checks = tuple(CheckConfig(name=name, check=TcpCheck(), cadence=CADENCE) for name in names[:count])
    return service(checks=checks, must_pass=must_pass)


@pytest.mark.parametrize(
    ("must_pass", "results", "words"),
    [
        (None, ["p", "p"], "its checks pass"),
        (None, [], "it has no checks"),
        (
            None,
            ["p", "", "fff"],
            "tcp#3 check failed 3 of 3: refused (nobody listens on 10.2.0.11:80)",
        ),
        (None, ["p", "", ""], "tcp#2 check has not run yet"),
        (2, ["p", "p", "fff"], "2 of its 3 checks pass, 2 must"),
        (
            1,
            ["fff", "fff"],
            (
                "1 of 2 checks must pass: tcp check failed 3 of 3: refused (nobody listens on 10.2.0.11:80); "
                "tcp#2 check failed 3 of 3: refused (nobody listens on 10.2.0.11:80)"
            ),
        ),
        (
            2,
            ["p", "", "fff"],
            "2 of 3 checks must pass: tcp#2 check has not run yet",
        ),
    ],
)
def test_the_checks_that_decide_are_named(must_pass: int | None, results: list[str], words: str) -> None:
    config = checked(must_pass, len(results))
    checks = {check.name: after(FRESH, said) for check, said in zip(config.checks, results, strict=True)}
    assert reason(config, checks) == words


@pytest.mark.parametrize(
    ("results", "words"),
    [
        (["p", "p"], ""),
        (["p", "pff"], ""),
        (["p", "pfff"], "tcp#2 check failed 3 of 3: refused (nobody listens on 10.2.0.11:80)"),
        (["p", ""], "tcp#2 check has not run yet"),
        (["p?", "p"], "tcp check says nothing: local (no file descriptor is left)"),
        (
            ["p", "ph"],
            "tcp#2 check fails, which does not count: refused, and db, which it depends on, is down: timeout",
        ),
    ],
)
def test_what_does_not_speak_for_a_destination_is_told_though_it_is_up(results: list[str], words: str) -> None:
    config = checked(1, len(results))
    checks = {check.name: after(FRESH, said) for check, said in zip(config.checks, results, strict=True)}
    assert doubt(config, checks) == words


@pytest.mark.parametrize(
    ("results", "health"),
    [
        ("phhhhhhhh", Health.UP),
        ("pffhff", Health.UP),
        ("pffhfff", Health.DOWN),
        ("pfffpfh", Health.DOWN),
        ("hhh", Health.UNKNOWN),
    ],
)
def test_what_is_held_for_a_dependency_counts_anew_afterwards(results: str, health: Health) -> None:
    assert after(FRESH, results).health is health


@pytest.mark.parametrize(
    ("results", "ratio"),
    [
        ("p", None),
        ("2", 0.5),
        ("20", 0.0),
        ("2ff", 0.5),
        ("2??", 0.5),
        ("2fh", 0.5),
        ("2p", None),
        ("2fff", None),
        ("fff2", 0.5),
        ("fff22", 0.5),
        ("fff2f", None),
        ("0", 0.0),
    ],
)
def test_a_hint_holds_until_the_next_pass_or_until_the_check_is_down(results: str, ratio: float | None) -> None:
    for start in (FRESH, ADOPTED):
        state = after(start, results)
        assert (None if state.hint is None else state.hint.ratio) == ratio
        assert quiesces(state) is (ratio == 0)


def test_hints_of_response_times_are_filtered_by_the_time_between_results() -> None:
    state = observe(FRESH, PASS, CADENCE, 100.0, 20.0)
    state = observe(state, HALF, CADENCE, 102.0, 20.0)
    assert state.hint is not None
    assert state.hint.ratio is None
    state = observe(state, HALF, CADENCE, 162.0, 20.0)
    assert state.hint is not None
    assert state.hint.ratio == pytest.approx(0.52, abs=0.02)
    assert state.heard == 162.0


@pytest.mark.parametrize(
    ("start", "results", "words"),
    [
        (FRESH, "", "http check has not run yet"),
        (FRESH, "p", "http check passed"),
        (FRESH, "pf", "http check failed 1 of 3: refused (nobody listens on 10.2.0.11:80)"),
        (FRESH, "pfff", "http check failed 3 of 3: refused (nobody listens on 10.2.0.11:80)"),
        (FRESH, "pfffff", "http check failed 3 of 3: refused (nobody listens on 10.2.0.11:80)"),
        (FRESH, "ff", "http check failed 2 of 3: refused (nobody listens on 10.2.0.11:80)"),
        (FRESH, "pfffp", "http check passed 1 of 2, after: refused (nobody listens on 10.2.0.11:80)"),
        (REMOVED, "p", "http check passed 1 of 2"),
        (FRESH, "p?", "http check says nothing: local (no file descriptor is left)"),
    ],
)
def test_health_is_explained_in_words(start: CheckHealth, results: str, words: str) -> None:
    assert explain("http", after(start, results), CADENCE) == words


def test_a_reason_without_a_detail_stands_alone() -> None:
    state = observe(FRESH, CheckResult(Outcome.FAIL, "timeout", "", 1.0), CADENCE, 0.0)
    assert explain("http", state, CADENCE) == "http check failed 1 of 3: timeout"


@given(
    start=st.sampled_from([FRESH, ADOPTED, REMOVED]),
    results=st.text("pf?", max_size=40),
    rise=st.integers(1, 5),
    fall=st.integers(1, 5),
)
def test_health_is_that_of_the_newest_decisive_row(start: CheckHealth, results: str, rise: int, fall: int) -> None:
    """Against the definition, counted anew: unknown results left out, `rise` PASSes or `fall` FAILs in a row decide."""
    cadence = Cadence(rise=rise, fall=fall)
    said = results.replace("?", "")
    health = Health.UNKNOWN
    for end in range(1, len(said) + 1):
        passes = 1 if health is Health.UNKNOWN and start is not REMOVED else rise
        fails = 1 if health is Health.UNKNOWN and start is REMOVED else fall
        if said[:end].endswith("p" * passes):
            health = Health.UP
        elif said[:end].endswith("f" * fails):
            health = Health.DOWN
    state = after(start, results, cadence)
    assert state.health is health
    assert 0 <= state.streak < max(rise, fall)
