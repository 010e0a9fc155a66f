"""How a host gets its first certificate: the one-time token, and what is asked with it. Pure.

`feedback pki enroll` makes the token, `feedback agent enroll` redeems it. It carries the fingerprint of the director's
authority, so that the agent knows the director at their first contact, and a secret, by which the director knows the
agent.
"""

import base64
import binascii
import hashlib
import hmac
import re

import msgspec

AUTHORITY_PATH = "/pki/ca"
ENROL_PATH = "/pki/enroll"
FINGERPRINT_BYTES = 32
SECRET_BYTES = 16
MAX_PEM_BYTES = 16 * 1024

_PREFIX = "fb1."
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")


class Token(msgspec.Struct, frozen=True):
    """Good once: the SHA-256 of the authority's certificate (DER), or of all that are trusted, and the secret."""

    fingerprint: bytes
    secret: bytes

    def __str__(self) -> str:
        return _PREFIX + base64.urlsafe_b64encode(self.fingerprint + self.secret).decode()

    def is_of(self, authority: bytes) -> bool:
        """Tell whether this is the authority's certificate (DER)."""
        return hmac.compare_digest(self.fingerprint, fingerprint(authority))


class EnrolRequest(msgspec.Struct, frozen=True):
    """What an agent asks with: the token's secret in hex, and a certificate signing request (PKCS #10, PEM)."""

    secret: str
    request: str


class EnrolAnswer(msgspec.Struct, frozen=True):
    """What it gets: its certificate (PEM), and the names that it may speak for."""

    certificate: str
    names: tuple[str, ...]


def fingerprint(certificate: bytes) -> bytes:
    """Return the SHA-256 of a certificate (DER)."""
    return hashlib.sha256(certificate).digest()


def certificates_in(pem: str) -> bytes:
    """Return the certificates of a PEM file, one (DER) after the other. Raises ValueError where there is none."""
    found = _CERTIFICATE.findall(pem)
    if not found:
        raise ValueError("there is no certificate")
    try:
        return b"".join(base64.b64decode("".join(text.split()), validate=True) for text in found)
    except binascii.Error as error:
        raise ValueError(f"a certificate is damaged: {error}") from None


def parse_token(text: str) -> Token:
    """Return the token. Raises ValueError with a sentence."""
    wrong = ValueError("that is no token: it must be as `feedback pki enroll` has printed it, fb1. and 64 characters")
    try:
        data = base64.b64decode(text.strip().removeprefix(_PREFIX), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise wrong from None
    if not text.strip().startswith(_PREFIX) or len(data) != FINGERPRINT_BYTES + SECRET_BYTES:
        raise wrong
    return Token(data[:FINGERPRINT_BYTES], data[FINGERPRINT_BYTES:])
