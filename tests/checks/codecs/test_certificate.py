"""When a certificate expires: in either form of time, and whatever the bytes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.certificate import not_after
from tests.checks.certificates import GENERALIZED_TIME, REAL, SEQUENCE, UTC_TIME, certificate, element


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


@given(st.binary(max_size=99))
def test_any_bytes_have_an_end_or_none(encoded: bytes) -> None:
    assert not_after(encoded) is None


@given(st.integers(0, len(REAL) - 1), st.integers(0, 255))
def test_a_certificate_with_any_byte_changed_has_an_end_or_none(index: int, byte: int) -> None:
    found = not_after(REAL[:index] + bytes([byte]) + REAL[index + 1 :])
    assert found is None or found.tzinfo is UTC
