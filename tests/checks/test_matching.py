"""What checks send and expect, as people write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.matching import excerpt, hex_bytes, matcher, payload, regex, regex_bytes


@pytest.mark.parametrize(
    ("text", "digits", "data"),
    [("a\r\n", None, b"a\r\n"), ("ö", None, b"\xc3\xb6"), (None, "00 fF0a", b"\x00\xff\n"), (None, None, b"")],
)
def test_a_payload_is_text_or_bytes(text: str | None, digits: str | None, data: bytes) -> None:
    assert payload(text, digits) == data


@pytest.mark.parametrize(
    ("wanted", "data", "found"),
    [
        (("a.c", None, None), b"xa.cx", True),
        (("a.c", None, None), b"abc", False),
        ((None, "a.c", None), b"abc", True),
        ((None, "^b$", None), b"a\nb\nc", True),
        ((None, "^b$", None), b"a\nbc", False),
        ((None, "ö", None), "schön".encode(), True),
        ((None, None, "2e"), b"a.c", True),
        ((None, None, "2e"), b"abc", False),
    ],
)
def test_text_regex_or_bytes_are_looked_for(
    wanted: tuple[str | None, str | None, str | None], data: bytes, found: bool
) -> None:
    pattern = matcher(*wanted)
    assert pattern is not None
    assert bool(pattern.search(data)) is found


@pytest.mark.parametrize("wanted", [(None, None, None), ("", None, None), (None, None, "")])
def test_nothing_is_looked_for_where_nothing_is_wanted(wanted: tuple[str | None, str | None, str | None]) -> None:
    assert matcher(*wanted) is None


def test_what_cannot_be_read_is_refused_with_the_options_name() -> None:
    with pytest.raises(ValueError, match=r"^body: must be a regular expression: nothing to repeat at position 0$"):
        regex("body", "*")
    with pytest.raises(ValueError, match=r"^text: must be a regular expression: nothing to repeat at position 0$"):
        regex_bytes("text", "*")
    with pytest.raises(ValueError, match=r'^data: must be pairs of hexadecimal digits, like 0d0a, not "0"$'):
        hex_bytes("data", "0")


def test_a_regex_for_text_is_not_line_by_line() -> None:
    assert not regex("body", "^b").search("a\nb")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", '""'),
        (b"plain", '"plain"'),
        (b"a\r\n\t\x00\xff", '"a\\r\\n\\t\\x00\\xff"'),
        (b"back\\slash", '"back\\\\slash"'),
        (b"a" * 60, '"' + "a" * 60 + '"'),
        (b"a" * 61, '"' + "a" * 60 + '…"'),
    ],
)
def test_an_excerpt_is_quoted_and_short(data: bytes, shown: str) -> None:
    assert excerpt(data) == shown


def test_an_excerpts_length_is_the_callers() -> None:
    assert excerpt(b"abc", 2) == '"ab…"'


@given(st.binary(max_size=200))
def test_any_bytes_can_be_shown(data: bytes) -> None:
    shown = excerpt(data)
    assert shown.isprintable()
    assert "\n" not in shown


@given(st.binary())
def test_bytes_come_back_from_their_digits(data: bytes) -> None:
    assert hex_bytes("data", data.hex()) == data
    assert hex_bytes("data", data.hex(" ")) == data
