"""As much of D-Bus as it takes to ask for a property: messages in bytes. Pure.

https://dbus.freedesktop.org/doc/dbus-specification.html: "Message Format" and "Marshaling".
"""

import struct

import msgspec

from feedback.agent.source import SourceError

METHOD_CALL, METHOD_RETURN, ERROR = 1, 2, 3
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SIGNATURE = 1, 2, 3, 4, 5, 6, 8
PRELUDE_BYTES = 16
"""The part of a message whose length is known: it ends with how long the header fields are."""
MAX_MESSAGE_BYTES = 64 * 1024

_TYPES = {PATH: "o", INTERFACE: "s", MEMBER: "s", DESTINATION: "s", SIGNATURE: "g"}


class Message(msgspec.Struct, frozen=True):
    """A message that has come. `value` is the text that it carries, alone or as a variant; None is anything else."""

    kind: int
    reply_serial: int = 0
    error_name: str = ""
    value: str | None = None


def pack_call(serial: int, destination: str, path: str, interface: str, member: str, *arguments: str) -> bytes:
    """Return a method call whose arguments are all text."""
    fields = {PATH: path, INTERFACE: interface, MEMBER: member, DESTINATION: destination}
    if arguments:
        fields[SIGNATURE] = "s" * len(arguments)
    packed = b""
    for code, text in fields.items():
        packed += bytes(-len(packed) % 8) + bytes([code, 1]) + _TYPES[code].encode() + b"\0"
        packed += _pack_signature(text) if code == SIGNATURE else _pack_text(text)
    body = b""
    for argument in arguments:
        body += bytes(-len(body) % 4) + _pack_text(argument)
    prelude = struct.pack("<BBBBIII", ord("l"), METHOD_CALL, 0, 1, len(body), serial, len(packed))
    return prelude + packed + bytes(-len(packed) % 8) + body


def length_after(prelude: bytes) -> int:
    """Return how many bytes of a message follow its prelude. Raises SourceError."""
    body, fields = struct.unpack_from(f"{_order(prelude)}I4xI", prelude, 4)
    length: int = fields + -fields % 8 + body
    if length > MAX_MESSAGE_BYTES:
        raise SourceError(f"a message of {length} bytes, {MAX_MESSAGE_BYTES} are allowed")
    return length


def parse_message(data: bytes) -> Message:
    """Read a whole message. Raises SourceError."""
    try:
        return _parse_message(data)
    except (struct.error, IndexError, UnicodeDecodeError):
        raise SourceError(f"{data[:40]!r} is no message of D-Bus") from None


def object_name(text: str) -> str:
    """Return a name as systemd writes it into an object's path: all but letters and digits as _ and two digits."""
    return "".join(
        letter if letter.isascii() and letter.isalnum() and (place or not letter.isdigit()) else _escape(letter)
        for place, letter in enumerate(text)
    )


def _escape(letter: str) -> str:
    return "".join(f"_{byte:02x}" for byte in letter.encode())


def _pack_text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<I", len(encoded)) + encoded + b"\0"


def _pack_signature(text: str) -> bytes:
    return bytes([len(text)]) + text.encode() + b"\0"


def _order(data: bytes) -> str:
    if data[:1] not in {b"l", b"B"} or data[3:4] != b"\1":
        raise SourceError(f"{data[:16]!r} is no message of D-Bus")
    return "<" if data[:1] == b"l" else ">"


def _parse_message(data: bytes) -> Message:
    order = _order(data)
    reader = _Reader(data, order, PRELUDE_BYTES)
    (length,) = struct.unpack_from(f"{order}I", data, 12)
    fields: dict[int, str | int] = {}
    while reader.at < PRELUDE_BYTES + length:
        reader.align(8)
        code = data[reader.at]
        reader.at += 1
        fields[code] = reader.read(reader.signature())
    reader.align(8)
    serial = fields.get(REPLY_SERIAL, 0)
    if not isinstance(serial, int):
        raise SourceError(f"{serial[:20]!r} where the number of the call should be")
    return Message(
        kind=data[1],
        reply_serial=serial,
        error_name=str(fields.get(ERROR_NAME, "")),
        value=_value(reader, str(fields.get(SIGNATURE, ""))),
    )


def _value(reader: "_Reader", signature: str) -> str | None:
    if signature.startswith("v"):
        signature = reader.signature()
    return str(reader.read("s")) if signature.startswith("s") else None


class _Reader:
    """Reads one value after the other, each at a multiple of its size."""

    def __init__(self, data: bytes, order: str, at: int) -> None:
        self._data = data
        self._order = order
        self.at = at

    def align(self, size: int) -> None:
        self.at += -self.at % size

    def signature(self) -> str:
        length = self._data[self.at]
        self.at += 1
        return self._take(length)

    def read(self, signature: str) -> str | int:
        if signature == "g":
            return self.signature()
        if signature not in {"s", "o", "u"}:
            raise SourceError(f"a value of type {signature[:20]!r} where a text or a number should be")
        self.align(4)
        (number,) = struct.unpack_from(f"{self._order}I", self._data, self.at)
        self.at += 4
        return number if signature == "u" else self._take(number)

    def _take(self, length: int) -> str:
        taken = self._data[self.at : self.at + length]
        self.at += length + 1  # a NUL ends it
        if len(taken) < length:
            raise IndexError
        return taken.decode()
