"""DER (X.690): elements one in another, as far as certificates and OCSP responses take it. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime

INTEGER, BIT_STRING, OCTET_STRING, OBJECT_ID, ENUMERATED = 0x02, 0x03, 0x04, 0x06, 0x0A
SEQUENCE, UTC_TIME, GENERALIZED_TIME = 0x30, 0x17, 0x18


def element(data: bytes, wanted: int | None = None) -> tuple[int, bytes, bytes]:
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


def content(data: bytes, wanted: int) -> bytes:
    """Return the content of the first element, which must have this tag. Raises likewise."""
    return element(data, wanted)[1]


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tag and the content of each element, to the end of the data. Raises likewise."""
    while data:
        tag, inner, data = element(data)
        yield tag, inner


def time(tag: int, text: bytes) -> datetime:
    """Read UTCTime, whose years are 1950 to 2049, or GeneralizedTime (RFC 5280, 4.1.2.5). Raises ValueError."""
    digits = text.decode("ascii")
    if tag == UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    elif tag != GENERALIZED_TIME:
        raise ValueError(f"tag {tag:#x} is no time")
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
