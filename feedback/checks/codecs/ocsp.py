"""What an OCSP response says of a certificate (RFC 6960). Its signature is not looked at. Pure."""

from datetime import datetime

import msgspec

from feedback.checks.codecs import der
from feedback.errors import CheckFailed, Reason

_EXPLICIT_0, _RESPONDER_NAME, _RESPONDER_KEY = 0xA0, 0xA1, 0xA2
_BASIC = bytes.fromhex("2b0601050507300101")
_STATES = {0x80: "good", 0xA1: "revoked", 0x82: "unknown"}
_REFUSALS = {1: "malformed request", 2: "internal error", 3: "try later", 5: "must be signed", 6: "unauthorized"}


class Status(msgspec.Struct, frozen=True):
    """The state of one certificate (good, revoked or unknown), and from when to when it holds."""

    serial: bytes
    state: str
    this_update: datetime
    next_update: datetime | None


def parse(encoded: bytes) -> tuple[Status, ...]:
    """Return what a response says, certificate by certificate. Raises CheckFailed where it says nothing."""
    try:
        return tuple(map(_status, _responses(_basic(encoded))))
    except (ValueError, IndexError):
        raise CheckFailed(Reason.PROTOCOL, "the stapled OCSP response can't be read") from None


def _basic(encoded: bytes) -> bytes:
    """Return the BasicOCSPResponse in a response (4.2.1)."""
    _, outcome, rest = der.element(der.content(encoded, der.SEQUENCE), der.ENUMERATED)
    number = int.from_bytes(outcome)
    if number:
        words = _REFUSALS.get(number, f"status {number}")
        raise CheckFailed(Reason.TLS, f"the stapled OCSP response says: {words}")
    _, kind, rest = der.element(der.content(der.content(rest, _EXPLICIT_0), der.SEQUENCE), der.OBJECT_ID)
    if kind != _BASIC:
        raise ValueError("of another type")
    return der.content(rest, der.OCTET_STRING)


def _responses(basic: bytes) -> list[bytes]:
    """Return the SingleResponses, one for each certificate."""
    data = der.content(der.content(basic, der.SEQUENCE), der.SEQUENCE)
    tag, _, rest = der.element(data)
    if tag == _EXPLICIT_0:  # the version
        tag, _, rest = der.element(rest)
    if tag not in {_RESPONDER_NAME, _RESPONDER_KEY}:
        raise ValueError("without a responder")
    _, _, rest = der.element(rest, der.GENERALIZED_TIME)  # produced at
    return [single for _, single in der.elements(der.content(rest, der.SEQUENCE))]


def _status(single: bytes) -> Status:
    """Read the content of a SingleResponse."""
    _, identity, rest = der.element(single, der.SEQUENCE)
    *_, (_, serial) = der.elements(identity)
    tag, _, rest = der.element(rest)
    start_tag, start, rest = der.element(rest)
    end = None
    if rest and rest[0] == _EXPLICIT_0:
        end_tag, text, _ = der.element(der.content(rest, _EXPLICIT_0))
        end = der.time(end_tag, text)
    if tag not in _STATES:
        raise ValueError("of no known state")
    return Status(serial, _STATES[tag], der.time(start_tag, start), end)
