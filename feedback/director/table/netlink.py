"""Netlink's own layer as bytes: messages, attributes, answers. Pure; linux/netlink.h and linux/genetlink.h say how.

Packed and read with `struct` and not with a netlink library, because a thousand destinations are read every second:
a library's object per message and attribute costs fifty times as much. Whatever the bytes, reading them gives a
value or raises TableError.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from feedback.errors import TableError

HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port id
GENERIC = struct.Struct("=BBxx")  # genlmsghdr: command, version
ATTRIBUTE = struct.Struct("=HH")  # nlattr: length without padding, type
ERROR = struct.Struct("=i")  # nlmsgerr, and the end of a dump, begin with a negative error number, or 0

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP = 0x300
NLMSG_NOOP = 1
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF
VERSION = 1  # of generic netlink's own messages and of IPVS's alike

GENL_ID_CTRL = 16
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_ID = 1
CTRL_ATTR_FAMILY_NAME = 2

Path = tuple[int, ...]
"""An attribute's type, behind the types of the nests around it."""


class Answer(msgspec.Struct, frozen=True):
    """One message from the kernel. `sequence` is that of the request it answers."""

    kind: int
    sequence: int
    payload: bytes

    @property
    def errno(self) -> int:
        """The error number of an NLMSG_ERROR or NLMSG_DONE, 0 for success."""
        if len(self.payload) < ERROR.size:
            raise TableError("the kernel's answer breaks off in the middle of an error")
        return -int(ERROR.unpack_from(self.payload)[0])


def answers(datagram: bytes) -> Iterator[Answer]:
    """Yield the messages of one datagram. Raises TableError where it breaks off."""
    start = 0
    while start < len(datagram):
        if start + HEADER.size > len(datagram):
            raise TableError("the kernel's answer breaks off in the middle of a header")
        length, kind, _, sequence, _ = HEADER.unpack_from(datagram, start)
        if length < HEADER.size or start + length > len(datagram):
            raise TableError(f"the kernel's answer has a message of {length} bytes that breaks off")
        yield Answer(kind, sequence, datagram[start + HEADER.size : start + length])
        start += _padded(length)


def message(kind: int, flags: int, sequence: int, command: int, attributes: bytes = b"") -> bytes:
    """Return a generic netlink request of the family numbered `kind`."""
    length = HEADER.size + GENERIC.size + len(attributes)
    header = HEADER.pack(length, kind, flags | NLM_F_REQUEST, sequence, 0)
    return header + GENERIC.pack(command, VERSION) + attributes


def fence(sequence: int) -> bytes:
    """Return a message that does nothing and is answered: everything sent before it is done by then."""
    return HEADER.pack(HEADER.size, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, sequence, 0)


def family_request(name: str, sequence: int) -> bytes:
    """Return the request for the number that the running kernel has given to a family."""
    attribute = pack(CTRL_ATTR_FAMILY_NAME, name.encode() + b"\0")
    return message(GENL_ID_CTRL, 0, sequence, CTRL_CMD_GETFAMILY, attribute)


def decode_family(payload: bytes) -> int:
    """Return the number in the answer to `family_request`."""
    number: int = Form(payload, {(CTRL_ATTR_FAMILY_ID,): "H"}, frozenset()).read(payload)[0]
    return number


def pack(kind: int, value: bytes) -> bytes:
    """Return an attribute."""
    length = ATTRIBUTE.size + len(value)
    return ATTRIBUTE.pack(length, kind) + value + bytes(_padded(length) - length)


def nest(kind: int, attributes: bytes) -> bytes:
    """Return an attribute made of attributes."""
    return pack(kind | NLA_F_NESTED, attributes)


def walk(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the attributes between two places: type without flags, where the value begins, where it ends.

    Raises TableError where they break off.
    """
    while start < end:
        if start + ATTRIBUTE.size > end:
            raise TableError("the kernel's answer breaks off in the middle of an attribute")
        length, kind = ATTRIBUTE.unpack_from(data, start)
        if length < ATTRIBUTE.size or start + length > end:
            raise TableError(f"the kernel's answer has an attribute of {length} bytes that breaks off")
        yield kind & NLA_TYPE_MASK, start + ATTRIBUTE.size, start + length
        start += _padded(length)


class Form:
    """Where the attributes stand in a message, and so in every message with the same ones in the same order.

    `wanted` has, for the path of each attribute (its type, behind those of the nests around it), the format in which
    `struct` reads it as one value; "s" alone takes its length from the message. Those in `optional` may be missing.
    Raises TableError when another is, or is of another size.
    """

    def __init__(self, payload: bytes, wanted: Mapping[Path, str], optional: AbstractSet[Path]) -> None:
        found = list(_places(payload, {path[:depth] for path in wanted for depth in range(1, len(path))}))
        places = dict(found)
        fields = []
        for path, layout in wanted.items():
            if path in places:
                fields.append((*places[path], path, layout))
            elif path not in optional:
                raise TableError(f"the kernel's answer lacks attribute {_name(path)}")
        fields.sort()
        self._struct = _struct(fields)
        order = [path for _, _, path, _ in fields]
        self._pick = [order.index(path) if path in places else len(order) for path in wanted]
        self._size = len(payload)
        self._mask = _mask((place for _, place in found), len(payload))
        self._headers = int.from_bytes(payload, "big") & self._mask

    def fits(self, payload: bytes) -> bool:
        """Return whether a message has this form: everything but values and padding is the same."""
        return len(payload) == self._size and int.from_bytes(payload, "big") & self._mask == self._headers

    def read(self, payload: bytes) -> list[Any]:
        """Return a fitting message's wanted values in their order, None where there is none."""
        values = (*self._struct.unpack_from(payload), None)
        return [values[index] for index in self._pick]


class Reader:
    """Reads the wanted attributes of messages, fastest when each has the form of the one before it, as in a dump.

    Comparing two forms costs a tenth of walking through one.
    """

    def __init__(self, wanted: Mapping[Path, str], optional: AbstractSet[Path] = frozenset()) -> None:
        self._wanted = wanted
        self._optional = optional
        self._form: Form | None = None

    def read(self, payload: bytes) -> list[Any]:
        """Return the wanted values in their order, None for a missing optional one. Raises TableError."""
        form = self._form
        if form is None or not form.fits(payload):
            form = self._form = Form(payload, self._wanted, self._optional)
        return form.read(payload)


def _places(payload: bytes, nests: AbstractSet[Path]) -> Iterator[tuple[Path, tuple[int, int]]]:
    """Yield every attribute's path, begin and end, those in `nests` with what is in them."""
    pending: list[tuple[Path, int, int]] = [((), GENERIC.size, len(payload))]
    while pending:
        outer, start, end = pending.pop()
        for kind, begin, stop in walk(payload, start, end):
            path = (*outer, kind)
            yield path, (begin, stop)
            if path in nests:
                pending.append((path, begin, stop))


def _struct(fields: Iterable[tuple[int, int, Path, str]]) -> struct.Struct:
    """Return what unpacks fields, sorted by where they begin: those places, and nothing between them."""
    layouts, reached = ["="], 0
    for begin, stop, path, layout in fields:
        size = stop - begin
        if layout == "s":
            layouts.append(f"{begin - reached}x{size}s")
        elif struct.calcsize("=" + layout) == size:
            layouts.append(f"{begin - reached}x{layout}")
        else:
            raise TableError(f"the kernel's answer has {size} bytes in attribute {_name(path)}")
        reached = stop
    return struct.Struct("".join(layouts))


def _mask(places: Iterable[tuple[int, int]], size: int) -> int:
    """Return a number of as many bytes as the message has, with ones where attributes have their headers."""
    mask = bytearray(size)
    for begin, _ in places:
        mask[begin - ATTRIBUTE.size : begin] = b"\xff" * ATTRIBUTE.size
    return int.from_bytes(mask, "big")


def _name(path: Path) -> str:
    return ".".join(map(str, path))


def _padded(length: int) -> int:
    """Messages and attributes begin at multiples of four."""
    return (length + 3) & ~3
