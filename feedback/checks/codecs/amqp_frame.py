"""AMQP 0-9-1 as far as a client goes that connects, logs in, and asks for a queue. Pure.

Everything is a frame: a head of seven bytes, a payload, and an end byte. A method's payload is its class, its number in
that, and its arguments. The specification's sections are those of "AMQP 0-9-1 Protocol Specification".
"""

import struct
from collections.abc import Mapping

import msgspec

from feedback.checks.matching import excerpt, printable
from feedback.errors import CheckFailed, Reason

HEADER = b"AMQP\0\0\x09\x01"
HEAD_BYTES = 7
END = b"\xce"
END_BYTES = len(END)

METHOD, HEARTBEAT = 1, 8
MAX_BYTES = 128 * 1024
"""As large a frame as is read, and as is agreed on."""

Name = tuple[int, int]
"""A method's class and its number in that."""

START, START_OK = (10, 10), (10, 11)
SECURE = (10, 20)
TUNE, TUNE_OK = (10, 30), (10, 31)
OPEN, OPEN_OK = (10, 40), (10, 41)
CLOSE, CLOSE_OK = (10, 50), (10, 51)
BLOCKED, UNBLOCKED = (10, 60), (10, 61)
CHANNEL_OPEN, CHANNEL_OPEN_OK = (20, 10), (20, 11)
CHANNEL_CLOSE, CHANNEL_CLOSE_OK = (20, 40), (20, 41)
DECLARE, DECLARE_OK = (50, 10), (50, 11)

NAMES: Mapping[Name, str] = {
    START: "Connection.Start",
    SECURE: "Connection.Secure",
    TUNE: "Connection.Tune",
    OPEN_OK: "Connection.Open-Ok",
    CLOSE: "Connection.Close",
    CLOSE_OK: "Connection.Close-Ok",
    CHANNEL_OPEN_OK: "Channel.Open-Ok",
    CHANNEL_CLOSE: "Channel.Close",
    CHANNEL_CLOSE_OK: "Channel.Close-Ok",
    DECLARE_OK: "Queue.Declare-Ok",
}

NO_METHOD = (0, 0)
"""What a heartbeat is instead."""

NOTICES = frozenset({NO_METHOD, BLOCKED, UNBLOCKED})
"""What a server may say at any time, and what has no answer."""

CHANNEL = 1
"""The one channel."""

SUCCESS = 200
ACCESS_REFUSED = 403
PASSIVE = 1

SHORT_STRING_BYTES = 255

_FIXED: Mapping[int, int] = {
    ord(kind): size
    for size, kinds in {0: "V", 1: "tbB", 2: "sUu", 4: "Iif", 5: "D", 8: "lLdT"}.items()
    for kind in kinds
}
"""How long values are whose kind says it (4.2.5.5, and what brokers have made of it)."""

_PREFIXED = frozenset(b"SxAF")
"""Kinds of values with their length before them."""

_TEXT = ord("S")


class Head(msgspec.Struct, frozen=True):
    """A frame's head: what it is, its channel, and how long its payload is."""

    kind: int
    channel: int
    size: int


class Start(msgspec.Struct, frozen=True):
    """What a server says first: what it is, and how one can log in."""

    product: str
    version: str
    mechanisms: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.product or "a server without a name", self.version)))


class Tune(msgspec.Struct, frozen=True):
    """A server's limits; 0 is none."""

    channels: int
    frame_bytes: int
    heartbeat_seconds: int


class Close(msgspec.Struct, frozen=True):
    """Why a server closes a channel or the connection."""

    code: int
    text: str

    def failure(self) -> CheckFailed:
        """Return what this is for a check."""
        reason = Reason.AUTH if self.code == ACCESS_REFUSED else Reason.STATUS
        return CheckFailed(reason, f"the server closes: {self.code} {self.text}".rstrip())


class Queue(msgspec.Struct, frozen=True):
    """How many messages wait in a queue, and how many consumers it has."""

    messages: int
    consumers: int


class Reader:
    """Takes arguments apart. What ends too early is a broken method."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self._place >= len(self._data)

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        taken = self._data[self._place : self._place + count]
        if len(taken) < count:
            raise CheckFailed(Reason.PROTOCOL, "a method's arguments end in the middle")
        self._place += count
        return taken

    def number(self, count: int) -> int:
        """Return a number of so many bytes."""
        return int.from_bytes(self.take(count), "big")

    def short_string(self) -> str:
        """Return a string with one byte of length before it."""
        return self.take(self.number(1)).decode("utf-8", "replace")

    def long_string(self) -> bytes:
        """Return bytes with four bytes of length before them: a text, or a table that is passed over."""
        return self.take(self.number(4))

    def texts(self) -> dict[str, str]:
        """Return the texts of a table, and pass over all else in it."""
        table = Reader(self.long_string())
        found = {}
        while not table.ended:
            name = table.short_string()
            kind = table.number(1)
            if kind in _PREFIXED:
                value = table.long_string()
                if kind == _TEXT:
                    found[name] = value.decode("utf-8", "replace")
            elif kind in _FIXED:
                table.take(_FIXED[kind])
            else:
                raise CheckFailed(Reason.PROTOCOL, f"a table has a value of no kind: {excerpt(bytes([kind]))}")
        return found


def read_head(data: bytes) -> Head:
    """Return a frame's head. Raises CheckFailed for what is none, or too long."""
    kind, channel, size = struct.unpack(">BHI", data)
    if kind not in {METHOD, HEARTBEAT}:
        raise CheckFailed(Reason.PROTOCOL, f"not a frame of AMQP 0-9-1: {excerpt(data)}")
    if size > MAX_BYTES:
        raise CheckFailed(Reason.LIMIT, f"a frame of {size} bytes, of which at most {MAX_BYTES} are read")
    return Head(kind, channel, size)


def is_header(data: bytes) -> bool:
    """Return whether what should be a frame's head is a protocol header: the server wants another version (4.2.2)."""
    return data.startswith(b"AMQP")


def other_version(header: bytes) -> CheckFailed:
    """Return what it is that a server answers with the header of the version that it has."""
    protocol, *version = header[4:]
    words = ".".join(map(str, version)) if protocol else "-".join(map(str, version))
    return CheckFailed(Reason.PROTOCOL, f"the server has another version of AMQP: {words} (protocol {protocol})")


def read_method(head: Head, rest: bytes) -> tuple[Name, Reader]:
    """Return a method's name, and its arguments. `rest` is the frame behind its head."""
    if rest[-END_BYTES:] != END:
        raise CheckFailed(Reason.PROTOCOL, f"a frame ends with {rest[-END_BYTES:].hex()}, must be {END.hex()}")
    reader = Reader(rest[:-END_BYTES])
    if head.kind != METHOD:
        return NO_METHOD, reader
    return (reader.number(2), reader.number(2)), reader


def read_start(reader: Reader) -> Start:
    """Return what a server says first (1.4.2.1)."""
    version = reader.number(1), reader.number(1)
    if version != (0, 9):
        raise CheckFailed(Reason.PROTOCOL, f"the server starts version {version[0]}-{version[1]}, must be 0-9")
    properties = reader.texts()
    mechanisms = reader.long_string().decode("utf-8", "replace").split()
    reader.long_string()  # languages
    return Start(properties.get("product", ""), properties.get("version", ""), tuple(mechanisms))


def read_tune(reader: Reader) -> Tune:
    """Return a server's limits."""
    return Tune(reader.number(2), reader.number(4), reader.number(2))


def read_close(reader: Reader) -> Close:
    """Return why a server closes."""
    return Close(reader.number(2), printable(reader.short_string().encode(), 200))


def read_declare_ok(reader: Reader) -> Queue:
    """Return what there is to say of a queue."""
    reader.short_string()
    return Queue(reader.number(4), reader.number(4))


def start_ok(user: str, password: str) -> bytes:
    """Return a login by PLAIN, and that a refusal is to be said, not only shown by a closed connection."""
    capabilities = _table(_short("authentication_failure_close") + b"t\x01")
    properties = _table(_short("product") + b"S" + _long(b"feedback") + _short("capabilities") + b"F" + capabilities)
    answer = _long(f"\0{user}\0{password}".encode())
    return method(START_OK, properties + _short("PLAIN") + answer + _short("en_US"))


def tune_ok(tune: Tune) -> bytes:
    """Return limits within those of the server: one channel, and no heartbeat."""
    frame_bytes = min(tune.frame_bytes or MAX_BYTES, MAX_BYTES)
    return method(TUNE_OK, struct.pack(">HIH", CHANNEL, frame_bytes, 0))


def open_virtual_host(name: str) -> bytes:
    """Return Connection.Open."""
    return method(OPEN, _short(name) + _short("") + b"\0")


def open_channel() -> bytes:
    """Return Channel.Open."""
    return method(CHANNEL_OPEN, _short(""), CHANNEL)


def declare(queue: str) -> bytes:
    """Return Queue.Declare, passive: a queue that is not there is not made."""
    return method(DECLARE, b"\0\0" + _short(queue) + bytes([PASSIVE]) + _table(b""), CHANNEL)


def close_channel() -> bytes:
    """Return Channel.Close, as one that has what it wanted."""
    return method(CHANNEL_CLOSE, _success(), CHANNEL)


def close() -> bytes:
    """Return Connection.Close, likewise."""
    return method(CLOSE, _success())


def _success() -> bytes:
    return struct.pack(">H", SUCCESS) + _short("the check is over") + bytes(4)


def method(name: Name, arguments: bytes = b"", channel: int = 0) -> bytes:
    """Return a method's frame."""
    payload = struct.pack(">HH", *name) + arguments
    return struct.pack(">BHI", METHOD, channel, len(payload)) + payload + END


def is_short(text: str) -> bool:
    """Return whether a text is one that a short string can have, and not an empty one."""
    try:
        return 0 < len(text.encode()) <= SHORT_STRING_BYTES
    except UnicodeEncodeError:
        return False


def _short(text: str) -> bytes:
    data = text.encode()
    return bytes([len(data)]) + data


def _long(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


_table = _long
