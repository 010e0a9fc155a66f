"""The opening handshake of a WebSocket (RFC 6455 section 4), as its client speaks it. Pure: bytes in, values out."""

import re
from binascii import b2a_base64
from collections.abc import Mapping

import msgspec

from feedback.agent.url import DirectorUrl
from feedback.errors import WireError
from feedback.secret import Secret

try:  # the interpreter's own; hashlib takes 3 MB for OpenSSL, which an agent without TLS has no other use for
    from _sha1 import sha1  # type: ignore[import-not-found]
except ImportError:
    from hashlib import sha1

MAX_HEAD_BYTES = 8192
NONCE_BYTES = 16
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: .*)?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")


class HandshakeError(WireError):
    """The answer is not a WebSocket server's."""


class Head(msgspec.Struct, frozen=True):
    """The status and the headers of an HTTP response, names in lower case, and where its body begins."""

    status: int
    headers: Mapping[bytes, bytes]
    size: int


def encode_nonce(nonce: bytes) -> bytes:
    """Return the 16 random bytes of a handshake as Sec-WebSocket-Key has them."""
    return b2a_base64(nonce, newline=False)


def accept_of(key: bytes) -> bytes:
    """Return what a server makes of a key: the proof that it knows WebSockets."""
    digest = sha1(key + GUID).digest()  # noqa: S324 - the RFC's; nothing secret hangs on it
    return b2a_base64(digest, newline=False)


def encode_request(url: DirectorUrl, token: Secret | None, key: bytes) -> bytes:
    """Return the opening request."""
    lines = [
        f"GET {url.target} HTTP/1.1",
        f"Host: {url.host_header}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key.decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    if token is not None:
        lines.append(f"Authorization: Bearer {token.reveal()}")
    return "\r\n".join([*lines, "", ""]).encode()


def read_head(data: bytes) -> Head | None:
    """Return the head that `data` begins with, None while it is not whole. Raises HandshakeError."""
    end = data.find(b"\r\n\r\n")
    if max(end, len(data) if end < 0 else 0) > MAX_HEAD_BYTES:
        raise HandshakeError(f"no end within {MAX_HEAD_BYTES} bytes")
    if end < 0:
        return None
    first, *lines = data[:end].split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise HandshakeError(f"it begins with {first[:40]!a}")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise HandshakeError(f"{line[:40]!a} is no header")
        name = header[1].lower()
        headers[name] = headers[name] + b", " + header[2] if name in headers else header[2]
    return Head(int(status[1]), headers, end + 4)


def verify_acceptance(head: Head, key: bytes) -> None:
    """Check that a response with status 101 accepts the request with this key (section 4.1). Raises HandshakeError."""
    if head.headers.get(b"upgrade", b"").lower() != b"websocket":
        raise HandshakeError("it upgrades to something else")
    if b"upgrade" not in [word.strip().lower() for word in head.headers.get(b"connection", b"").split(b",")]:
        raise HandshakeError("it does not upgrade the connection")
    if head.headers.get(b"sec-websocket-accept") != accept_of(key):
        raise HandshakeError("its Sec-WebSocket-Accept is not that of our key")
    for name in (b"sec-websocket-extensions", b"sec-websocket-protocol"):
        if head.headers.get(name):
            raise HandshakeError(f"it has a {name.decode()} that nobody asked for")


def body_bytes(head: Head) -> int | None:
    """Return how long the body of a refusal is; None when only its end tells. One in chunks is not worth reading."""
    if b"transfer-encoding" in head.headers:
        return 0
    length = head.headers.get(b"content-length", b"")
    return int(length) if length.isdigit() and len(length) < 20 else None
