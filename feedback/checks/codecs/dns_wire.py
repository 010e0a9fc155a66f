"""A walk over the bytes of a DNS message: names, and records without a look into their data (RFC 1035, 4.1). Pure."""

import struct

import msgspec

from feedback.errors import CheckFailed, Reason

NAME_BYTES = 255
LABEL_BYTES = 63

RECORD = struct.Struct("!HHIH")
"""What stands between a record's owner and its data: type, class, time to live, length of the data."""

_POINTER = 0xC0


class RawRecord(msgspec.Struct, frozen=True):
    """A record, and where in the message its data are: names in them may point to anywhere before."""

    owner: bytes
    kind: int
    of_class: int
    lifetime: int
    start: int
    length: int


class Reader:
    """Reads a message from its beginning. Everything here raises CheckFailed where the message is broken."""

    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        self._at = 0

    def unpack(self, shape: struct.Struct) -> tuple[int, ...]:
        """Return the next numbers."""
        start = self._skip(shape.size)
        return shape.unpack_from(self.wire, start)

    def record(self) -> RawRecord:
        """Return the next record."""
        owner = self.name()
        kind, of_class, lifetime, length = self.unpack(RECORD)
        return RawRecord(owner, kind, of_class, lifetime, self._skip(length), length)

    def name(self) -> bytes:
        """Return the next name: whole, and in lower case."""
        name, self._at = read_name(self.wire, self._at)
        return name

    def _skip(self, count: int) -> int:
        """Go on by so many bytes, which must be there, and return where they begin."""
        start, self._at = self._at, self._at + count
        if self._at > len(self.wire):
            raise broken("it ends too early")
        return start


def read_name(wire: bytes, start: int) -> tuple[bytes, int]:
    """Return the name that begins at `start`, whole and in lower case, and where it ends.

    A pointer must lead to before the part of the name that it ends (RFC 1035, 4.1.4), so that there is an end.
    """
    name = b""
    part = at = start
    end = None
    while True:
        count = wire[at] if at < len(wire) else 0
        if count > LABEL_BYTES:
            target = int.from_bytes(wire[at : at + 2]) & ~(_POINTER << 8)
            if count < _POINTER or at + 2 > len(wire) or target >= part:
                raise broken("a name in it is none")
            end = end or at + 2
            part = at = target
            continue
        label = wire[at : at + 1 + count]
        name += label.lower()  # RFC 4343; a label's length is no letter
        at += 1 + count
        if at > len(wire) or len(name) > NAME_BYTES:
            raise broken("a name in it is none")
        if not count:
            return name, end or at


def broken(what: str) -> CheckFailed:
    """Return the failure of a message that breaks the rules."""
    return CheckFailed(Reason.PROTOCOL, f"the answer is broken: {what}")
