"""What the body of an HTTP answer must be: a text, a regular expression, a digest, values in JSON. Pure."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from feedback.checks.codecs import json_pointer
from feedback.checks.codecs.http_body import Body
from feedback.checks.codecs.http_message import Head
from feedback.checks.codecs.json_pointer import Scalar
from feedback.checks.matching import excerpt, regex
from feedback.errors import CheckFailed, Reason

_SHOWN_BYTES = 100
_DIGEST = re.compile("(?:(md5):)?([0-9a-f]{32})|(?:(sha256):)?([0-9a-f]{64})")


class Digest(msgspec.Struct, frozen=True):
    """What a body's digest must be, in hexadecimal digits."""

    algorithm: str
    digits: str

    def compare(self, data: bytes | bytearray) -> None:
        """Raise CheckFailed when the data have another digest."""
        found = hashlib.new(self.algorithm, data, usedforsecurity=False).hexdigest()
        if found != self.digits:
            raise CheckFailed(Reason.CONTENT, f"the body's {self.algorithm} is {found}, must be {self.digits}")


class Value(msgspec.Struct, frozen=True):
    """What must stand at a place in a JSON text: a scalar, or what matches a pattern."""

    pointer: str
    steps: tuple[str, ...]
    wanted: Scalar = None
    pattern: re.Pattern[str] | None = None

    def compare(self, document: Any) -> None:
        """Raise CheckFailed when something else is there, or nothing."""
        try:
            found = json_pointer.find(document, self.steps)
        except LookupError:
            raise CheckFailed(Reason.CONTENT, f"the JSON in the body has no {self.pointer}") from None
        if self.pattern is None and not json_pointer.equal(found, self.wanted):
            raise self._differs(found, f"be {json_pointer.show(self.wanted)}")
        if self.pattern is not None and not self.pattern.search(json_pointer.as_text(found)):
            raise self._differs(found, f"match {self.pattern.pattern}")

    def _differs(self, found: Any, must: str) -> CheckFailed:
        return CheckFailed(
            Reason.CONTENT, f"JSON {self.pointer or 'as a whole'} is {json_pointer.show(found)}, must {must}"
        )


class Content(msgspec.Struct, frozen=True):
    """What a body must be, all of it."""

    text: bytes | None = None
    pattern: re.Pattern[str] | None = None
    no_match: re.Pattern[str] | None = None
    digest: Digest | None = None
    values: tuple[Value, ...] = ()

    @property
    def is_a_text(self) -> bool:
        """Whether a text is all that is wanted: then the body need not be read any further than that."""
        return self.text is not None and self == Content(text=self.text)

    def compare(self, head: Head, body: Body) -> None:
        """Raise CheckFailed when the body is another."""
        try:
            self._compare_text(body)
            self._compare_whole(body)
        except CheckFailed as error:
            coding = ", ".join(head.listed("content-encoding"))
            if coding in {"", "identity"}:
                raise
            raise CheckFailed(
                error.reason, f"{error.detail}; it is encoded, which was not asked for: {coding}"
            ) from None

    def _compare_text(self, body: Body) -> None:
        if self.text is not None and self.text not in body.data:
            raise _missing(f'"{self.text.decode()}"', body)
        if self.pattern is None and self.no_match is None:
            return
        text = body.data.decode("utf-8", "replace")
        if self.pattern is not None and not self.pattern.search(text):
            raise _missing(f"match of {self.pattern.pattern}", body)
        if self.no_match is not None and (found := self.no_match.search(text)):
            shown = excerpt(found[0].encode())
            raise CheckFailed(Reason.CONTENT, f"{shown} in the body, must not match {self.no_match.pattern}")

    def _compare_whole(self, body: Body) -> None:
        """Look at what only a whole body can tell."""
        if self.no_match is None and self.digest is None and not self.values:
            return
        if body.truncated:
            raise CheckFailed(Reason.LIMIT, f"the body is larger than the {len(body.data)} bytes that are read of it")
        if self.digest is not None:
            self.digest.compare(body.data)
        document = json_pointer.decode(bytes(body.data)) if self.values else None
        for value in self.values:
            value.compare(document)


def _missing(what: str, body: Body) -> CheckFailed:
    if body.truncated:
        return CheckFailed(Reason.LIMIT, f"no {what} in the first {len(body.data)} bytes of a larger body")
    return CheckFailed(
        Reason.CONTENT, f"no {what} in the body, which begins with {excerpt(bytes(body.data[:_SHOWN_BYTES]))}"
    )


def parse_digest(option: str, text: str) -> Digest:
    """Return the digest that is written down. Raises ValueError that begins with the option's name."""
    match = _DIGEST.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{option}: must be 32 hexadecimal digits of MD5, or 64 of SHA-256")
    return Digest("md5", match[2]) if match[2] else Digest("sha256", match[4])


def parse_values(scalars: Mapping[str, Scalar], patterns: Mapping[str, str]) -> tuple[Value, ...]:
    """Return the values of the options `json` and `json_regex`. Raises ValueError likewise."""
    wanted = [Value(text, _steps("json", text), wanted=scalar) for text, scalar in scalars.items()]
    matching = [
        Value(text, _steps("json_regex", text), pattern=regex("json_regex", pattern))
        for text, pattern in patterns.items()
    ]
    return (*wanted, *matching)


def _steps(option: str, pointer: str) -> tuple[str, ...]:
    try:
        return json_pointer.parse_pointer(pointer)
    except ValueError as error:
        raise ValueError(f"{option}: {pointer or 'a key'} {error}") from None
