"""The client/server protocol of MySQL and MariaDB: packets, the handshake, a login, and the rows of a query. Pure.

Whatever the server sends comes out as a value, or as CheckFailed. Numbers are little-endian.
"""

import struct

import msgspec

from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason

HEADER_BYTES = 4
PACKET_LIMIT_BYTES = 64 * 1024
NONCE_BYTES = 20

# Capabilities. The first one is set by every client; MariaDB takes one without it for a client of its own kind.
_LONG_PASSWORD, _CONNECT_WITH_DB, _PROTOCOL_41, _SSL = 0x1, 0x8, 0x200, 0x800
_TRANSACTIONS, _SECURE_CONNECTION, _PLUGIN_AUTH = 0x2000, 0x8000, 0x80000
_NEEDED = _PROTOCOL_41 | _SECURE_CONNECTION

_MAX_PACKET_BYTES = 1 << 24
_UTF8MB4 = 45  # utf8mb4_general_ci
_OK, _MORE, _LOCAL_INFILE, _END, _ERROR = 0x00, 0x01, 0xFB, 0xFE, 0xFF
_NULL = 0xFB
_WIDTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}
_END_LIMIT_BYTES = 9  # a longer packet that begins like an end is a row with a very long first value

# MariaDB puts this in front of its version, for replicas of old that know versions of one digit only
_VERSION_OF_OLD = "5.5.5-"

_LOGIN_REFUSED = "28"
_LOGIN_REFUSALS = {
    1044,  # no access to the database
    1251,  # the account's plugin is none that this client may use
    1862,  # the password has expired
    3118,  # the account is locked
    3955,  # the account is blocked after too many wrong passwords
    4150,  # the same two of MariaDB
    4151,
}


class Handshake(msgspec.Struct, frozen=True):
    """What a server begins with: its version, what it is capable of, and the nonce for a login by `plugin`."""

    version: str
    capabilities: int
    nonce: bytes
    plugin: str

    @property
    def offers_tls(self) -> bool:
        """Return whether it would go on in TLS."""
        return bool(self.capabilities & _SSL)


class Refusal(msgspec.Struct, frozen=True):
    """An error, in the server's words."""

    code: int
    state: str
    message: str

    @property
    def is_of_login(self) -> bool:
        """Return whether it is about who asks, and says nothing against the server."""
        return self.state.startswith(_LOGIN_REFUSED) or self.code in _LOGIN_REFUSALS

    def __str__(self) -> str:
        return f"{self.code} {self.message}"


class Done(msgspec.Struct, frozen=True):
    """The server agrees, and has nothing more to say."""


class Switch(msgspec.Struct, frozen=True):
    """The server wants the login by another plugin."""

    plugin: str
    nonce: bytes


class More(msgspec.Struct, frozen=True):
    """What a plugin says in the middle of a login."""

    data: bytes


class Columns(msgspec.Struct, frozen=True):
    """A query has rows, of so many columns."""

    count: int


def packet(sequence: int, payload: bytes) -> bytes:
    """Return a packet, which goes by its number in the exchange."""
    return len(payload).to_bytes(3, "little") + bytes([sequence & 0xFF]) + payload


def payload_bytes(header: bytes, sequence: int) -> int:
    """Return how many bytes follow a packet's header. Raises CheckFailed for one out of order or too long."""
    length = int.from_bytes(header[:3], "little")
    if header[3] != sequence & 0xFF:
        raise CheckFailed(Reason.PROTOCOL, f"packet number {header[3]}, must be {sequence & 0xFF}")
    if length > PACKET_LIMIT_BYTES:
        raise CheckFailed(Reason.LIMIT, f"a packet of {length} bytes, must be {PACKET_LIMIT_BYTES} at most")
    return length


def read_handshake(payload: bytes) -> Handshake | Refusal:
    """Return the server's first packet: the handshake of version 10, or an error in its place."""
    reader = _Reader(payload)
    version = reader.number(1)
    if version == _ERROR:
        return _refusal(reader)
    if version != 10:
        raise CheckFailed(Reason.PROTOCOL, f"not a MySQL handshake of version 10: {excerpt(payload)}")
    name = _text(reader.until_nul()).removeprefix(_VERSION_OF_OLD)
    reader.fixed(4)  # the connection's number
    nonce = reader.fixed(8)
    reader.fixed(1)
    capabilities = reader.number(2)
    if reader.left:
        reader.fixed(3)  # character set and status
        capabilities |= reader.number(2) << 16
        nonce_bytes = reader.number(1)
        reader.fixed(10)
        nonce += reader.fixed(max(13, nonce_bytes - 8))
    if capabilities & _NEEDED != _NEEDED or len(nonce) < NONCE_BYTES:
        raise CheckFailed(Reason.PROTOCOL, f"{name} has no login of version 4.1 or newer")
    plugin = _text(reader.until_nul()) if capabilities & _PLUGIN_AUTH else ""
    return Handshake(name, capabilities, nonce[:NONCE_BYTES], plugin)


def _preface(handshake: Handshake, capabilities: int) -> bytes:
    wanted = _LONG_PASSWORD | _NEEDED | _TRANSACTIONS | _PLUGIN_AUTH | capabilities
    return struct.pack("<IIB23x", wanted & handshake.capabilities | _NEEDED, _MAX_PACKET_BYTES, _UTF8MB4)


def tls_request(handshake: Handshake) -> bytes:
    """Return what goes before TLS: the beginning of a login."""
    return _preface(handshake, _SSL)


def login(handshake: Handshake, user: str, proof: bytes, plugin: str, database: str | None, *, tls: bool) -> bytes:
    """Return the answer to the handshake: who we are, and the proof of it by a plugin."""
    capabilities = (_SSL if tls else 0) | (0 if database is None else _CONNECT_WITH_DB)
    parts = [_preface(handshake, capabilities), user.encode(), b"\0", bytes([len(proof)]), proof]
    if database is not None:
        parts += [database.encode(), b"\0"]
    if handshake.capabilities & _PLUGIN_AUTH:
        parts += [plugin.encode(), b"\0"]
    return b"".join(parts)


def read_login(payload: bytes) -> Done | Refusal | Switch | More:
    """Return what the server says to a step of the login."""
    reader = _Reader(payload)
    kind = reader.number(1)
    if kind == _OK:
        return Done()
    if kind == _ERROR:
        return _refusal(reader)
    if kind == _MORE:
        return More(reader.rest())
    if kind == _END:
        if not reader.left:
            raise CheckFailed(Reason.AUTH, "the server wants the password of MySQL 3.23, which protects nothing")
        return Switch(_text(reader.until_nul()), reader.rest().removesuffix(b"\0"))
    raise CheckFailed(Reason.PROTOCOL, f"not an answer to a login: {excerpt(payload)}")


def query(statement: str) -> bytes:
    """Return the command that runs a statement."""
    return b"\x03" + statement.encode()


QUIT = b"\x01"
"""The command that says goodbye; there is no answer."""


def read_answer(payload: bytes) -> Done | Refusal | Columns:
    """Return what the server first says to a query."""
    reader = _Reader(payload)
    kind = reader.number(1)
    if kind == _OK:
        return Done()
    if kind == _ERROR:
        return _refusal(reader)
    if kind == _LOCAL_INFILE:
        raise CheckFailed(Reason.PROTOCOL, "the server asks for a file of this host")
    return Columns(_Reader(payload).length())


def column_name(payload: bytes) -> str:
    """Return the name in a column's definition: it is the fifth of the texts at the beginning."""
    reader = _Reader(payload)
    return _text([reader.counted() for _ in range(5)][-1] or b"")


def is_end(payload: bytes) -> bool:
    """Return whether a packet ends the columns, or the rows."""
    return payload[:1] == bytes([_END]) and len(payload) < _END_LIMIT_BYTES


def refusal_in(payload: bytes) -> Refusal | None:
    """Return the error that has come instead of a row, or None: no row is long enough to begin like one."""
    return _refusal(_Reader(payload[1:])) if payload[:1] == bytes([_ERROR]) else None


def read_row(payload: bytes, columns: int) -> tuple[str | None, ...]:
    """Return a row's values."""
    reader = _Reader(payload)
    values = [reader.counted() for _ in range(columns)]
    return tuple(None if value is None else _text(value) for value in values)


def _refusal(reader: "_Reader") -> Refusal:
    code = reader.number(2)
    words = reader.rest()
    state = ""
    if words[:1] == b"#":  # before the handshake is over, there is none
        state, words = _text(words[1:6]), words[6:]
    return Refusal(code, state, _text(words))


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


class _Reader:
    """Takes one value after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def fixed(self, count: int) -> bytes:
        if count > self.left:
            raise CheckFailed(
                Reason.PROTOCOL, f"a packet of {len(self._data)} bytes, must be {self._at + count} at least"
            )
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self) -> bytes:
        return self.fixed(self.left)

    def number(self, width: int) -> int:
        return int.from_bytes(self.fixed(width), "little")

    def until_nul(self) -> bytes:
        """Return what stands before the next NUL, or is left: some servers have forgotten the last one."""
        text, nul, _ = self._data[self._at :].partition(b"\0")
        self._at += len(text) + len(nul)
        return text

    def length(self) -> int:
        """Return a number in as few bytes as it needs."""
        first = self.number(1)
        if first < _NULL:
            return first
        if first not in _WIDTHS:
            raise CheckFailed(Reason.PROTOCOL, f"a number can't begin with the byte {first}")
        return self.number(_WIDTHS[first])

    def counted(self) -> bytes | None:
        """Return bytes that follow their length; None for NULL."""
        if self._data[self._at : self._at + 1] == bytes([_NULL]):
            self._at += 1
            return None
        return self.fixed(self.length())
