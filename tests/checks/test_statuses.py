"""Sets of statuses as people write them."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.statuses import Statuses, parse_statuses, show_statuses


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (200, {200}),
        ("200", {200}),
        ("200-203", {200, 201, 202, 203}),
        ("204-204", {204}),
        ("200, 204", {200, 204}),
        ([200, "301-302"], {200, 301, 302}),
        (["200", 200], {200}),
        ("100-599", set(range(100, 600))),
    ],
)
def test_statuses_are_read_in_every_form(wanted: Statuses, numbers: set[int]) -> None:
    assert parse_statuses("status", wanted) == numbers


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (99, "99"),
        (600, "600"),
        (0, "0"),
        ("ok", "ok"),
        ("", ""),
        ("2xx", "2xx"),
        ("200-", "200-"),
        ("299-200", "299-200"),
        ("200-600", "200-600"),
        ("200,,204", ""),
        ([200, "x"], "x"),
        (["200,204"], "200,204"),
    ],
)
def test_what_is_no_status_is_refused(wanted: Statuses, shown: str) -> None:
    sentence = f'codes: must be statuses from 100 to 599, like 200 or "200-299", not {shown}'
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        parse_statuses("codes", wanted)


def test_no_status_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^codes: must have at least one status$"):
        parse_statuses("codes", [])


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (200, "200"),
        ("200-299", "200-299"),
        ("200,404", "200 or 404"),
        ("200, 404", "200 or 404"),
        (["200-299", 404], "200-299 or 404"),
    ],
)
def test_statuses_are_shown_in_words(wanted: Statuses, words: str) -> None:
    assert show_statuses(wanted) == words


@given(st.text(alphabet="0123456789-, ", max_size=12))
def test_any_text_is_statuses_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        numbers = parse_statuses("status", text)
        assert numbers
        assert all(100 <= number <= 599 for number in numbers)
