"""HTTP/1 messages as values (RFC 9112): a request's bytes, and the head of whatever bytes come back. Pure.

Every parser here returns a value or raises CheckFailed, whatever the bytes.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason

HEAD_LIMIT_BYTES = 16 * 1024
"""Most bytes of an answer before its body, interim answers included."""

FIELDS_LIMIT = 100

_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_ENDS_OF_HEAD = (b"\n\r\n", b"\n\n")  # RFC 9112, 2.2: a lone LF may end a line
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What a method and a header's name may be."""

_ANTICIPATE_CONTENT = frozenset({"POST", "PUT", "PATCH"})


class Head(msgspec.Struct, frozen=True):
    """Status line and header fields of a response; the names in lower case. `minor`: the 1 of HTTP/1.1."""

    status: int
    line: str  # status and phrase, for people
    fields: tuple[tuple[str, str], ...] = ()
    minor: int = 1

    def values(self, name: str) -> list[str]:
        """Return the values of every field of a name, given in lower case."""
        return [value for field, value in self.fields if field == name]

    def listed(self, name: str) -> list[str]:
        """Return the items of a field that is a list with commas, in lower case."""
        return [item.strip().lower() for value in self.values(name) for item in value.split(",")]

    @property
    def persistent(self) -> bool:
        """Whether the connection may be used after this answer (RFC 9112, 9.3).

        Not where the answer has two lengths: what follows it may be of anybody's making (RFC 9112, 6.3).
        """
        options = self.listed("connection")
        kept = "close" not in options and (self.minor > 0 or "keep-alive" in options)
        return kept and not (self.values("transfer-encoding") and self.values("content-length"))


def request(
    method: str,
    path: str,
    host: str,
    headers: Mapping[str, str],
    content: bytes = b"",
    *,
    version: str = "1.1",
    keep: bool = False,
) -> bytes:
    """Return the bytes of a request. `keep`: the connection is to be kept after its answer, as HTTP/1.1 can."""
    fields = {"Host": host, "User-Agent": "feedback", "Accept": "*/*"}
    if not keep:
        fields["Connection"] = "close"
    if content or method in _ANTICIPATE_CONTENT:  # RFC 9110, 8.6
        fields["Content-Length"] = str(len(content))
    given = {name.lower() for name in headers}
    fields = {name: value for name, value in fields.items() if name.lower() not in given} | dict(headers)
    lines = [f"{method} {path} HTTP/{version}", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


def status_of(data: bytes, start: int = 0) -> Head | None:
    """Return the status line of the head that begins at `start`, None while the head is not complete.

    Raises CheckFailed as soon as it can't become a head, or one that is too long.
    """
    if data.find(b"\r\n\r\n", start, HEAD_LIMIT_BYTES) < 0 and not end_of_head(data, start):
        return None
    return _parse_status(data[start : data.find(b"\n", start) + 1])


def end_of_head(data: bytes, start: int = 0) -> int:
    """Return where the head that begins at `start` ends, 0 while it is not complete. Raises as `status_of`."""
    found = [at + len(end) for end in _ENDS_OF_HEAD if (at := data.find(end, start, HEAD_LIMIT_BYTES)) >= 0]
    if found:
        return min(found)
    if not b"HTTP/".startswith(data[start : start + 5]):
        raise CheckFailed(Reason.PROTOCOL, f"the answer is not HTTP: {excerpt(data[start:])}")
    if len(data) >= HEAD_LIMIT_BYTES:
        what = "interim answers and headers" if start else "headers"
        raise CheckFailed(Reason.LIMIT, f"the answer's {what} are longer than {HEAD_LIMIT_BYTES} bytes")
    return 0


@functools.lru_cache(maxsize=256)  # realservers say the same at every check
def _parse_status(line: bytes) -> Head:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise CheckFailed(Reason.PROTOCOL, f"the answer is not HTTP: {excerpt(line)}")
    minor, status, phrase = match.groups(b"")
    return Head(int(status), f"{status.decode()} {phrase.decode('latin-1')}".rstrip(), minor=int(minor))


def parse_head(data: bytes) -> Head:
    """Return a complete head with its fields. Raises CheckFailed."""
    lines = data.split(b"\n")[:-2]
    if len(lines) - 1 > FIELDS_LIMIT:
        raise CheckFailed(Reason.LIMIT, f"the answer has more than {FIELDS_LIMIT} header fields")
    return msgspec.structs.replace(_parse_status(lines[0] + b"\n"), fields=tuple(_parse_fields(lines[1:])))


def _parse_fields(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for line in lines:
        match = _FIELD.fullmatch(line.removesuffix(b"\r"))
        if match is None:
            raise CheckFailed(Reason.PROTOCOL, f"not a header field: {excerpt(line)}")
        yield match[1].decode("ascii").lower(), match[2].decode("latin-1")
