"""Placeholders in what a script sends: `{user:imap}` is an option's value, written as its protocol wants it. Pure."""

import base64
import re
from collections.abc import Callable, Iterator, Mapping

TURN = "\0"
"""Where the peer is to ask for more before the rest is sent. No value has it."""

_PLACEHOLDER = re.compile(r"\{(\w+):(\w+)\}")


def line(text: str) -> str:
    """Return text that stays within its line."""
    if not re.fullmatch(r"[^\r\n\0\ud800-\udfff]+", text):
        raise ValueError("must be one line of text")
    return text


def word(text: str) -> str:
    """Return text that is one argument among others."""
    if not re.fullmatch(r"[^\s\x00-\x1f\x7f\ud800-\udfff]+", text):
        raise ValueError("must be one word, without spaces")
    return text


def imap(text: str) -> str:
    """Return IMAP's quoted string, or a literal where characters are none of ASCII (RFC 3501, 4.3)."""
    line(text)
    if not text.isascii():
        return f"{{{len(text.encode())}}}\r\n{TURN}{text}"
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def imap_mailbox(text: str) -> str:
    """Return a mailbox's name in IMAP's own UTF-7 (RFC 3501, 5.1.3), quoted."""
    encoded = re.sub("[^ -~]+", _shifted, line(text).replace("&", "&-"))
    return imap(encoded)


def _shifted(match: re.Match[str]) -> str:
    digits = base64.b64encode(match[0].encode("utf-16-be"), altchars=b"+,").decode().rstrip("=")
    return f"&{digits}-"


FORMATS: Mapping[str, Callable[[str], str]] = {
    "line": line,
    "word": word,
    "imap": imap,
    "imap_mailbox": imap_mailbox,
}


def placeholders(template: str) -> Iterator[tuple[str, str]]:
    """Yield the names of what is to be put in, and of the formats."""
    for match in _PLACEHOLDER.finditer(template):
        yield match[1], match[2]


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return the text with values put in. Raises ValueError, begun by an option's name, where one can't be written."""

    def put(match: re.Match[str]) -> str:
        try:
            return FORMATS[match[2]](values[match[1]])
        except ValueError as error:
            raise ValueError(f"{match[1]}: {error}") from None

    return _PLACEHOLDER.sub(put, template)
