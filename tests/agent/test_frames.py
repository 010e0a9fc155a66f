"""Frames, against wsproto's server end and byte by byte."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol

from feedback.agent.frames import (
    Frame,
    FrameError,
    FrameReader,
    Opcode,
    TooLargeError,
    decode_close,
    encode_close,
    encode_frame,
    mask,
)

KEY = bytes.fromhex("37fa213d")


def read(data: bytes, limit: int = 1 << 20) -> list[Frame]:
    return list(FrameReader(limit).feed(data))


def test_a_masked_text_is_the_rfcs() -> None:
    assert encode_frame(Opcode.TEXT, b"Hello", KEY) == bytes.fromhex("818537fa213d7f9f4d5158")  # section 5.7


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
@example(b"x" * 125, KEY)
@example(b"x" * 126, KEY)
@example(b"x" * 65535, KEY)
@example(b"x" * 65536, KEY)
def test_what_the_client_writes_a_server_reads(payload: bytes, key: bytes) -> None:
    server = FrameProtocol(client=False, extensions=[])
    server.receive_bytes(encode_frame(Opcode.BINARY, payload, key))
    frames = list(server.received_frames())
    assert b"".join(frame.payload for frame in frames if isinstance(frame.payload, bytes | bytearray)) == payload
    assert frames[-1].message_finished


@given(payload=st.binary(max_size=300), final=st.booleans())
@example(payload=b"x" * 65536, final=True)
def test_what_a_server_writes_the_client_reads(*, payload: bytes, final: bool) -> None:
    data = bytes(FrameProtocol(client=False, extensions=[]).send_data(payload, fin=final))
    assert read(data) == [Frame(Opcode.BINARY, payload, final)]


@given(st.lists(st.binary(max_size=200), max_size=4), st.integers(min_value=1, max_value=50))
@example([b"x" * 200], 1)
def test_frames_are_the_same_in_whatever_pieces_they_come(payloads: list[bytes], piece: int) -> None:
    data = b"".join(FrameProtocol(client=False, extensions=[]).send_data(payload) for payload in payloads)
    reader = FrameReader(1000)
    frames = [frame for at in range(0, len(data), piece) for frame in reader.feed(data[at : at + piece])]
    assert [frame.payload for frame in frames] == payloads


@given(st.binary(max_size=1000), st.binary(min_size=4, max_size=4))
def test_a_mask_is_taken_off_as_it_is_put_on(payload: bytes, key: bytes) -> None:
    masked = mask(payload, key)
    assert mask(masked, key) == payload
    assert masked == bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("c200", "a reserved bit is set, and no extension was agreed on"),
        ("8300", "opcode 3 is reserved"),
        ("828137fa213d56", "a server's frame is masked"),
        ("0900", "a control frame is in several pieces or too long"),
        ("897e007e", "a control frame is in several pieces or too long"),
        ("827e007d", "a length is not written as it must be"),
        ("827f000000000000ffff", "a length is not written as it must be"),
        ("827f8000000000000000", "a length is not written as it must be"),
    ],
)
def test_what_breaks_the_protocol_is_told(data: str, words: str) -> None:
    with pytest.raises(FrameError, match=f"^{words}$"):
        read(bytes.fromhex(data))


def test_a_frame_that_is_too_large_is_refused_when_it_is_announced() -> None:
    with pytest.raises(TooLargeError, match=r"^a frame of 65536 bytes$"):
        read(bytes.fromhex("827f0000000000010000"), limit=65535)


@given(st.binary(max_size=100))
def test_any_bytes_are_frames_or_refused_in_words(data: bytes) -> None:
    with contextlib.suppress(FrameError, TooLargeError):
        assert sum(2 + len(frame.payload) for frame in read(data, limit=64)) <= len(data)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1014, 3000, 4999])
def test_a_close_s_code_is_read(code: int) -> None:
    assert decode_close(encode_close(code) + "zu früh".encode()) == (code, "zu früh")


def test_a_close_without_a_code_has_none() -> None:
    assert decode_close(b"") == (1005, "")


@pytest.mark.parametrize("payload", ["03", "03e7", "03ed", "03ee", "03f7", "0bb7", "1388"])
def test_a_code_that_can_t_be_sent_is_refused(payload: str) -> None:
    with pytest.raises(FrameError, match=r"^a Close has a code that can't be sent$"):
        decode_close(bytes.fromhex(payload))


def test_a_reason_in_another_encoding_is_refused() -> None:
    with pytest.raises(FrameError, match=r"^the reason of a Close is not UTF-8$"):
        decode_close(encode_close(1000) + b"\xff")
