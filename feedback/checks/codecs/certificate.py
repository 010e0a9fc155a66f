"""When a certificate expires: as much of DER (X.690) and X.509 (RFC 5280) as that takes. Pure."""

import contextlib
from datetime import UTC, datetime

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0


def not_after(encoded: bytes) -> datetime | None:
    """Return the end of a certificate's validity; None for bytes that are no certificate."""
    with contextlib.suppress(ValueError, IndexError):
        _, content, _ = _element(encoded, _SEQUENCE)
        _, fields, _ = _element(content, _SEQUENCE)
        tag, _, rest = _element(fields)
        if tag == _VERSION:
            _, _, rest = _element(rest)  # the serial number
        for _ in ("signature algorithm", "issuer"):
            _, _, rest = _element(rest, _SEQUENCE)
        _, validity, _ = _element(rest, _SEQUENCE)
        _, _, rest = _element(validity)  # not before
        tag, text, _ = _element(rest)
        return _time(tag, text.decode("ascii"))
    return None


def _element(data: bytes, wanted: int | None = None) -> tuple[int, bytes, bytes]:
    """Return an element's tag and content, and what follows it. Raises ValueError or IndexError."""
    tag, length, start = data[0], data[1], 2
    if wanted is not None and tag != wanted:
        raise ValueError(f"tag {tag:#x}, must be {wanted:#x}")
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start])
    if len(data) < start + length:
        raise ValueError("shorter than it says")
    return tag, data[start : start + length], data[start + length :]


def _time(tag: int, text: str) -> datetime:
    """Read UTCTime, whose years are 1950 to 2049, or GeneralizedTime (RFC 5280, 4.1.2.5)."""
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(f"tag {tag:#x} is no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
