"""What OCSP responses say: every state, every refusal, and whatever the bytes."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import ocsp
from feedback.errors import CheckFailed
from tests.checks.certificates import element
from tests.checks.ocsp_responses import GOOD, REVOKED, UNKNOWN, response, single

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("state", "words"), [(GOOD, "good"), (REVOKED, "revoked"), (UNKNOWN, "unknown")])
def test_each_state_has_its_word(state: bytes, words: str) -> None:
    assert ocsp.parse(response(single(b"\x12", state))) == (ocsp.Status(b"\x12", words, START, None),)


def test_each_certificate_has_a_state_and_a_time() -> None:
    first, second = ocsp.parse(response(single(b"\x01", end=b"20260108000000Z"), single(b"\x02", UNKNOWN)))
    assert (first.serial, first.this_update, first.next_update) == (b"\x01", START, datetime(2026, 1, 8, tzinfo=UTC))
    assert (second.serial, second.state) == (b"\x02", "unknown")


def test_the_version_may_stand_first_and_the_responder_have_a_name() -> None:
    version = element(0xA0, element(0x02, b"\0"))
    assert len(ocsp.parse(response(single(b"\x01"), beginning=version + element(0xA1, element(0x30))))) == 1


@pytest.mark.parametrize(
    ("outcome", "words"), [(b"\x03", "try later"), (b"\x06", "unauthorized"), (b"\x09", "status 9")]
)
def test_a_responder_that_refuses_is_quoted(outcome: bytes, words: str) -> None:
    with pytest.raises(CheckFailed, match=f"^tls: the stapled OCSP response says: {words}$"):
        ocsp.parse(response(outcome=outcome))


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"no DER",
        response(single(b"\x01"))[:-1],
        response(single(b"\x01"), kind=b"\x2a"),
        response(single(b"\x01"), beginning=element(0xA5)),
        response(single(b"\x01", element(0x85))),
        response(single(b"\x01", start=b"20261301000000Z")),
        response(single(b"\x01", end=b"\xff")),
        response(element(0x30, element(0x30))),
    ],
)
def test_what_is_no_response_fails(encoded: bytes) -> None:
    with pytest.raises(CheckFailed, match=r"^protocol: the stapled OCSP response can't be read$"):
        ocsp.parse(encoded)


WHOLE = response(single(b"\x12", REVOKED, end=b"20260108000000Z"))


@given(st.binary(max_size=200) | st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)))
def test_any_bytes_say_something_or_fail(data: bytes | tuple[int, int]) -> None:
    if isinstance(data, tuple):
        data = WHOLE[: data[0]] + bytes([data[1]]) + WHOLE[data[0] + 1 :]
    with contextlib.suppress(CheckFailed):
        assert all(status.state in {"good", "revoked", "unknown"} for status in ocsp.parse(data))
