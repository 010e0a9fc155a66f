import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.tcp import TcpCheck
from feedback.director.config import Cadence, CheckConfig
from feedback.director.hints import MAX_WEIGHT, Hint, Wish, filter_seconds, follow, lowest, scale
from feedback.model import CheckResult, Outcome

EXACT, FILTERED = 0.0, 20.0


def result(ratio: float | None, detail: str = "said") -> CheckResult:
    return CheckResult(Outcome.PASS, "", detail, 0.01, ratio)


def after(ratios: list[float | None], step: float = 2.0, constant: float = FILTERED) -> list[float | None]:
    """Return the ratios that hold after each result of a row."""
    hint: Hint | None = None
    held = []
    for ratio in ratios:
        hint = follow(hint, result(ratio), step, constant)
        held.append(None if hint is None else hint.ratio)
    return held


@pytest.mark.parametrize(
    ("slow", "interval", "seconds"), [(None, 2.0, 0.0), (0.5, 2.0, 20.0), (0.5, 0.1, 20.0), (0.5, 60.0, 480.0)]
)
def test_only_what_comes_of_response_times_is_filtered(slow: float | None, interval: float, seconds: float) -> None:
    config = CheckConfig(name="tcp", check=TcpCheck(slow=slow), cadence=Cadence(interval_seconds=interval))
    assert filter_seconds(config) == seconds


def test_exact_hints_are_taken_as_they_are_and_taken_back_by_none() -> None:
    assert after([0.5, 0.51, 0.0, 2.0, None, None], constant=EXACT) == [0.5, 0.51, 0.0, 2.0, None, None]


def test_a_hint_has_the_words_of_its_result() -> None:
    hint = follow(None, result(0.5, "50% up"), 2.0, EXACT)
    assert hint is not None
    assert hint.detail == "50% up"


def test_a_first_response_time_is_taken_as_it_is() -> None:
    assert after([0.3])[-1] == 0.3
    assert after([None])[-1] is None


def test_one_slow_answer_among_fast_ones_moves_nothing() -> None:
    assert after([None] * 5 + [0.3] + [None] * 50) == [None] * 56


def test_a_server_that_becomes_slow_gets_there_with_the_filters_time_constant() -> None:
    held = after([None] + [0.2] * 100)
    assert held[1] is None
    ten_steps = held[10]  # one time constant: 63 % of the way
    assert ten_steps is not None
    assert ten_steps == pytest.approx(1 - 0.8 * (1 - math.exp(-1)), rel=0.11)
    settled = held[-1]
    assert settled is not None
    assert settled == pytest.approx(0.2, rel=0.11)


def test_the_filter_goes_by_time_and_not_by_the_number_of_results() -> None:
    fast, slow = after([None] + [0.2] * 40, step=0.5), after([None] + [0.2] * 10, step=2.0)
    assert fast[-1] == pytest.approx(slow[-1], rel=0.1)


def test_a_server_that_is_fast_again_loses_its_hint() -> None:
    held = after([0.2] + [None] * 60)
    assert held[-1] is None
    assert len(set(held)) < 25


def test_the_weight_of_a_noisy_server_is_written_seldom() -> None:
    noise = random.Random(5)
    held = after([min(1.0, 0.5 * math.exp(noise.gauss(0, 0.3))) for _ in range(1000)])
    changes = sum(one != other for one, other in itertools.pairwise(held))
    assert changes < 60
    assert all(ratio is not None and 0.3 < ratio < 0.75 for ratio in held[20:])


def test_zero_is_exact_even_where_response_times_count_and_so_is_what_follows_it() -> None:
    assert after([None, None, 0.0, 0.4]) == [None, None, 0.0, 0.4]


@given(st.lists(st.none() | st.floats(0.1, 1.0), max_size=60), st.floats(0.01, 100.0))
def test_a_filtered_hint_stays_within_what_was_said_and_near_its_filter(
    ratios: list[float | None], step: float
) -> None:
    hint: Hint | None = None
    said = [1.0 if ratio is None else ratio for ratio in ratios]
    for ratio in ratios:
        hint = follow(hint, result(ratio), step, FILTERED)
        assert hint is not None
        assert min(said) - 1e-9 <= hint.level <= max(said) + 1e-9
        applied = 1.0 if hint.ratio is None else hint.ratio
        assert abs(hint.level - applied) <= max(0.1 * applied, 0.02) + 1e-9
        assert hint.ratio != 0


def test_the_lowest_of_several_hints_decides_and_who_says_nothing_has_no_say() -> None:
    hints = {"tcp": None, "exec": Hint(2.0, "idle"), "http": Hint(None, "fast"), "agent": Hint(1.5)}
    assert lowest(hints) == Wish("agent", 1.5)
    assert lowest({"exec": Hint(2.0, "idle"), "tcp": None}) == Wish("exec", 2.0, "idle")
    assert lowest({"tcp": None, "http": Hint(None)}) is None
    assert lowest({}) is None


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish("http", 0.0, "404 Not Found"), "drained by its http check: 404 Not Found"),
        (Wish("exec", 0.0), "drained by its exec check"),
        (Wish("agent", 0.5, "50% up"), "its agent check asks for 0.5 of it (50% up)"),
        (Wish("exec", 1 / 3), "its exec check asks for 0.333 of it"),
    ],
)
def test_a_wish_is_said_in_words(wish: Wish, words: str) -> None:
    assert str(wish) == words


@pytest.mark.parametrize(
    ("base", "wish", "weight"),
    [
        (100, None, 100),
        (0, None, 0),
        (100, Wish("x", 0.5), 50),
        (100, Wish("x", 0.001), 1),
        (100, Wish("x", 0.0), 0),
        (0, Wish("x", 5.0), 0),
        (100, Wish("x", 2.5), 250),
        (60000, Wish("x", 256.0), MAX_WEIGHT),
    ],
)
def test_a_base_weight_is_scaled_and_only_0_makes_it_0(base: int, wish: Wish | None, weight: int) -> None:
    assert scale(base, wish) == weight
