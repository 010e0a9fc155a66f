"""The other end of RADIUS, for tests: what a server does with a request, written down from RFC 2865 and RFC 3579."""

import hashlib
import hmac
from collections.abc import Iterable


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def answer(
    request: bytes, code: int, secret: bytes, attributes: Iterable[tuple[int, bytes]] = (), *, signed: bool = False
) -> bytes:
    """Return the answer to a request; `signed`: with a Message-Authenticator behind the attributes."""
    body = b"".join(bytes((kind, 2 + len(value))) + value for kind, value in attributes)
    if signed:
        length = (20 + len(body) + 18).to_bytes(2)
        unsigned = bytes((code, request[1])) + length + request[4:20] + body + b"\x50\x12" + bytes(16)
        body += b"\x50\x12" + hmac.digest(secret, unsigned, "md5")
    return finished(request, code, secret, body)


def finished(request: bytes, code: int, secret: bytes, body: bytes) -> bytes:
    """Return an answer with these attributes, and with its Response Authenticator."""
    head = bytes((code, request[1])) + (20 + len(body)).to_bytes(2)
    return head + md5(head + request[4:20] + body + secret) + body


def verify(request: bytes, secret: bytes) -> None:
    """Raise AssertionError unless a request's first attribute signs it."""
    assert request[20:22] == b"\x50\x12"
    unsigned = request[:22] + bytes(16) + request[38:]
    assert hmac.digest(secret, unsigned, "md5") == request[22:38]


def revealed(hidden: bytes, authenticator: bytes, secret: bytes) -> bytes:
    """Return a password that a request hides."""
    password = b""
    for start in range(0, len(hidden), 16):
        block = hidden[start : start + 16]
        password += bytes(a ^ b for a, b in zip(block, md5(secret + authenticator), strict=True))
        authenticator = block
    return password.rstrip(b"\0")
