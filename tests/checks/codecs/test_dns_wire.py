"""A walk over DNS messages: compressed names, and names and records that are broken in every way."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.dns_wire import NAME_BYTES, RawRecord, Reader, read_name
from feedback.errors import CheckFailed

# The message of RFC 1035, 4.1.4: F.ISI.ARPA at 20, FOO.F.ISI.ARPA at 40, ARPA at 64, the root at 92
EXAMPLE = bytearray(93)
EXAMPLE[20:32] = b"\x01F\x03ISI\x04ARPA\x00"
EXAMPLE[40:46] = b"\x03FOO\xc0\x14"
EXAMPLE[64:66] = b"\xc0\x1a"
EXAMPLE[92] = 0

NONE = "the answer is broken: a name in it is none"


@pytest.mark.parametrize(
    ("start", "name", "end"),
    [
        (20, b"\x01f\x03isi\x04arpa\x00", 32),
        (40, b"\x03foo\x01f\x03isi\x04arpa\x00", 46),
        (64, b"\x04arpa\x00", 66),
        (92, b"\x00", 93),
    ],
)
def test_the_names_of_the_rfc_are_read(start: int, name: bytes, end: int) -> None:
    assert read_name(bytes(EXAMPLE), start) == (name, end)


@pytest.mark.parametrize(
    "wire",
    [
        b"",  # nothing
        b"\x03ab",  # a label that ends too early
        b"\x01a",  # no end
        b"\xc0",  # half a pointer
        b"\xc0\x00",  # to itself
        b"\xc0\x02\x00",  # forward
        b"\x01a\xc0\x00",  # round and round
        b"\x01a\xc0\x01",  # into its own part
        b"\x40a\x00",  # the labels that RFC 6891, 5, has withdrawn
        b"\x80a\x00",
    ],
)
def test_a_name_that_is_none_is_refused(wire: bytes) -> None:
    with pytest.raises(CheckFailed, match=NONE):
        read_name(wire, 0)


def test_a_name_of_255_bytes_is_read_and_a_longer_one_is_not() -> None:
    longest = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\x00"
    assert read_name(longest, 0) == (longest, NAME_BYTES)
    with pytest.raises(CheckFailed, match=NONE):
        read_name(b"\x01b" + longest, 0)
    with pytest.raises(CheckFailed, match=NONE):
        read_name(longest + b"\x01b\xc0\x00", NAME_BYTES)


def test_pointers_may_follow_pointers_as_long_as_they_lead_back() -> None:
    assert read_name(b"\x01a\x00\xc0\x00\xc0\x03\xc0\x05", 7) == (b"\x01a\x00", 9)
    with pytest.raises(CheckFailed, match=NONE):
        read_name(b"\x01a\x00\xc0\x05\xc0\x03\xc0\x05", 7)


def test_records_follow_each_other() -> None:
    first = b"\x01A\x00" + struct.pack("!HHIH", 1, 1, 300, 4) + b"\xc0\x00\x02\x01"
    second = b"\xc0\x00" + struct.pack("!HHIH", 16, 3, 0xFFFFFFFF, 0)
    reader = Reader(first + second)
    assert reader.record() == RawRecord(b"\x01a\x00", 1, 1, 300, 13, 4)
    assert reader.record() == RawRecord(b"\x01a\x00", 16, 3, 0xFFFFFFFF, len(first + second), 0)


@pytest.mark.parametrize("length", range(1, 17))
def test_a_record_that_ends_too_early_is_refused(length: int) -> None:
    record = b"\x01a\x00" + struct.pack("!HHIH", 1, 1, 300, 4) + b"\xc0\x00\x02\x01"
    with pytest.raises(CheckFailed) as caught:
        Reader(record[:length]).record()
    assert caught.value.reason == "protocol"


@given(st.binary(max_size=300), st.integers(0, 300))
def test_whatever_the_bytes_a_name_is_read_or_refused(wire: bytes, start: int) -> None:
    with contextlib.suppress(CheckFailed):
        name, end = read_name(wire, start)
        assert name.endswith(b"\x00")
        assert len(name) <= NAME_BYTES
        assert start < end <= len(wire)
