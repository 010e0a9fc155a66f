"""The packets of MQTT that a client needs to connect and to read one message: versions 3.1.1 and 5. Pure."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason

Version = Literal["3.1.1", 5]

LEVELS: Mapping[str | int, int] = {"3.1.1": 4, 5: 5}
"""What CONNECT says for a version."""

CONNECT, CONNACK, PUBLISH, SUBSCRIBE, SUBACK, DISCONNECT = 1, 2, 3, 8, 9, 14

NAMES: Mapping[int, str] = {
    CONNACK: "CONNACK",
    PUBLISH: "PUBLISH",
    SUBACK: "SUBACK",
    DISCONNECT: "DISCONNECT",
}
"""What a server may say to such a client."""

MAX_BYTES = 256 * 1024
"""As large a packet as is read."""
LENGTH_BYTES = 4
"""As long as a length may be."""
STRING_BYTES = 65535

CLEAN_SESSION, HAS_PASSWORD, HAS_USER = 0x02, 0x40, 0x80
KEEP_ALIVE_SECONDS = 60
SUBSCRIPTION = 1
"""The packet identifier of the one subscription."""
FIRST_REFUSAL = 0x80

GOODBYE = bytes([DISCONNECT << 4, 0])

REFUSALS: Mapping[int, str] = {  # 3.1.1, 3.2.2.3
    1: "unacceptable protocol version",
    2: "client identifier rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorized",
}

REASONS: Mapping[int, str] = {  # 5, 2.4
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "unsupported protocol version",
    0x85: "client identifier not valid",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8C: "bad authentication method",
    0x8D: "keep alive timeout",
    0x8E: "session taken over",
    0x8F: "topic filter invalid",
    0x90: "topic name invalid",
    0x93: "receive maximum exceeded",
    0x95: "packet too large",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x9A: "retain not supported",
    0x9B: "quality of service not supported",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9E: "shared subscriptions not supported",
    0x9F: "connection rate exceeded",
    0xA1: "subscription identifiers not supported",
    0xA2: "wildcard subscriptions not supported",
}

LOGIN_REFUSALS = frozenset({4, 5, 0x86, 0x87, 0x8A, 0x8C})


class Packet(msgspec.Struct, frozen=True):
    """A packet: what it is, its flags, and what follows its length."""

    kind: int
    flags: int
    body: bytes


class Message(msgspec.Struct, frozen=True):
    """An application's message, with the topic that it was published to."""

    topic: str
    payload: bytes


class Reader:
    """Takes a packet's body apart. What ends too early is a broken packet."""

    def __init__(self, packet: Packet) -> None:
        self._name = NAMES[packet.kind]
        self._rest = packet.body

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        if count > len(self._rest):
            raise CheckFailed(Reason.PROTOCOL, f"{self._name} ends in the middle")
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def number(self) -> int:
        """Return a number of two bytes."""
        return int.from_bytes(self.take(2), "big")

    def string(self) -> bytes:
        """Return a string, or bytes, with their length before them."""
        return self.take(self.number())

    def skip_properties(self) -> None:
        """Pass over the properties of version 5."""
        length_bytes = self.take(1)
        while (length := remaining_length(length_bytes)) is None:
            length_bytes += self.take(1)
        self.take(length)

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._rest))

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return not self._rest


def is_string(text: str) -> bool:
    """Return whether MQTT can say a text: UTF-8 without a null, of limited length (1.5.4)."""
    try:
        return len(text.encode()) <= STRING_BYTES and "\0" not in text
    except UnicodeEncodeError:
        return False


def connect(version: Version, client_id: str, user: str | None, password: str | None) -> bytes:
    """Return CONNECT: with a session that ends with the connection, and no will."""
    flags = CLEAN_SESSION | (0 if user is None else HAS_USER) | (0 if password is None else HAS_PASSWORD)
    head = _string("MQTT") + bytes([LEVELS[version], flags]) + KEEP_ALIVE_SECONDS.to_bytes(2, "big")
    payload = b"".join(_string(text) for text in (client_id, user, password) if text is not None)
    return _packet(CONNECT, 0, head + _no_properties(version) + payload)


def subscribe(version: Version, topic: str) -> bytes:
    """Return SUBSCRIBE to one topic, or to those that a filter fits, at most once for each message."""
    head = SUBSCRIPTION.to_bytes(2, "big") + _no_properties(version)
    return _packet(SUBSCRIBE, 2, head + _string(topic) + b"\0")


def _no_properties(version: Version) -> bytes:
    return b"\0" if version == 5 else b""


def _string(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _packet(kind: int, flags: int, body: bytes) -> bytes:
    length, encoded = len(body), b""
    while length > 0x7F:
        encoded += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([kind << 4 | flags]) + encoded + bytes([length]) + body


def kind_of(first: int, *expected: int) -> int:
    """Return what a packet is that begins with a byte. Raises CheckFailed where it is none of those expected."""
    kind = first >> 4
    if kind not in expected or (kind != PUBLISH and first & 0x0F):
        wanted = " or ".join(NAMES[one] for one in expected)
        raise CheckFailed(Reason.PROTOCOL, f"not {wanted}: {excerpt(bytes([first]))}")
    return kind


def remaining_length(encoded: bytes) -> int | None:
    """Return the length that bytes stand for, None where they are not all. Raises CheckFailed for too large a one."""
    if encoded[-1] & 0x80:
        if len(encoded) >= LENGTH_BYTES:
            raise CheckFailed(Reason.PROTOCOL, f"no length of MQTT: {encoded.hex()}")
        return None
    length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(encoded))
    if length > MAX_BYTES:
        raise CheckFailed(Reason.LIMIT, f"a packet of {length} bytes, of which at most {MAX_BYTES} are read")
    return length


def read_connack(packet: Packet, version: Version) -> None:
    """Raise CheckFailed where CONNACK is no yes."""
    reader = Reader(packet)
    session, code = reader.byte(), reader.byte()
    if code:
        # A server that knows no version 5 answers it in the codes of 3.1.1
        words = REFUSALS.get(code) or (REASONS.get(code) if version == 5 else None)
        reason = Reason.AUTH if code in LOGIN_REFUSALS else Reason.STATUS
        raise CheckFailed(reason, f"refused: {_words(code, words)}")
    if session:
        raise CheckFailed(Reason.PROTOCOL, f"CONNACK has the flags {session:#04x}, where the session is a new one")
    if version == 5:
        reader.skip_properties()
    _end(reader, "CONNACK")


def read_suback(packet: Packet, version: Version) -> None:
    """Raise CheckFailed where SUBACK does not grant the one subscription."""
    reader = Reader(packet)
    number = reader.number()
    if number != SUBSCRIPTION:
        raise CheckFailed(Reason.PROTOCOL, f"SUBACK to subscription {number}, must be {SUBSCRIPTION}")
    if version == 5:
        reader.skip_properties()
    code = reader.byte()
    _end(reader, "SUBACK")
    if code >= FIRST_REFUSAL:
        reason = Reason.AUTH if code in LOGIN_REFUSALS else Reason.STATUS
        raise CheckFailed(reason, f"refused: {_words(code, REASONS.get(code) if version == 5 else None)}")


def read_publish(packet: Packet, version: Version) -> Message:
    """Return a message. It must have come at most once, as that was asked for."""
    if packet.flags & 0x06:
        raise CheckFailed(Reason.PROTOCOL, f"PUBLISH has the flags {packet.flags:#04x}, must be of quality 0")
    reader = Reader(packet)
    topic = reader.string()
    if version == 5:
        reader.skip_properties()
    return Message(topic.decode("utf-8", "replace"), reader.rest())


def read_disconnect(packet: Packet) -> CheckFailed:
    """Return the failure that a server's DISCONNECT is, with its reason."""
    code = packet.body[0] if packet.body else 0
    reason = Reason.AUTH if code in LOGIN_REFUSALS else Reason.CLOSED
    return CheckFailed(reason, f"the server disconnects: {_words(code, REASONS.get(code))}")


def _end(reader: Reader, name: str) -> None:
    if not reader.ended:
        raise CheckFailed(Reason.PROTOCOL, f"{name} is longer than it can be")


def _words(code: int, words: str | None) -> str:
    return f"{words} ({code:#04x})" if words else f"{code:#04x}"
