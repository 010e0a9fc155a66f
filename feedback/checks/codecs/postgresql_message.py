"""PostgreSQL's protocol, version 3: messages, how a session begins, and the rows of a query. Pure.

Whatever the server sends comes out as a value, or as CheckFailed. Numbers are big-endian.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason

HEADER_BYTES = 5
MESSAGE_LIMIT_BYTES = 64 * 1024

_VERSION = 3 << 16
_TLS_REQUEST = 1234 << 16 | 5679
_ENCODING = "UTF8"

OK, CLEAR, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 10, 11, 12
"""What an Authentication message wants."""

METHODS: Mapping[int, str] = {
    2: "Kerberos 5",
    CLEAR: "a password in clear",
    MD5: "an MD5 of the password",
    7: "GSSAPI",
    9: "SSPI",
    SASL: "SASL",
}
"""In words."""

_LOGIN_REFUSED = "28"
_UNABLE = ("53", "57", "58", "XX")  # no resources, an operator's doing, the system below, a fault of its own


class Refusal(msgspec.Struct, frozen=True):
    """An error, in the server's words."""

    severity: str
    state: str
    message: str

    @property
    def is_of_login(self) -> bool:
        """Return whether it is about who asks (SQLSTATE class 28)."""
        return self.state.startswith(_LOGIN_REFUSED)

    @property
    def is_of_server(self) -> bool:
        """Return whether the server says that it can't serve anybody now: it starts, stops, is full, or has a fault."""
        return self.state.startswith(_UNABLE)

    def __str__(self) -> str:
        return f"{self.severity} {self.state}: {self.message}"


class Authentication(msgspec.Struct, frozen=True):
    """What the server wants for a login, and what it says to that."""

    method: int
    data: bytes

    def __str__(self) -> str:
        return ", ".join(self.mechanisms) or METHODS.get(self.method, f"method {self.method}")

    @property
    def mechanisms(self) -> list[str]:
        """Return the mechanisms that SASL offers."""
        return [_text(name) for name in self.data.split(b"\0") if name] if self.method == SASL else []


def tls_request() -> bytes:
    """Return what asks for TLS before anything else is said."""
    return _sized(_TLS_REQUEST.to_bytes(4))


def startup(user: str, database: str | None) -> bytes:
    """Return what begins a session."""
    parameters = {"user": user, "application_name": "feedback", "client_encoding": _ENCODING}
    if database is not None:
        parameters["database"] = database
    pairs = b"".join(_string(text) for pair in parameters.items() for text in pair)
    return _sized(_VERSION.to_bytes(4) + pairs + b"\0")


def query(statement: str) -> bytes:
    """Return the message that runs a statement."""
    return b"Q" + _sized(_string(statement))


def password(proof: bytes) -> bytes:
    """Return the message with a password, or what stands for it."""
    return b"p" + _sized(proof + b"\0")


def sasl_begin(mechanism: str, data: bytes) -> bytes:
    """Return the message that begins a login by a mechanism of SASL."""
    return b"p" + _sized(_string(mechanism) + len(data).to_bytes(4) + data)


def sasl_continue(data: bytes) -> bytes:
    """Return the message that goes on with it."""
    return b"p" + _sized(data)


TERMINATE = b"X\0\0\0\x04"
"""The message that says goodbye; there is no answer."""


def md5(user: str, secret: str, salt: bytes) -> bytes:
    """Return the proof of a password by MD5."""
    return b"md5" + _md5(_md5(secret.encode() + user.encode()) + salt)


def read_header(header: bytes) -> tuple[str, int]:
    """Return a message's kind, and how many bytes follow."""
    kind, count = chr(header[0]), int.from_bytes(header[1:5]) - 4
    if not (kind.isascii() and kind.isalnum()) or not 0 <= count <= MESSAGE_LIMIT_BYTES:
        raise CheckFailed(Reason.PROTOCOL, f"not a message of PostgreSQL: {excerpt(header)}")
    return kind, count


def read_refusal(body: bytes) -> Refusal:
    """Return what an ErrorResponse says."""
    fields = {field[:1]: _text(field[1:]) for field in body.split(b"\0")}
    severity = fields.get(b"V") or fields.get(b"S")  # V is not translated; servers older than 9.6 have no such field
    if severity is None or b"C" not in fields or b"M" not in fields:
        raise CheckFailed(Reason.PROTOCOL, f"not an error of PostgreSQL: {excerpt(body)}")
    return Refusal(severity, fields[b"C"], fields[b"M"])


def read_authentication(body: bytes) -> Authentication:
    """Return what an Authentication message says."""
    method, data = int.from_bytes(body[:4]), body[4:]
    if len(body) < 4 or (method == MD5 and len(data) != 4):
        raise CheckFailed(Reason.PROTOCOL, f"not a request for a login: {excerpt(body)}")
    return Authentication(method, data)


def read_parameter(body: bytes) -> tuple[str, str]:
    """Return the name and the value of a parameter that the server tells."""
    name, _, value = body.partition(b"\0")
    return _text(name), _text(value.removesuffix(b"\0"))


def read_row(body: bytes) -> tuple[str | None, ...]:
    """Return a row's values."""
    values: list[str | None] = []
    at = 2
    for _ in range(int.from_bytes(body[:2])):
        length = int.from_bytes(body[at : at + 4], signed=True)
        end = at + 4 + max(length, 0)
        if end > len(body):
            raise CheckFailed(Reason.PROTOCOL, f"a row of {len(body)} bytes, must be {end} at least")
        values.append(None if length < 0 else _text(body[at + 4 : end]))
        at = end
    return tuple(values)


def _sized(body: bytes) -> bytes:
    return (len(body) + 4).to_bytes(4) + body


def _string(text: str) -> bytes:
    return text.encode() + b"\0"


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode()  # the protocol's choice
