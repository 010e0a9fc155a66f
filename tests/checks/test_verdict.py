"""The table of outcomes: what the end of a check's coroutine means."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.check import Passed
from feedback.checks.verdict import DETAIL_LENGTH, MAX_WEIGHT_RATIO, bug, failed, one_line, passed, timed_out
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.model import CheckResult, Outcome


def test_a_probe_that_returns_a_text_passes() -> None:
    assert passed("200 OK", 0.5) == CheckResult(Outcome.PASS, "", "200 OK", 0.5)


@pytest.mark.parametrize(("returned", "name"), [(None, "NoneType"), (True, "bool"), (b"ok", "bytes")])
def test_a_probe_that_returns_something_else_has_a_bug(returned: object, name: str) -> None:
    detail = f"the check returned {name}, must return its detail as str"
    assert passed(returned, 0.5) == CheckResult(Outcome.UNKNOWN, "bug", detail, 0.5)


@pytest.mark.parametrize("ratio", [None, 0, 0.0, 0.5, 1.0, MAX_WEIGHT_RATIO])
def test_a_probe_may_have_a_hint_to_the_weight(ratio: float | None) -> None:
    assert passed(Passed("half\nfull", ratio), 0.5) == CheckResult(Outcome.PASS, "", "half full", 0.5, ratio)


@pytest.mark.parametrize("ratio", [-0.1, MAX_WEIGHT_RATIO + 0.1, math.inf, math.nan])
def test_a_hint_beyond_all_weights_is_a_bug(ratio: float) -> None:
    result = passed(Passed("ok", ratio), 0.5)
    assert (result.outcome, result.reason, result.weight_ratio) == (Outcome.UNKNOWN, "bug", None)
    assert result.detail == f"the check returned a weight_ratio of {ratio}, must be 0 to 256.0"


@pytest.mark.parametrize(
    ("seconds", "ratio"), [(0.1, None), (0.2, None), (0.25, 0.8), (0.4, 0.5), (2.0, 0.1), (60.0, 0.1)]
)
def test_a_pass_that_takes_longer_than_slow_lowers_the_weight_in_proportion(
    seconds: float, ratio: float | None
) -> None:
    assert passed("ok", seconds, 0.2) == CheckResult(Outcome.PASS, "", "ok", seconds, ratio)


@pytest.mark.parametrize(
    ("own", "seconds", "ratio"),
    [(None, 0.4, 0.5), (0.3, 0.4, 0.3), (0.3, 0.1, 0.3), (2.0, 0.1, 2.0), (2.0, 0.4, 0.5), (0, 9.0, 0)],
)
def test_of_two_hints_the_smaller_one_counts(own: float | None, seconds: float, ratio: float) -> None:
    assert passed(Passed("ok", own), seconds, 0.2).weight_ratio == ratio


def test_slowness_changes_nothing_of_a_bug() -> None:
    assert passed(None, 9.0, 0.2) == passed(None, 9.0)


@pytest.mark.parametrize("reason", list(Reason))
def test_what_the_service_did_wrong_is_a_failure_with_its_reason(reason: Reason) -> None:
    assert failed(CheckFailed(reason, "so it is"), "", 0.5) == CheckResult(Outcome.FAIL, reason.value, "so it is", 0.5)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (CheckFailed("status", "no"), CheckResult(Outcome.FAIL, "status", "step 2: no", 0.5)),
        (LocalFault("no route"), CheckResult(Outcome.UNKNOWN, "local", "step 2: no route", 0.5)),
        (KeyError("x"), CheckResult(Outcome.UNKNOWN, "bug", "the check raised KeyError: 'x'", 0.5)),
        (
            asyncio.CancelledError(),
            CheckResult(Outcome.UNKNOWN, "bug", "the check raised CancelledError: ", 0.5),
        ),
    ],
)
def test_only_the_service_fails_a_check_and_the_stage_stands_before_it(
    error: BaseException, result: CheckResult
) -> None:
    assert failed(error, "step 2", 0.5) == result


@pytest.mark.parametrize(
    ("stage", "seconds", "detail"),
    [
        ("", 1.0, "no answer within 1 s"),
        ("", 0.25, "no answer within 0.25 s"),
        ("step 2, EHLO", 2.0, "step 2, EHLO: no answer within 2 s"),
    ],
)
def test_a_deadline_says_what_was_lacking(stage: str, seconds: float, detail: str) -> None:
    assert timed_out("no answer", stage, seconds, 3.0) == CheckResult(Outcome.FAIL, "timeout", detail, 3.0)


def test_a_bug_says_nothing_of_the_service() -> None:
    assert bug("it did\nwhat?", 0.5) == CheckResult(Outcome.UNKNOWN, "bug", "it did what?", 0.5)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("schön", "schön"),
        ("a\r\nb\tc\x00", "a  b c"),
        ("a" * DETAIL_LENGTH, "a" * DETAIL_LENGTH),
        ("a" * (DETAIL_LENGTH + 1), "a" * (DETAIL_LENGTH - 1) + "…"),
        ("a" * DETAIL_LENGTH + "\n", "a" * DETAIL_LENGTH),
        ("\x1b[31mred", "[31mred"),
    ],
)
def test_a_detail_is_one_line_that_can_be_printed(text: str, line: str) -> None:
    assert one_line(text) == line


@given(st.text(max_size=2 * DETAIL_LENGTH))
def test_any_text_becomes_a_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= DETAIL_LENGTH
