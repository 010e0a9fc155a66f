"""XDR: the RFC's own example, round trips, and what any bytes may do."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import xdr
from feedback.errors import CheckFailed

FILE = bytes.fromhex(
    "00000009 73696c6c7970726f67000000 00000002 00000004 6c697370 00000004 6a6f686e 00000006 28717569 74290000"
)
"""A file named sillyprog, that lisp executes, that john owns, and that contains (quit): RFC 4506, section 7."""

UINTS = st.integers(0, 2**32 - 1)


def test_the_example_of_the_rfc_is_written() -> None:
    written = xdr.string("sillyprog") + xdr.uint(2) + xdr.string("lisp") + xdr.string("john") + xdr.opaque(b"(quit)")
    assert written == FILE


def test_the_example_of_the_rfc_is_read() -> None:
    reader = xdr.Reader(FILE)
    assert (reader.string(255), reader.uint(), reader.string(255)) == ("sillyprog", 2, "lisp")
    assert (reader.string(255), reader.opaque(65535)) == ("john", b"(quit)")


@given(UINTS, st.integers(0, 2**64 - 1), st.binary(max_size=9), st.binary(max_size=9), st.text(max_size=9))
def test_what_is_written_is_read_in_units_of_four_bytes(
    number: int, large: int, data: bytes, known: bytes, text: str
) -> None:
    written = xdr.uint(number) + xdr.uint64(large) + xdr.opaque(data) + xdr.fixed(known) + xdr.string(text)
    reader = xdr.Reader(written + xdr.uints(number, 7))
    assert len(written) % 4 == 0
    assert (reader.uint(), reader.uint64(), reader.opaque(9)) == (number, large, data)
    assert (reader.fixed(len(known)), reader.string(36), reader.uints(2)) == (known, text, [number, 7])


@pytest.mark.parametrize("value", [False, True])
def test_a_boolean_is_read(value: bool) -> None:
    assert xdr.Reader(xdr.uint(value)).boolean() is value


def test_text_that_is_not_utf_8_is_read_as_far_as_it_is() -> None:
    assert xdr.Reader(xdr.opaque(b"a\xffb")).string(3) == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(
    ("data", "read", "sentence"),
    [
        (b"", xdr.Reader.uint, "the answer ends too early: 0 bytes, must be 4 at least"),
        (b"\0\0\0", xdr.Reader.uint, "the answer ends too early: 3 bytes, must be 4 at least"),
        (bytes(7), xdr.Reader.uint64, "the answer ends too early: 7 bytes, must be 8 at least"),
        (xdr.uint(5) + b"hello", lambda reader: reader.opaque(5), "the answer ends too early: 9 bytes, must be 12"),
        (xdr.uint(5), lambda reader: reader.opaque(4), "the answer announces 5 bytes, must be 4 at most"),
        (b"\xff" * 8, lambda reader: reader.string(1024), "the answer announces 4294967295 bytes, must be 1024 at"),
        (b"\xff" * 8, lambda reader: reader.uints(64), "the answer announces 4294967295 numbers, must be 64 at most"),
        (xdr.uint(2), xdr.Reader.boolean, "the answer has a boolean of 2, must be 0 or 1"),
    ],
)
def test_what_breaks_the_rules_is_refused_in_words(
    data: bytes, read: Callable[[xdr.Reader], object], sentence: str
) -> None:
    with pytest.raises(CheckFailed, match=f"^protocol: {sentence}"):
        read(xdr.Reader(data))


@given(st.binary(max_size=99))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reader = xdr.Reader(data)
    with contextlib.suppress(CheckFailed):
        while True:
            reader.boolean()
            assert len(reader.opaque(64)) <= 64
            assert len(reader.string(64)) <= 64
            assert len(reader.uints(8)) <= 8
