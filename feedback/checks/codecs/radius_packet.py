"""RADIUS packets as values (RFC 2865): a client's requests, and the answers that only who knows the secret can give.

Pure. MD5 is the protocol's own; what it is worth as a signature, Message-Authenticator (RFC 3579, 3.2) is there for.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterator, Mapping

import msgspec

from feedback.errors import CheckFailed, Reason

ACCESS_REQUEST, ACCESS_ACCEPT, ACCESS_REJECT, ACCOUNTING_RESPONSE, ACCESS_CHALLENGE, STATUS_SERVER = 1, 2, 3, 5, 11, 12

CODES: Mapping[int, str] = {
    ACCESS_REQUEST: "Access-Request",
    ACCESS_ACCEPT: "Access-Accept",
    ACCESS_REJECT: "Access-Reject",
    4: "Accounting-Request",
    ACCOUNTING_RESPONSE: "Accounting-Response",
    ACCESS_CHALLENGE: "Access-Challenge",
    STATUS_SERVER: "Status-Server",
}

AUTHENTICATOR_BYTES = 16
VALUE_LIMIT_BYTES = 253
PASSWORD_LIMIT_BYTES = 128

_USER_NAME, _USER_PASSWORD, _REPLY_MESSAGE, _NAS_IDENTIFIER, _MESSAGE_AUTHENTICATOR = 1, 2, 18, 32, 80

_HEAD = struct.Struct("!BBH16s")
_PACKET_LIMIT_BYTES = 4096
_BLOCK_BYTES = 16
_SIGNATURE_BYTES = 16


class Request(msgspec.Struct, frozen=True):
    """What a client sends, and what it takes to know the answer."""

    packet: bytes
    secret: bytes

    @property
    def words(self) -> str:
        """What kind of request it is."""
        return CODES[self.packet[0]]

    @property
    def identifier(self) -> int:
        """The number that an answer repeats."""
        return self.packet[1]

    @property
    def authenticator(self) -> bytes:
        """The bytes by which this request differs from all others."""
        return self.packet[4:20]


class Answer(msgspec.Struct, frozen=True):
    """What a server says, in its own words where it has some."""

    code: int
    message: str = ""

    def __str__(self) -> str:
        words = CODES.get(self.code, f"code {self.code}")
        return f"{words}: {self.message}" if self.message else words


def status_server(identifier: int, authenticator: bytes, secret: bytes, nas_identifier: bytes) -> Request:
    """Return the question whether a server is there (RFC 5997)."""
    return _request(STATUS_SERVER, identifier, authenticator, secret, _attribute(_NAS_IDENTIFIER, nas_identifier))


def access_request(
    identifier: int, authenticator: bytes, secret: bytes, nas_identifier: bytes, *, user: bytes, password: bytes
) -> Request:
    """Return the question whether somebody may come in, who has this password (PAP)."""
    attributes = (
        _attribute(_USER_NAME, user)
        + _attribute(_USER_PASSWORD, hidden(password, authenticator, secret))
        + _attribute(_NAS_IDENTIFIER, nas_identifier)
    )
    return _request(ACCESS_REQUEST, identifier, authenticator, secret, attributes)


def hidden(password: bytes, authenticator: bytes, secret: bytes) -> bytes:
    """Return a password that nobody can read who does not know the secret (RFC 2865, 5.2).

    c1 = p1 xor MD5(secret + authenticator), c2 = p2 xor MD5(secret + c1), ...
    """
    blocks = b""
    last = authenticator
    for start in range(0, max(len(password), 1), _BLOCK_BYTES):
        block = password[start : start + _BLOCK_BYTES].ljust(_BLOCK_BYTES, b"\0")
        last = bytes(a ^ b for a, b in zip(block, _md5(secret + last), strict=True))
        blocks += last
    return blocks


def read_answer(data: bytes, request: Request, *, need_signature: bool = False) -> Answer:
    """Return the answer to a request. Raises CheckFailed where a datagram is none, with the reason.

    Where there is a Message-Authenticator, it must be right; `need_signature`: there must be one.
    """
    code, identifier, length, authenticator = _HEAD.unpack_from(data.ljust(_HEAD.size, b"\0"))
    if not _HEAD.size <= length <= min(len(data), _PACKET_LIMIT_BYTES):
        raise CheckFailed(Reason.PROTOCOL, f"a packet of {len(data)} bytes that says that it has {length}")
    if identifier != request.identifier:
        raise CheckFailed(Reason.PROTOCOL, "an answer to another request")
    body = data[_HEAD.size : length]
    signed = data[:4] + request.authenticator
    if not hmac.compare_digest(_md5(signed + body + request.secret), authenticator):
        raise CheckFailed(Reason.PROTOCOL, "an answer that is signed with another secret")
    _verify_signature(signed, body, request.secret, needed=need_signature)
    message = b"".join(value for kind, _, value in _attributes(body) if kind == _REPLY_MESSAGE)
    return Answer(code, message.decode("utf-8", "replace"))


def _verify_signature(head: bytes, body: bytes, secret: bytes, *, needed: bool) -> None:
    """Raise CheckFailed unless a Message-Authenticator is right, which is made with itself as zeros."""
    found = [(start, value) for kind, start, value in _attributes(body) if kind == _MESSAGE_AUTHENTICATOR]
    if not found and needed:
        raise CheckFailed(Reason.PROTOCOL, "an answer without Message-Authenticator")
    for start, value in found:
        blank = body[:start] + bytes(len(value)) + body[start + len(value) :]
        if not hmac.compare_digest(_signature(head + blank, secret), value):
            raise CheckFailed(Reason.PROTOCOL, "an answer with a wrong Message-Authenticator")


def _attributes(body: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield each attribute's type, where its value begins, and the value."""
    at = 0
    while at < len(body):
        length = body[at + 1] if at + 1 < len(body) else 0
        if length < 2 or at + length > len(body):
            raise CheckFailed(Reason.PROTOCOL, "an attribute that is longer than its packet, or has no length")
        yield body[at], at + 2, body[at + 2 : at + length]
        at += length


def _request(code: int, identifier: int, authenticator: bytes, secret: bytes, attributes: bytes) -> Request:
    """Return a request, signed before all else, so that nothing can be put before the signature that is like it."""
    unsigned = _attribute(_MESSAGE_AUTHENTICATOR, bytes(_SIGNATURE_BYTES))
    head = _HEAD.pack(code, identifier, _HEAD.size + len(unsigned) + len(attributes), authenticator)
    signature = _signature(head + unsigned + attributes, secret)
    return Request(head + _attribute(_MESSAGE_AUTHENTICATOR, signature) + attributes, secret)


def _attribute(kind: int, value: bytes) -> bytes:
    return bytes((kind, 2 + len(value))) + value


def _signature(packet: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, packet, "md5")


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
