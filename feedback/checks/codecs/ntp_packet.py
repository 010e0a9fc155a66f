"""NTP packets as values (RFC 5905, 7.3): a client's, and whatever comes back. Pure.

Timestamps are NTP's own: 64 bits, of which 32 are seconds. They wrap around every 136 years, the next time in 2036, so
all that is done with them is to take differences.
"""

import ipaddress
import struct

import msgspec

from feedback.errors import CheckFailed, Reason

PACKET_BYTES = 48
NONCE_BYTES = 8

_VERSION, _CLIENT, _SERVER = 4, 3, 4
_REPEATED = slice(24, 32)

_PACKET = struct.Struct("!BB2xII4s16xQQ")
"""Leap, version and mode; stratum; root delay, root dispersion; reference; when it was received, when it was sent."""

_SHORT_UNIT = 2**16
_UNIT = 2**32
_MODULUS, _HALF = 2**64, 2**63
_UNIX_EPOCH = 2_208_988_800 * _UNIT  # 1970, in NTP's time since 1900

_ALARM = 3
_MAX_STRATUM = 15

KISSES = {
    "DENY": "access is denied",
    "RSTR": "access is restricted",
    "RATE": "it is asked too often",
    "INIT": "it has not been synchronized yet",
    "STEP": "its clock has just been stepped",
}
"""Codes of the kiss-o'-death that a client may get (RFC 5905, 7.4), in words."""


class Reply(msgspec.Struct, frozen=True):
    """What a server says of its clock. The root's delay and dispersion in seconds, the others as NTP has them."""

    stratum: int
    reference: str
    root_delay: float
    root_dispersion: float
    received_at: int
    sent_at: int


class Reading(msgspec.Struct, frozen=True):
    """How far the server's clock is ahead of ours, and how long the packets were under way: seconds."""

    offset: float
    delay: float

    @property
    def certain_offset(self) -> float:
        """How far they are apart at least: either way may have taken all of the delay."""
        return max(0.0, abs(self.offset) - self.delay / 2)


def request(nonce: bytes) -> bytes:
    """Return a client's packet. The server only repeats its time, so something that nobody can guess stands there."""
    return bytes([_VERSION << 3 | _CLIENT]).ljust(PACKET_BYTES - NONCE_BYTES, b"\0") + nonce


def nonce_in(data: bytes) -> bytes | None:
    """Return what a server's packet repeats of a client's; None where it is none."""
    if len(data) < PACKET_BYTES or data[0] & 7 != _SERVER or not 1 <= data[0] >> 3 & 7 <= _VERSION:
        return None
    return data[_REPEATED]


def read_reply(data: bytes) -> Reply:
    """Return what a server's packet says. Raises CheckFailed when its time is not to be used, with the reason."""
    first, stratum, delay, dispersion, reference, received_at, sent_at = _PACKET.unpack_from(data)
    code = reference.rstrip(b"\0").decode("latin-1")
    readable = code.isascii() and code.isprintable()
    if stratum == 0 and code and readable:
        raise CheckFailed(Reason.STATUS, f"kiss-o'-death {code}: {KISSES.get(code, 'the server does not want to say')}")
    if first >> 6 == _ALARM or not 1 <= stratum <= _MAX_STRATUM:
        raise CheckFailed(Reason.STATUS, f"not synchronized: leap indicator {first >> 6}, stratum {stratum}")
    if not sent_at or seconds_between(received_at, sent_at) < 0:
        raise CheckFailed(Reason.PROTOCOL, "the server's times make no sense")
    return Reply(
        stratum,
        code if stratum == 1 and readable else str(ipaddress.IPv4Address(reference)),
        delay / _SHORT_UNIT,
        dispersion / _SHORT_UNIT,
        received_at,
        sent_at,
    )


def timestamp(unix_nanoseconds: int) -> int:
    """Return NTP's timestamp of a time."""
    return (unix_nanoseconds * _UNIT // 1_000_000_000 + _UNIX_EPOCH) % _MODULUS


def seconds_between(earlier: int, later: int) -> float:
    """Return the seconds from one timestamp to another, which are less than 68 years apart."""
    return ((later - earlier + _HALF) % _MODULUS - _HALF) / _UNIT


def reading(asked_at: int, reply: Reply, answered_at: int) -> Reading:
    """Return what the four timestamps say, two of our clock and two of the server's (RFC 5905, 8).

    offset = ((T2 - T1) + (T3 - T4)) / 2, delay = (T4 - T1) - (T3 - T2)
    """
    there = seconds_between(asked_at, reply.received_at)
    back = seconds_between(answered_at, reply.sent_at)
    return Reading((there + back) / 2, max(0.0, there - back))
