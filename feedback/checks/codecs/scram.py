"""SCRAM-SHA-256: a login in which both sides prove that they know the password (RFC 5802 and 7677). Pure."""

import base64
import binascii
import functools
import hashlib
import hmac
import re
import stringprep
import unicodedata

import msgspec

from feedback.errors import CheckFailed, Reason

MECHANISM = "SCRAM-SHA-256"
NONCE_BYTES = 18
ITERATIONS_LIMIT = 100_000
"""How often a server may let us hash: so often takes about 40 ms, once for each password and salt."""

_NO_CHANNEL_BINDING = "n,,"
_FIRST = re.compile(r"r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,9})(?:,.*)?")
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


class Opening(msgspec.Struct, frozen=True):
    """The client's first message."""

    bare: str
    nonce: str

    @property
    def message(self) -> bytes:
        """Return what is sent."""
        return (_NO_CHANNEL_BINDING + self.bare).encode()


class Proof(msgspec.Struct, frozen=True):
    """The client's last message, and what the server must prove itself by."""

    message: bytes
    server_signature: bytes


def opening(random: bytes, user: str = "") -> Opening:
    """Return the first message, with a nonce of bytes that nobody can guess."""
    nonce = base64.b64encode(random).decode()
    name = user.replace("=", "=3D").replace(",", "=2C")
    return Opening(f"n={name},r={nonce}", nonce)


def proof(begun: Opening, password: str, challenge: bytes) -> Proof:
    """Return the answer to the server's first message (RFC 5802, section 3)."""
    text = challenge.decode("latin-1")
    match = _FIRST.fullmatch(text)
    if match is None:
        raise CheckFailed(Reason.PROTOCOL, f'not a challenge of {MECHANISM}: "{text[:60]}"')
    nonce, encoded_salt, iterations = match[1], match[2], int(match[3])
    if not nonce.startswith(begun.nonce) or nonce == begun.nonce:
        raise CheckFailed(Reason.PROTOCOL, f"the nonce of {MECHANISM} must begin with the client's, and add to it")
    if iterations > ITERATIONS_LIMIT:
        raise CheckFailed(Reason.LIMIT, f"{iterations} iterations of {MECHANISM}, must be {ITERATIONS_LIMIT} at most")
    try:
        salt = base64.b64decode(encoded_salt, validate=True)
    except binascii.Error:
        raise CheckFailed(Reason.PROTOCOL, f"the salt of {MECHANISM} is not in base64: {encoded_salt[:60]}") from None
    salted = _salted(prepared(password), salt, iterations)
    without_proof = f"c={base64.b64encode(_NO_CHANNEL_BINDING.encode()).decode()},r={nonce}"
    signed = f"{begun.bare},{text},{without_proof}".encode("latin-1")
    client_key = _hmac(salted, b"Client Key")
    signature = _hmac(hashlib.sha256(client_key).digest(), signed)
    shown = bytes(left ^ right for left, right in zip(client_key, signature, strict=True))
    message = f"{without_proof},p={base64.b64encode(shown).decode()}".encode()
    return Proof(message, _hmac(_hmac(salted, b"Server Key"), signed))


def verify(made: Proof, last: bytes) -> None:
    """Raise CheckFailed unless the server's last message proves that it knows the password, too."""
    wanted = b"v=" + base64.b64encode(made.server_signature)
    if last.startswith(b"e="):
        raise CheckFailed(Reason.AUTH, f"{MECHANISM}: {last[2:].decode('latin-1')}")
    if not hmac.compare_digest(last.partition(b",")[0], wanted):
        raise CheckFailed(Reason.AUTH, "the server has not proved that it knows the password")


def prepared(password: str) -> bytes:
    """Return a password as it is hashed: by SASLprep (RFC 4013), or as it is where that forbids it."""
    if password.isascii():
        return password.encode()
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter for letter in password if not stringprep.in_table_b1(letter)
    )
    text = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    forbidden = any(table(letter) for letter in text for table in _PROHIBITED) or not _has_one_direction(text)
    return (password if forbidden or not text else text).encode()


def _has_one_direction(text: str) -> bool:
    """Return whether a text does not mix scripts that run to the left and to the right (RFC 3454, section 6)."""
    leftward = [stringprep.in_table_d1(letter) for letter in text]
    if not any(leftward):
        return True
    return leftward[0] and leftward[-1] and not any(map(stringprep.in_table_d2, text))


@functools.lru_cache(maxsize=1024)  # it is made to be slow, and the same from run to run
def _salted(password: bytes, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password, salt, iterations)


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")
