"""gRPC's health messages: what Protocol Buffers and gRPC say they look like, and whatever the bytes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import grpc_health
from feedback.errors import CheckFailed


def framed(message: bytes, compressed: bytes = b"\0") -> bytes:
    return compressed + len(message).to_bytes(4) + message


@pytest.mark.parametrize(
    ("service", "encoded"),
    [
        ("", "00 00000000"),
        ("a.B", "00 00000005 0a 03 612e42"),
        ("x" * 200, "00 000000cb 0a c801" + "78" * 200),
        ("grün", "00 00000007 0a 05 6772c3bc6e"),
    ],
)
def test_a_request_names_its_service(service: str, encoded: str) -> None:
    assert grpc_health.request(service) == bytes.fromhex(encoded)


@pytest.mark.parametrize(
    ("message", "state"),
    [
        ("", "UNKNOWN"),
        ("0800", "UNKNOWN"),
        ("0801", "SERVING"),
        ("0802", "NOT_SERVING"),
        ("0803", "SERVICE_UNKNOWN"),
        ("0804", "state 4"),
        ("0802 0801", "SERVING"),
        ("10ac02 0801", "SERVING"),
        ("11 0102030405060708 0801", "SERVING"),
        ("12 03 616263 0801", "SERVING"),
        ("15 01020304 0801", "SERVING"),
        ("0a 02 0802 0801", "SERVING"),
        ("8808 05 0801", "SERVING"),
    ],
)
def test_a_response_has_a_state_among_fields_that_are_passed_over(message: str, state: str) -> None:
    assert grpc_health.read_response(framed(bytes.fromhex(message))) == state


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "protocol: an answer of 0 bytes that is not one message"),
        (b"\0\0\0\0\x02\x08", "protocol: an answer of 6 bytes that is not one message"),
        (framed(b"\x08\x01") * 2, "protocol: an answer of 14 bytes that is not one message"),
        (framed(b"\x08\x01", b"\x01"), "protocol: a compressed answer, which was not asked for"),
        (framed(bytes(4097)), "limit: an answer of 4097 bytes"),
        (framed(b"\x08"), "protocol: an answer that is cut off"),
        (framed(b"\x12\x05abc"), "protocol: an answer that is cut off"),
        (framed(b"\x15\x01\x02"), "protocol: an answer that is cut off"),
        (framed(b"\x0b\x08\x01\x0c"), "protocol: an answer that is no message of Protocol Buffers"),
        (framed(b"\x08" + b"\xff" * 10 + b"\x01"), "protocol: an answer with a number that does not end"),
    ],
)
def test_another_answer_fails(data: bytes, words: str) -> None:
    with pytest.raises(CheckFailed) as raised:
        grpc_health.read_response(data)
    assert str(raised.value) == words


@pytest.mark.parametrize(("number", "name"), [(0, "0 OK"), (16, "16 UNAUTHENTICATED"), (17, "17")])
def test_a_status_code_has_a_name(number: int, name: str) -> None:
    assert grpc_health.code_name(number) == name


def test_a_message_is_decoded_and_can_be_printed() -> None:
    assert grpc_health.read_message("no%20such service: gr%C3%BCn 100%25%0a") == r"no such service: gr\xfcn 100%\n"
    assert grpc_health.read_message("%ff%e2%82%ac") == "??"


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_a_state_or_fail(data: bytes, in_frame: bool) -> None:
    with contextlib.suppress(CheckFailed):
        assert grpc_health.read_response(framed(data) if in_frame else data).isprintable()


@given(st.text(max_size=60))
def test_any_message_can_be_printed(text: str) -> None:
    assert grpc_health.read_message(text).isascii()
