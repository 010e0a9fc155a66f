"""OCSP responses for tests (RFC 6960, 4.2.1), as a responder would sign them; the signature is none."""

from tests.checks.certificates import GENERALIZED_TIME, SEQUENCE, element

BASIC = bytes.fromhex("2b0601050507300101")
GOOD, UNKNOWN = element(0x80), element(0x82)
REVOKED = element(0xA1, element(GENERALIZED_TIME, b"20260101000000Z"))


def single(serial: bytes, state: bytes = GOOD, start: bytes = b"20260101000000Z", end: bytes | None = None) -> bytes:
    """Return what is said of one certificate."""
    algorithm = element(SEQUENCE, element(0x06, bytes.fromhex("2b0e03021a")), element(0x05))
    identity = element(SEQUENCE, algorithm, element(0x04, bytes(20)), element(0x04, bytes(20)), element(0x02, serial))
    until = b"" if end is None else element(0xA0, element(GENERALIZED_TIME, end))
    return element(SEQUENCE, identity, state, element(GENERALIZED_TIME, start), until)


def response(*singles: bytes, outcome: bytes = b"\0", kind: bytes = BASIC, beginning: bytes = b"") -> bytes:
    """Return a response; `beginning` is what its data begins with, by default the responder's key."""
    responder = beginning or element(0xA2, element(0x04, bytes(20)))
    produced = element(GENERALIZED_TIME, b"20260101000000Z")
    data = element(SEQUENCE, responder, produced, element(SEQUENCE, *singles))
    basic = element(SEQUENCE, data, element(SEQUENCE), element(0x03, b"\0"))
    return element(
        SEQUENCE,
        element(0x0A, outcome),
        element(0xA0, element(SEQUENCE, element(0x06, kind), element(0x04, basic))),
    )
