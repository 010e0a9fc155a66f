"""BER: vectors of X.690 and of RFC 4511's kind, what is there comes back, and any bytes give a value or a failure."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import ber
from feedback.checks.codecs.ber import Reader
from feedback.errors import CheckFailed

LENGTHS = [0, 1, 127, 128, 255, 256, 65_535, 65_536]


@pytest.mark.parametrize(
    ("encoded", "digits"),
    [
        (ber.integer(0), "020100"),
        (ber.integer(3), "020103"),
        (ber.integer(127), "02017f"),
        (ber.integer(128), "02020080"),
        (ber.integer(256), "02020100"),
        (ber.integer(2, ber.ENUMERATED), "0a0102"),
        (ber.boolean(True), "0101ff"),
        (ber.boolean(False, ber.CONTEXT + 4), "840100"),
        (ber.string("Köln"), "04054bc3b66c6e"),
        (ber.element(ber.SEQUENCE), "3000"),
        (ber.element(ber.SEQUENCE, ber.integer(1), ber.string("a")), "3006020101040161"),
    ],
)
def test_values_are_written_as_the_standard_has_them(encoded: bytes, digits: str) -> None:
    assert encoded.hex() == digits


@pytest.mark.parametrize(
    ("length", "head"),
    [(127, "047f"), (128, "048180"), (255, "0481ff"), (256, "04820100"), (65_536, "0483010000")],
)
def test_a_length_is_written_in_its_shortest_form(length: int, head: str) -> None:
    assert ber.element(ber.OCTET_STRING, bytes(length))[:-length].hex() == head


@pytest.mark.parametrize("length", LENGTHS)
def test_what_is_written_is_read(length: int) -> None:
    content = bytes(length)
    reader = Reader(ber.element(ber.OCTET_STRING, content) + ber.integer(length))
    assert reader.next_tag == ber.OCTET_STRING
    assert reader.take() == (ber.OCTET_STRING, content)
    assert reader.integer() == length
    assert reader.next_tag is None


@pytest.mark.parametrize("head", ["3006", "308106", "30820006", "308400000006"])
def test_a_length_is_read_in_any_definite_form(head: str) -> None:
    inside = Reader(bytes.fromhex(head) + bytes.fromhex("020101040161")).inside(ber.SEQUENCE)
    assert (inside.integer(), inside.string(), inside.next_tag) == (1, "a", None)


@pytest.mark.parametrize(
    ("digits", "value"), [("020100", 0), ("0201ff", -1), ("02020080", 128), ("0208" + "7f" * 8, 0x7F7F7F7F7F7F7F7F)]
)
def test_integers_are_signed(digits: str, value: int) -> None:
    assert Reader(bytes.fromhex(digits)).integer() == value


def test_text_that_is_none_is_shown_as_its_bytes() -> None:
    assert Reader(b"\x04\x03a\xffb").string() == "a\\xffb"


@pytest.mark.parametrize(
    ("digits", "detail"),
    [
        ("", "an element in BER ends too early: 0 bytes, must be 1 at least"),
        ("02", "an element in BER ends too early: 1 bytes, must be 2 at least"),
        ("020201", "an element in BER ends too early: 3 bytes, must be 4 at least"),
        ("0282", "an element in BER ends too early: 2 bytes, must be 4 at least"),
        ("0284ffffffff", "an element in BER ends too early: 6 bytes, must be 4294967301 at least"),
        ("0280", "a length of 0 octets in BER, must be from 1 to 4, and definite"),
        ("02850000000001", "a length of 5 octets in BER, must be from 1 to 4, and definite"),
        ("1f8101", "a tag of several octets in BER, which begins with 0x1f"),
        ("040161", "an element 0x04 in BER, must be 0x02"),
        ("0200", "an integer of 0 octets in BER, must be from 1 to 8"),
        ("0209" + "00" * 9, "an integer of 9 octets in BER, must be from 1 to 8"),
    ],
)
def test_what_is_broken_fails(digits: str, detail: str) -> None:
    with pytest.raises(CheckFailed) as failure:
        Reader(bytes.fromhex(digits)).integer()
    assert (failure.value.reason, failure.value.detail) == ("protocol", detail)


@given(st.lists(st.tuples(st.sampled_from([ber.OCTET_STRING, ber.SEQUENCE, 0x80, 0xA3]), st.binary(max_size=300))))
def test_any_elements_are_read_as_they_were_written(elements: list[tuple[int, bytes]]) -> None:
    reader = Reader(b"".join(ber.element(tag, content) for tag, content in elements))
    assert [reader.take() for _ in elements] == elements
    assert reader.next_tag is None


@given(st.integers(min_value=0, max_value=2**62))
def test_any_integer_is_read_as_it_was_written(value: int) -> None:
    assert Reader(ber.integer(value)).integer() == value


@given(st.binary(max_size=40))
def test_any_bytes_are_elements_or_a_failure(data: bytes) -> None:
    reader = Reader(data)
    with contextlib.suppress(CheckFailed):
        while reader.next_tag is not None:
            _, content = reader.take()
            assert len(content) < len(data)
