"""BER, as far as LDAP has it (X.690; RFC 4511, 5.1): tags of one octet, definite lengths. Pure.

Functions make bytes of values. A Reader makes values of bytes that came from the network, or raises CheckFailed.
"""

from feedback.errors import CheckFailed, Reason

BOOLEAN, INTEGER, OCTET_STRING, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0A, 0x30, 0x31

CONTEXT = 0x80
CONTEXT_CONSTRUCTED = 0xA0
"""Tags whose meaning their place gives: the number is added to these."""

_LONG_TAG = 0x1F
_LONG_LENGTH = 0x80
_MAX_LENGTH_OCTETS = 4  # which some servers send whatever the length is, so the shortest form is not asked for
_MAX_INTEGER_OCTETS = 8


def element(tag: int, *contents: bytes) -> bytes:
    """Return an element: its contents may be elements themselves."""
    content = b"".join(contents)
    length = len(content)
    if length < _LONG_LENGTH:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, _LONG_LENGTH | len(octets))) + octets + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Return an integer that is not negative."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1))


def boolean(value: bool, tag: int = BOOLEAN) -> bytes:
    """Return a boolean."""
    return element(tag, b"\xff" if value else b"\0")


def string(text: str, tag: int = OCTET_STRING) -> bytes:
    """Return a text in UTF-8."""
    return element(tag, text.encode())


def further_length_octets(first: int) -> int:
    """Return how many octets of a length follow its first one."""
    if first < _LONG_LENGTH:
        return 0
    count = first - _LONG_LENGTH
    if not 1 <= count <= _MAX_LENGTH_OCTETS:
        raise CheckFailed(
            Reason.PROTOCOL, f"a length of {count} octets in BER, must be from 1 to {_MAX_LENGTH_OCTETS}, and definite"
        )
    return count


def length_of(octets: bytes) -> int:
    """Return the length that its octets stand for, of which the first one has told how many there are."""
    return octets[0] if len(octets) == 1 else int.from_bytes(octets[1:])


class Reader:
    """Takes one element after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def next_tag(self) -> int | None:
        """The next element's tag, None at the end."""
        return self._data[self._at] if self._at < len(self._data) else None

    def take(self) -> tuple[int, bytes]:
        """Return the next element's tag and its content."""
        tag = self._octets(1)[0]
        if tag & _LONG_TAG == _LONG_TAG:
            raise CheckFailed(Reason.PROTOCOL, f"a tag of several octets in BER, which begins with {tag:#04x}")
        first = self._octets(1)
        return tag, self._octets(length_of(first + self._octets(further_length_octets(first[0]))))

    def content(self, tag: int) -> bytes:
        """Return the content of the next element, which must have this tag."""
        found, content = self.take()
        if found != tag:
            raise CheckFailed(Reason.PROTOCOL, f"an element {found:#04x} in BER, must be {tag:#04x}")
        return content

    def inside(self, tag: int) -> "Reader":
        """Return a reader of what is inside the next element, which must have this tag."""
        return Reader(self.content(tag))

    def integer(self, tag: int = INTEGER) -> int:
        """Return an integer."""
        content = self.content(tag)
        if not 1 <= len(content) <= _MAX_INTEGER_OCTETS:
            raise CheckFailed(
                Reason.PROTOCOL, f"an integer of {len(content)} octets in BER, must be from 1 to {_MAX_INTEGER_OCTETS}"
            )
        return int.from_bytes(content, signed=True)

    def string(self, tag: int = OCTET_STRING) -> str:
        """Return a text in UTF-8; other bytes in it are shown as what they are."""
        return self.content(tag).decode("utf-8", "backslashreplace")

    def _octets(self, count: int) -> bytes:
        start = self._at
        self._at += count
        if self._at > len(self._data):
            raise CheckFailed(
                Reason.PROTOCOL,
                f"an element in BER ends too early: {len(self._data)} bytes, must be {self._at} at least",
            )
        return self._data[start : self._at]
