"""JSON pointers: the examples of RFC 6901, what is refused, and what any bytes may do."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.json_pointer import as_text, decode, equal, find, parse_pointer, show
from feedback.errors import CheckFailed

OF_THE_RFC = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", OF_THE_RFC),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_the_examples_of_rfc_6901_section_5(pointer: str, value: Any) -> None:
    assert find(decode(msgspec.json.encode(OF_THE_RFC)), parse_pointer(pointer)) == value


def test_an_escaped_tilde_is_no_slash() -> None:
    assert parse_pointer("/~01") == ("~1",)  # RFC 6901, 4: in this order


@pytest.mark.parametrize(
    "pointer",
    ["/bar", "/foo/2", "/foo/-", "/foo/00", "/foo/01", "/foo/-1", "/foo/a", "/foo/0/0", "/ /x", "/foo/\u0661"],
)
def test_what_is_not_there_is_said_to(pointer: str) -> None:
    with pytest.raises(LookupError):
        find(OF_THE_RFC, parse_pointer(pointer))


@pytest.mark.parametrize(
    ("pointer", "words"),
    [
        ("foo", 'must be a pointer, like /nodes/0/state, or "" for all of it'),
        ("#/foo", 'must be a pointer, like /nodes/0/state, or "" for all of it'),
        ("/a~b", 'must have "~" written as ~0, and "/" in a name as ~1'),
        ("/a~", 'must have "~" written as ~0, and "/" in a name as ~1'),
    ],
)
def test_what_is_no_pointer_is_refused(pointer: str, words: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        parse_pointer(pointer)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (b"", "content", "the body is not JSON: Input data was truncated"),
        (b"<html>", "content", "the body is not JSON: JSON is malformed"),
        (b'{"a": 1', "content", "the body is not JSON: Input data was truncated"),
        (b"{} {}", "content", "the body is not JSON: JSON is malformed"),
        (b"NaN", "content", "the body is not JSON: JSON is malformed"),
        (b'"\xff"', "content", "the body is not JSON: 'utf-8' codec can't decode"),
        (b"[" * 100_000, "limit", "the body is JSON that is nested too deeply"),
    ],
)
def test_what_is_no_json_is_a_failure(data: bytes, reason: str, words: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        decode(data)
    assert caught.value.reason == reason
    assert caught.value.detail.startswith(words)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert decode(b"\xef\xbb\xbf{}") == {}


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        (1, 1, True),
        (1, 1.0, True),
        (1.0, 1, True),
        (1, True, False),
        (True, 1, False),
        (True, True, True),
        (False, 0, False),
        (None, None, True),
        (0, None, False),
        ("ok", "ok", True),
        ("1", 1, False),
        ([1], 1, False),
        ({}, None, False),
    ],
)
def test_a_number_is_no_text_and_no_truth(found: Any, wanted: Any, same: bool) -> None:
    assert equal(found, wanted) is same


def test_a_value_is_shown_as_json_and_shortened() -> None:
    assert show({"a": [1, None, True, "x\n"]}) == '{"a":[1,null,true,"x\\n"]}'
    assert show("a" * 100) == '"' + "a" * 58 + "…"
    assert (as_text("text"), as_text(1.5), as_text(True), as_text(None)) == ("text", "1.5", "true", "null")


@given(st.binary(max_size=200) | st.lists(st.sampled_from(list(b'[]{}",:0-1e.\\u~/tf')), max_size=40).map(bytes))
def test_any_bytes_are_json_or_a_failure(data: bytes) -> None:
    with contextlib.suppress(CheckFailed):
        document = decode(data)
        show(document)
        as_text(document)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_every_value_is_found_by_its_pointer(document: Any) -> None:
    def look(value: Any, pointer: str) -> None:
        assert find(document, parse_pointer(pointer)) == value
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, inner in items:
            look(inner, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}")

    look(document, "")
