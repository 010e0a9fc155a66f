"""XDR, the external data representation (RFC 4506): big-endian, in units of four bytes. Pure.

Functions make bytes of values. A Reader makes values of bytes that came from the network, or raises CheckFailed; what
has a length of its own has a limit, too.
"""

from feedback.errors import CheckFailed, Reason

UNIT_BYTES = 4


def uint(*values: int) -> bytes:
    """Return unsigned integers (4.2), or enumerations (4.3), one after the other."""
    return b"".join(value.to_bytes(4) for value in values)


def uint64(value: int) -> bytes:
    """Return an unsigned hyper integer (4.5)."""
    return value.to_bytes(8)


def fixed(data: bytes) -> bytes:
    """Return opaque data whose length both sides know (4.9)."""
    return data + bytes(-len(data) % UNIT_BYTES)


def opaque(data: bytes) -> bytes:
    """Return opaque data with their length (4.10)."""
    return uint(len(data)) + fixed(data)


def string(text: str) -> bytes:
    """Return a text with its length (4.11); in UTF-8, which XDR leaves open."""
    return opaque(text.encode())


def uints(*values: int) -> bytes:
    """Return an array of unsigned integers with its length (4.13)."""
    return uint(len(values), *values)


class Reader:
    """Takes one value after the other. What follows the last one is nobody's business."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fixed(self, length: int) -> bytes:
        """Return opaque data of a known length."""
        start, end = self._at, self._at + length
        self._at = end + -length % UNIT_BYTES
        if self._at > len(self._data):
            raise CheckFailed(
                Reason.PROTOCOL, f"the answer ends too early: {len(self._data)} bytes, must be {self._at} at least"
            )
        return self._data[start:end]

    def uint(self) -> int:
        """Return an unsigned integer, or an enumeration."""
        return int.from_bytes(self.fixed(4))

    def uint64(self) -> int:
        """Return an unsigned hyper integer."""
        return int.from_bytes(self.fixed(8))

    def boolean(self) -> bool:
        """Return a boolean (4.4)."""
        value = self.uint()
        if value > 1:
            raise CheckFailed(Reason.PROTOCOL, f"the answer has a boolean of {value}, must be 0 or 1")
        return value == 1

    def opaque(self, limit: int) -> bytes:
        """Return opaque data of at most `limit` bytes."""
        return self.fixed(self._length(limit, "bytes"))

    def string(self, limit: int) -> str:
        """Return a text of at most `limit` bytes."""
        return self.opaque(limit).decode(errors="replace")

    def uints(self, limit: int) -> list[int]:
        """Return an array of at most `limit` unsigned integers."""
        return [self.uint() for _ in range(self._length(limit, "numbers"))]

    def _length(self, limit: int, of_what: str) -> int:
        length = self.uint()
        if length > limit:
            raise CheckFailed(Reason.PROTOCOL, f"the answer announces {length} {of_what}, must be {limit} at most")
        return length
