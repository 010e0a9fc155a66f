"""How the accounts of MySQL and MariaDB prove their password: the plugins that a client needs no library for. Pure."""

import hashlib
from collections.abc import Callable, Mapping

Proof = Callable[[bytes, bytes], bytes]


def native_password(password: bytes, nonce: bytes) -> bytes:
    """Return SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password))); nothing for no password."""
    if not password:
        return b""
    once = _sha1(password)
    return _xor(once, _sha1(nonce + _sha1(once)))


def caching_sha2_password(password: bytes, nonce: bytes) -> bytes:
    """Return SHA256(password) XOR SHA256(SHA256(SHA256(password)) + nonce); nothing for no password."""
    if not password:
        return b""
    once = _sha256(password)
    return _xor(once, _sha256(_sha256(once) + nonce))


NATIVE = "mysql_native_password"
SCRAMBLES: Mapping[str, Proof] = {NATIVE: native_password, "caching_sha2_password": caching_sha2_password}
"""Plugins by which a password is proved and not sent."""

CLEAR = frozenset({"mysql_clear_password", "sha256_password"})
"""Plugins by which the password itself is sent: in TLS, or not at all."""

FAST_PASSED, IN_FULL = b"\x03", b"\x04"
"""What caching_sha2_password says to a proof: that the server remembers the password, or that it has to be sent."""


def in_clear(password: bytes) -> bytes:
    """Return the password itself, as it goes through TLS."""
    return password + b"\0"


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()  # the protocol's choice


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))
