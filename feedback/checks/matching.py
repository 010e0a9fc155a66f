"""What checks send and expect, as people write it: text, a regular expression, or hexadecimal digits. Pure."""

import re


def payload(text: str | None, digits: str | None) -> bytes:
    """Return the bytes of `send` or of `send_hex`. Raises ValueError that begins with the option's name."""
    return hex_bytes("send_hex", digits) if digits is not None else (text or "").encode()


def matcher(text: str | None, pattern: str | None, digits: str | None) -> re.Pattern[bytes] | None:
    """Return the pattern of `expect`, `expect_regex` or `expect_hex`, None for nothing. Raises ValueError likewise."""
    if pattern is not None:
        return regex_bytes("expect_regex", pattern)
    expected = hex_bytes("expect_hex", digits) if digits is not None else (text or "").encode()
    return re.compile(re.escape(expected)) if expected else None


def regex(option: str, pattern: str) -> re.Pattern[str]:
    """Return an option's regular expression. Raises ValueError that begins with the option's name."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{option}: must be a regular expression: {error}") from None


def regex_bytes(option: str, pattern: str) -> re.Pattern[bytes]:
    """Return an option's regular expression for bytes, line by line. Raises ValueError likewise."""
    try:
        return re.compile(pattern.encode(), re.MULTILINE)
    except re.error as error:
        raise ValueError(f"{option}: must be a regular expression: {error}") from None


def hex_bytes(option: str, digits: str) -> bytes:
    """Return the bytes of hexadecimal digits, spaces between them allowed. Raises ValueError likewise."""
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise ValueError(f'{option}: must be pairs of hexadecimal digits, like 0d0a, not "{digits}"') from None


def excerpt(data: bytes, length: int = 60) -> str:
    """Return the beginning of bytes from the network as a quoted text that can be printed."""
    return f'"{printable(data, length)}"'


def printable(data: bytes, length: int = 60) -> str:
    """Return the beginning of bytes from the network as text that can be printed."""
    shown = data[:length].decode("latin-1").encode("unicode_escape").decode("ascii")
    return f"{shown}…" if len(data) > length else shown


def line_around(data: bytes, position: int) -> bytes:
    """Return the line in which a position is, as far as it has come."""
    start = data.rfind(b"\n", 0, position) + 1
    end = data.find(b"\n", position)
    return data[start : len(data) if end < 0 else end].strip()
