"""JSON, and pointers into it (RFC 6901), as values. Pure."""

import re
from typing import Any

import msgspec

from feedback.errors import CheckFailed, Reason

Scalar = str | int | float | bool | None

_INDEX = re.compile("0|[1-9][0-9]{0,9}")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # RFC 8259, 8.1: may be ignored
_SHOWN_LENGTH = 60


def parse_pointer(text: str) -> tuple[str, ...]:
    """Return the steps of a pointer like /nodes/0/state. Raises ValueError with the rest of a sentence about it."""
    if text and not text.startswith("/"):
        raise ValueError('must be a pointer, like /nodes/0/state, or "" for all of it')
    if re.search("~(?![01])", text):
        raise ValueError('must have "~" written as ~0, and "/" in a name as ~1')
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])


def decode(data: bytes) -> Any:
    """Return what a JSON text says. Raises CheckFailed."""
    try:
        return msgspec.json.decode(data.removeprefix(_BYTE_ORDER_MARK))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CheckFailed(Reason.CONTENT, f"the body is not JSON: {error}") from None
    except RecursionError:
        raise CheckFailed(Reason.LIMIT, "the body is JSON that is nested too deeply") from None


def find(document: Any, steps: tuple[str, ...]) -> Any:
    """Return the value at a pointer's end. Raises LookupError where there is none."""
    for step in steps:
        if isinstance(document, list) and _INDEX.fullmatch(step):
            document = document[int(step)]
        elif isinstance(document, dict):
            document = document[step]
        else:
            raise LookupError(step)
    return document


def equal(found: Any, wanted: Scalar) -> bool:
    """Return whether a value is what is wanted: 1 and 1.0 are the same number, and neither is true."""
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)


def as_text(value: Any) -> str:
    """Return a text as it is, and anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def show(value: Any) -> str:
    """Return a value as JSON, shortened."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN_LENGTH else f"{text[: _SHOWN_LENGTH - 1]}…"
