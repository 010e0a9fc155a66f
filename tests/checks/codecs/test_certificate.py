"""What a certificate says: when it expires, in either form of time, its names, and whatever the bytes."""

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.certificate import is_for, not_after, parse
from tests.checks.certificates import GENERALIZED_TIME, NAMED, REAL, SEQUENCE, UTC_TIME, certificate, element


def test_the_end_of_a_real_certificate_is_read() -> None:
    assert not_after(REAL) == datetime(2046, 11, 16, 6, 4, 14, tzinfo=UTC)


@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize(
    ("tag", "text", "time"),
    [
        (UTC_TIME, b"300102030405Z", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (UTC_TIME, b"491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (UTC_TIME, b"500101000000Z", datetime(1950, 1, 1, tzinfo=UTC)),
        (GENERALIZED_TIME, b"20500101000000Z", datetime(2050, 1, 1, tzinfo=UTC)),
        (GENERALIZED_TIME, b"99991231235959Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_both_forms_of_time_are_read(tag: int, text: bytes, time: datetime, versioned: bool) -> None:
    assert not_after(certificate(element(tag, text), versioned=versioned)) == time


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\x30",
        b"\x30\x05\x30",
        b"\x30\x82\x01",
        b"not a certificate",
        REAL[:-1],
        element(SEQUENCE, b""),
        certificate(b""),
        certificate(element(0x0C, b"300102030405Z")),
        certificate(element(UTC_TIME, b"301302030405Z")),
        certificate(element(UTC_TIME, b"3001020304Z+0100")),
        certificate(element(UTC_TIME, b"\xff")),
    ],
)
def test_what_is_no_certificate_has_no_end(encoded: bytes) -> None:
    assert not_after(encoded) is None


def test_the_number_the_key_and_the_names_are_read() -> None:
    named = parse(NAMED)
    assert named is not None
    assert named.serial == b"\x12\x34"
    assert named.names == ("www.example.com", "*.example.org", "192.0.2.1", "2001:db8::1")
    pin = "6c46bc32a185aac92409bff725594429cdf85ad86b792438d7a2230314bb7fc2"
    assert hashlib.sha256(named.public_key).hexdigest() == pin


def test_a_certificate_without_names_is_for_nothing() -> None:
    unnamed = parse(REAL)
    assert unnamed is not None
    assert unnamed.names == ()
    assert not is_for("rs1", unnamed.names)


@pytest.mark.parametrize(
    "name", ["www.example.com", "WWW.Example.com.", "a.example.org", "192.0.2.1", "2001:db8::1", "2001:DB8:0::1"]
)
def test_a_name_or_address_of_the_certificate_is_good(name: str) -> None:
    named = parse(NAMED)
    assert named is not None
    assert is_for(name, named.names)


@pytest.mark.parametrize(
    "name",
    ["example.com", "a.www.example.com", "example.org", "a.b.example.org", "192.0.2.2", "2001:db8::2", "", "com"],
)
def test_every_other_is_not(name: str) -> None:
    named = parse(NAMED)
    assert named is not None
    assert not is_for(name, named.names)


@given(st.binary(max_size=99))
def test_any_bytes_have_an_end_or_none(encoded: bytes) -> None:
    assert not_after(encoded) is None
    assert parse(encoded) is None


@given(st.integers(0, len(NAMED) - 1), st.integers(0, 255))
def test_a_certificate_with_any_byte_changed_says_something_or_nothing(index: int, byte: int) -> None:
    said = parse(NAMED[:index] + bytes([byte]) + NAMED[index + 1 :])
    assert said is None or all(isinstance(name, str) for name in said.names)


@given(st.integers(0, len(REAL) - 1), st.integers(0, 255))
def test_a_certificate_with_any_byte_changed_has_an_end_or_none(index: int, byte: int) -> None:
    found = not_after(REAL[:index] + bytes([byte]) + REAL[index + 1 :])
    assert found is None or found.tzinfo is UTC
