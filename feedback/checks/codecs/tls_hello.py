"""The beginning of a TLS 1.2 handshake (RFC 5246): as much as it takes to see a stapled OCSP response. Pure.

In TLS 1.2 what the server says first goes in the clear; in TLS 1.3 it is encrypted.
"""

import ipaddress
import struct
from collections.abc import Sequence

import msgspec

from feedback.errors import CheckFailed, FeedbackError, Reason

HEADER_BYTES = 5
RECORD_LIMIT_BYTES = 2**14
FLIGHT_LIMIT_BYTES = 128 * 1024

_ALERT, _HANDSHAKE = 21, 22
_TLS12 = b"\x03\x03"
_SERVER_HELLO, _CERTIFICATE, _SERVER_HELLO_DONE, _CERTIFICATE_STATUS = 2, 11, 14, 22
_SERVER_NAME, _STATUS_REQUEST, _GROUPS, _POINT_FORMATS, _SIGNATURES = 0, 5, 10, 11, 13
_PROTOCOL_VERSION = 70

CIPHERS = (0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC009, 0xC013, 0x009C, 0x009D, 0x002F, 0x0035)
"""ECDHE with ECDSA and RSA, by GCM, ChaCha20 and CBC, and plain RSA: what servers of TLS 1.2 have."""

CURVES = (29, 23, 24, 25)
SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201, 0x0203)

FAREWELL = bytes([_ALERT, 3, 3, 0, 2, 1, 0])
"""The alert close_notify (7.2.1)."""


class NoTls12Error(FeedbackError):
    """The server does not speak TLS 1.2."""


class Flight(msgspec.Struct, frozen=True):
    """What the server has said first: its certificate, and the OCSP response for it, b"" without one."""

    certificate: bytes
    staple: bytes


def client_hello(name: str, random: bytes) -> bytes:
    """Return a ClientHello that asks for a stapled OCSP response (RFC 6066, 8), with 32 bytes of chance in it."""
    extensions = [
        (_STATUS_REQUEST, b"\x01\0\0\0\0"),  # OCSP, from any responder, with no extensions
        (_GROUPS, _vector(2, _shorts(CURVES))),
        (_POINT_FORMATS, _vector(1, b"\0")),
        (_SIGNATURES, _vector(2, _shorts(SIGNATURES))),
    ]
    if not _is_address(name):  # which is no server name (RFC 6066, 3)
        extensions.insert(0, (_SERVER_NAME, _vector(2, b"\0" + _vector(2, name.encode("idna")))))
    tail = b"".join(struct.pack("!H", kind) + _vector(2, value) for kind, value in extensions)
    body = _TLS12 + random + _vector(1, b"") + _vector(2, _shorts(CIPHERS)) + _vector(1, b"\0") + _vector(2, tail)
    return bytes([_HANDSHAKE, 3, 1]) + _vector(2, b"\x01" + _vector(3, body))


def record_length(header: bytes) -> int:
    """Return how long the record is that begins with these five bytes. Raises CheckFailed."""
    kind, major, length = header[0], header[1], int.from_bytes(header[3:HEADER_BYTES])
    if kind not in {_ALERT, _HANDSHAKE} or major != 3 or not 0 < length <= RECORD_LIMIT_BYTES:
        raise CheckFailed(Reason.PROTOCOL, "not an answer in TLS")
    return length


class Handshake:
    """Collects the server's first flight, record by record."""

    def __init__(self) -> None:
        self._unread = b""
        self._read = 0
        self._certificate = b""
        self._staple = b""
        self._greeted = False

    def feed(self, kind: int, record: bytes) -> Flight | None:
        """Take a record. Return the flight when it is complete. Raises CheckFailed, or NoTls12Error."""
        if kind == _ALERT:
            self._refused(record)
        self._read += len(record)
        if self._read > FLIGHT_LIMIT_BYTES:
            raise CheckFailed(Reason.LIMIT, f"more than {FLIGHT_LIMIT_BYTES} bytes of handshake")
        self._unread += record
        while len(self._unread) >= 4:
            end = 4 + int.from_bytes(self._unread[1:4])
            if len(self._unread) < end:
                break
            message, body = self._unread[0], self._unread[4:end]
            self._unread = self._unread[end:]
            if self._take(message, body):
                return Flight(self._certificate, self._staple)
        return None

    def _take(self, message: int, body: bytes) -> bool:
        """Take a message, and return whether it is the last one."""
        if not self._greeted and message != _SERVER_HELLO:
            raise CheckFailed(Reason.PROTOCOL, "a handshake that does not begin with ServerHello")
        if message == _SERVER_HELLO:
            self._greeted = True
            if body[:2] != _TLS12:
                raise NoTls12Error
        elif message == _CERTIFICATE:
            self._certificate = _inner(_inner(body))
        elif message == _CERTIFICATE_STATUS:
            self._staple = _inner(body[1:])
        return message == _SERVER_HELLO_DONE

    @staticmethod
    def _refused(record: bytes) -> None:
        number = record[1] if len(record) > 1 else 0
        if number == _PROTOCOL_VERSION:
            raise NoTls12Error
        raise CheckFailed(Reason.TLS, f"refused a handshake in TLS 1.2 by alert {number}")


def _inner(data: bytes) -> bytes:
    """Return a field with three bytes of length before it. Raises CheckFailed."""
    length = int.from_bytes(data[:3])
    if len(data) < 3 + length:
        raise CheckFailed(Reason.PROTOCOL, "a handshake whose lengths are wrong")
    return data[3 : 3 + length]


def _vector(width: int, data: bytes) -> bytes:
    return len(data).to_bytes(width) + data


def _shorts(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"!{len(numbers)}H", *numbers)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
