"""RESP, the protocol of Redis, in version 2: commands, and the answers that are one value. Pure.

Whatever the server sends comes out as a value, or as CheckFailed.
"""

import re
from collections.abc import Mapping

import msgspec

from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason

LINE_LIMIT_BYTES = 1024
BULK_LIMIT_BYTES = 64 * 1024

_NUMBER = re.compile(rb"-?[0-9]{1,19}")
_LOGIN_REFUSALS = frozenset({"NOAUTH", "WRONGPASS", "NOPERM"})


class Refusal(msgspec.Struct, frozen=True):
    """An error, in the server's words: the first one says what it is."""

    words: str

    @property
    def is_of_login(self) -> bool:
        """Return whether it is about who asks."""
        return self.words.partition(" ")[0] in _LOGIN_REFUSALS


class Bulk(msgspec.Struct, frozen=True):
    """Bytes that follow: so many, and the end of a line."""

    count: int


def command(*words: str) -> bytes:
    """Return a command."""
    encoded = [word.encode() for word in words]
    return b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)])


def read_line(line: bytes) -> str | Refusal | Bulk:
    """Return what an answer's first line says: a text, a number as text, an error, or that bytes follow."""
    kind, text = line[:1], line[1:].removesuffix(b"\r\n")
    if kind == b"+":
        return _text(text)
    if kind == b"-":
        return Refusal(_text(text))
    if kind not in {b":", b"$"} or not _NUMBER.fullmatch(text):
        raise CheckFailed(Reason.PROTOCOL, f"not an answer of Redis: {excerpt(line.rstrip())}")
    number = int(text)
    if kind == b":":
        return str(number)
    if number > BULK_LIMIT_BYTES:
        raise CheckFailed(Reason.LIMIT, f"an answer of {number} bytes, must be {BULK_LIMIT_BYTES} at most")
    if number < 0:
        raise CheckFailed(Reason.PROTOCOL, "the answer is nothing, must be something")
    return Bulk(number)


def read_bulk(data: bytes) -> str:
    """Return the bytes that followed, without the end of their line."""
    if not data.endswith(b"\r\n"):
        raise CheckFailed(Reason.PROTOCOL, f"an answer must end with its line: {excerpt(data[-20:])}")
    return _text(data[:-2])


def read_info(text: str) -> Mapping[str, str]:
    """Return the fields in the answer to INFO."""
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
