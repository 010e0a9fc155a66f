"""HTTP/1 messages as values (RFC 9112): a request's bytes, and whatever bytes come back. Pure.

Every parser here returns a value or raises CheckFailed, whatever the bytes.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason

HEAD_LIMIT_BYTES = 16 * 1024
FIELDS_LIMIT = 100

_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")  # RFC 9112, 2.2: a lone LF may end a line
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_FIRST_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_NEXT_CHUNK = re.compile(rb"\r?\n" + _FIRST_CHUNK.pattern)  # after the line's end of the one before
_CHUNK_LINE_LIMIT_BYTES = 256

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What a method and a header's name may be."""


class Head(msgspec.Struct, frozen=True):
    """Status line and header fields of a response; the names in lower case."""

    status: int
    line: str  # status and phrase, for people
    fields: tuple[tuple[str, str], ...] = ()

    def values(self, name: str) -> list[str]:
        """Return the values of every field of a name, given in lower case."""
        return [value for field, value in self.fields if field == name]


def request(method: str, path: str, host: str, headers: Mapping[str, str]) -> bytes:
    """Return the bytes of a request without a body, after whose answer the connection is closed."""
    fields = {"Host": host, "User-Agent": "feedback", "Accept": "*/*", "Connection": "close"}
    given = {name.lower() for name in headers}
    fields = {name: value for name, value in fields.items() if name.lower() not in given} | dict(headers)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def status_of(data: bytes) -> Head | None:
    """Return the status line of the head that `data` begins with, None while the head is not complete.

    Raises CheckFailed as soon as it can't become a head, or one that is too long.
    """
    if data.find(b"\r\n\r\n", 0, HEAD_LIMIT_BYTES) < 0 and not end_of_head(data):
        return None
    return _parse_status(data[: data.find(b"\n") + 1])


def end_of_head(data: bytes) -> int:
    """Return the length of the head that `data` begins with, 0 while it is not complete. Raises as `status_of`."""
    found = _END_OF_HEAD.search(data, 0, HEAD_LIMIT_BYTES)
    if found is not None:
        return found.end()
    if data[:5] != b"HTTP/"[: len(data)]:
        raise CheckFailed(Reason.PROTOCOL, f"the answer is not HTTP: {excerpt(data)}")
    if len(data) >= HEAD_LIMIT_BYTES:
        raise CheckFailed(Reason.LIMIT, f"the answer's headers are longer than {HEAD_LIMIT_BYTES} bytes")
    return 0


@functools.lru_cache(maxsize=256)  # realservers say the same at every check
def _parse_status(line: bytes) -> Head:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise CheckFailed(Reason.PROTOCOL, f"the answer is not HTTP: {excerpt(line)}")
    return Head(int(match[1]), f"{match[1].decode()} {(match[2] or b'').decode('latin-1')}".rstrip())


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


class Body:
    """The body of one response: takes bytes as they come, and says when there are no more."""

    def __init__(self, head: Head, limit: int) -> None:
        self.data = b""
        self._limit = limit
        self._dropped = False  # whether there was more than the limit allows
        self._pending = b""
        self._chunked = _is_chunked(head)
        self._chunk_size = _FIRST_CHUNK
        self._left = 0 if self._chunked else _content_length(head)  # of the body, or of the current chunk
        # RFC 9112, 6.3: two statuses have no body, whatever their fields say.
        self.complete = head.status in {204, 304} or (self._left == 0 and not self._chunked)

    @property
    def truncated(self) -> bool:
        """Whether as much was read as the limit allows, and there is or would be more."""
        return self._dropped or (not self.complete and len(self.data) >= self._limit)

    def feed(self, data: bytes) -> None:
        """Take the next bytes; b"" says that the peer has ended the stream. Raises CheckFailed when it is too early."""
        if not data:
            self._end()
        elif self._chunked:
            self._feed_chunked(self._pending + data)
        else:
            self._feed_plain(data)

    def _feed_plain(self, data: bytes) -> None:
        if self._left is None:
            self._keep(data)
        else:
            self._keep(data[: self._left])
            self._left = max(0, self._left - len(data))
            self.complete = not self._left

    def _feed_chunked(self, data: bytes) -> None:
        while data and not self.complete:
            if self._left:
                self._keep(data[: self._left])
                data, self._left = data[self._left :], max(0, self._left - len(data))
                continue
            size = self._chunk_size.match(data)
            if size is None:
                break
            self._chunk_size = _NEXT_CHUNK
            self._left = int(size[1], 16)
            self.complete = not self._left  # what trailers follow is of no interest
            data = data[size.end() :]
        if not self.complete and (len(data) > _CHUNK_LINE_LIMIT_BYTES or b"\n" in data[2:]):
            raise CheckFailed(Reason.PROTOCOL, f"not the size of a chunk: {excerpt(data)}")
        self._pending = data

    def _end(self) -> None:
        if self._chunked or self._left is not None:
            raise CheckFailed(Reason.CLOSED, "the connection was closed in the middle of the body")
        self.complete = True

    def _keep(self, data: bytes) -> None:
        room = self._limit - len(self.data)
        self._dropped = self._dropped or len(data) > room
        self.data += data[:room]


def _is_chunked(head: Head) -> bool:
    codings = [coding.strip().lower() for value in head.values("transfer-encoding") for coding in value.split(",")]
    if codings not in ([], ["chunked"]):
        raise CheckFailed(Reason.PROTOCOL, f"unknown transfer coding: {excerpt(', '.join(codings).encode())}")
    return bool(codings)


def _content_length(head: Head) -> int | None:
    """Return the announced length, None where the end of the stream ends the body."""
    lengths = {length.strip() for value in head.values("content-length") for length in value.split(",")}
    if not lengths:
        return None
    if len(lengths) > 1 or not re.fullmatch("[0-9]{1,18}", length := lengths.pop()):
        raise CheckFailed(Reason.PROTOCOL, "the answer's Content-Length is not one number")
    return int(length)
