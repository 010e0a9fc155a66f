import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.director.config import Cadence
from feedback.director.health import CheckHealth, combine, explain, first, next_interval, observe
from feedback.model import CheckResult, Health, Outcome

CADENCE = Cadence(interval_seconds=2.0, fast_interval_seconds=0.5, rise=2, fall=3)
PASS = CheckResult(Outcome.PASS, "", "200 in 3 ms", 0.003)
FAIL = CheckResult(Outcome.FAIL, "refused", "nobody listens on 10.2.0.11:80", 0.001)
UNKNOWN = CheckResult(Outcome.UNKNOWN, "local", "no file descriptor is left", 0.0)
RESULTS = {"p": PASS, "f": FAIL, "?": UNKNOWN}

FRESH = first(in_table=False, service_in_table=False)
ADOPTED = first(in_table=True, service_in_table=True)
REMOVED = first(in_table=False, service_in_table=True)


def after(start: CheckHealth, results: str, cadence: Cadence = CADENCE) -> CheckHealth:
    """Return the health after results written as letters: p, f and ? for an unknown one."""
    state = start
    for letter in results:
        state = observe(state, RESULTS[letter], cadence)
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


@pytest.mark.parametrize(
    ("healths", "combined"),
    [
        ([], Health.UP),
        ([Health.UP, Health.UP], Health.UP),
        ([Health.UP, Health.UNKNOWN], Health.UNKNOWN),
        ([Health.UNKNOWN, Health.DOWN, Health.UP], Health.DOWN),
    ],
)
def test_all_checks_must_pass(healths: list[Health], combined: Health) -> None:
    assert combine(healths) is combined


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
    state = observe(FRESH, CheckResult(Outcome.FAIL, "timeout", "", 1.0), CADENCE)
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
