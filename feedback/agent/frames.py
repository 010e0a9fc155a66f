"""Frames of a WebSocket (RFC 6455 section 5), as its client writes and reads them. Pure: bytes in, frames out."""

from collections.abc import Iterator
from enum import IntEnum

import msgspec

from feedback.errors import WireError

MAX_CONTROL_BYTES = 125
FINAL = 0x80
RESERVED = 0x70
MASKED = 0x80
LENGTH_16, LENGTH_64 = 126, 127


class Opcode(IntEnum):
    """What a frame is (section 5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class FrameError(WireError):
    """The peer's bytes break the protocol."""


class TooLargeError(WireError):
    """A frame is larger than this end reads."""


class Frame(msgspec.Struct, frozen=True):
    """One frame; several make a message when all but the last are not final."""

    opcode: Opcode
    payload: bytes = b""
    is_final: bool = True


def encode_frame(opcode: Opcode, payload: bytes, key: bytes) -> bytes:
    """Return a final frame of a client, masked with a key of four bytes that nobody can foresee (section 5.3)."""
    length = len(payload)
    if length < LENGTH_16:
        size = bytes((MASKED | length,))
    elif length < 1 << 16:
        size = bytes((MASKED | LENGTH_16,)) + length.to_bytes(2, "big")
    else:
        size = bytes((MASKED | LENGTH_64,)) + length.to_bytes(8, "big")
    return b"".join((bytes((FINAL | opcode,)), size, key, mask(payload, key)))


def mask(payload: bytes, key: bytes) -> bytes:
    """Return the payload with each byte XORed with the key's, over and over: all at once, as one large number."""
    length = len(payload)
    repeated = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(length, "big")


class FrameReader:
    """Takes a server's bytes as they come, and holds those of a frame that is not whole yet."""

    def __init__(self, max_payload_bytes: int) -> None:
        self._most = max_payload_bytes
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are whole now. Raises FrameError or TooLargeError at the first that can't be read."""
        self._data += data
        while (frame := self._take()) is not None:
            yield frame

    def _take(self) -> Frame | None:
        """Take one frame from the beginning of what has come, None while it is not whole."""
        data = self._data
        if len(data) < 2:
            return None
        opcode, is_final, short = read_head(data[0], data[1])
        begin = 2 + {LENGTH_16: 2, LENGTH_64: 8}.get(short, 0)
        if len(data) < begin:
            return None
        length = read_length(short, bytes(data[2:begin]))
        if length > self._most:
            raise TooLargeError(f"a frame of {length} bytes")
        if len(data) < begin + length:
            return None
        payload = bytes(data[begin : begin + length])
        del data[: begin + length]
        return Frame(opcode, payload, is_final)


def read_head(first: int, second: int) -> tuple[Opcode, bool, int]:
    """Read a frame's first two bytes: what it is, whether it is final, and its length or how that is written."""
    if first & RESERVED:
        raise FrameError("a reserved bit is set, and no extension was agreed on")
    try:
        opcode = Opcode(first & 0x0F)
    except ValueError:
        raise FrameError(f"opcode {first & 0x0F} is reserved") from None
    if second & MASKED:
        raise FrameError("a server's frame is masked")
    is_final = bool(first & FINAL)
    if opcode >= Opcode.CLOSE and not (is_final and second <= MAX_CONTROL_BYTES):
        raise FrameError("a control frame is in several pieces or too long")
    return opcode, is_final, second


def read_length(short: int, rest: bytes) -> int:
    """Read a payload's length, which must be written in as few bytes as it takes."""
    if short < LENGTH_16:
        return short
    length = int.from_bytes(rest, "big")
    if length >= 1 << 63 or length < (LENGTH_16 if short == LENGTH_16 else 1 << 16):
        raise FrameError("a length is not written as it must be")
    return length


def encode_close(code: int) -> bytes:
    """Return the payload of a Close (section 5.5.1)."""
    return code.to_bytes(2, "big")


NO_CODE = 1005
"""What stands for the code of a Close that has none (section 7.1.5)."""

DEFINED_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
"""Codes below 3000 that may be sent: those of section 7.4.1 and of the registry since."""


def decode_close(payload: bytes) -> tuple[int, str]:
    """Return a Close's code and reason. Raises FrameError."""
    if not payload:
        return NO_CODE, ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not (code in DEFINED_CODES or 3000 <= code < 5000):
        raise FrameError("a Close has a code that can't be sent")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise FrameError("the reason of a Close is not UTF-8") from None
