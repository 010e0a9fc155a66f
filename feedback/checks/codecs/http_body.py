"""The body of an HTTP/1 answer (RFC 9112, 6 and 7): takes bytes as they come, and finds its end. Pure."""

import re

from feedback.checks.codecs.http_message import HEAD_LIMIT_BYTES, Head
from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason

_FIRST_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_NEXT_CHUNK = re.compile(rb"\r?\n" + _FIRST_CHUNK.pattern)  # after the line's end of the one before
_CHUNK_LINE_LIMIT_BYTES = 256
_END_OF_TRAILERS = re.compile(rb"\n\r?\n")


class Body:
    """The body of one response.

    `data`: what has come of it, no more than the limit. `complete`: there is no more of it. `ended`: the whole message
    has come, and `surplus` says whether something has come behind it, which nobody has asked for.
    """

    def __init__(self, head: Head, limit: int, method: str = "GET") -> None:
        self.data = bytearray()
        self.surplus = False
        self._limit = limit
        self._dropped = False  # whether there was more than the limit allows
        self._pending = b""
        # RFC 9112, 6.3: some answers have no body, whatever their fields say.
        none = method == "HEAD" or head.status in {204, 304}
        self._chunked = _is_chunked(head) and not none
        self._chunk_size = _FIRST_CHUNK
        self._left = 0 if none or self._chunked else _content_length(head)  # of the body, or of the current chunk
        self.complete = self.ended = self._left == 0 and not self._chunked

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
        elif self._left is None:
            self._keep(data)
        else:
            self._feed_counted(data, self._left)

    def _feed_counted(self, data: bytes, left: int) -> None:
        self._keep(data[:left])
        self._left = max(0, left - len(data))
        self.complete = self.ended = not self._left
        self.surplus = self.surplus or len(data) > left

    def _feed_chunked(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not self.complete:
            if self._left:
                part = data[at : at + self._left]
                self._keep(part)
                at += len(part)
                self._left -= len(part)
                continue
            size = self._chunk_size.match(data, at)
            if size is None:
                break
            self._chunk_size = _NEXT_CHUNK
            self._left = int(size[1], 16)
            self.complete = not self._left
            at = size.end() - self.complete  # the end of the last size's line is where trailers begin
        self._pending = rest = data[at:]
        if self.complete:
            self._feed_trailers(rest)
        elif len(rest) > _CHUNK_LINE_LIMIT_BYTES or b"\n" in rest[2:]:
            raise CheckFailed(Reason.PROTOCOL, f"not the size of a chunk: {excerpt(rest)}")

    def _feed_trailers(self, data: bytes) -> None:
        """Pass over trailers, which are of no interest (RFC 9112, 7.1.2): what comes behind them is."""
        end = _END_OF_TRAILERS.search(data)
        self.ended = end is not None or len(data) > HEAD_LIMIT_BYTES
        self.surplus = self.ended and (end is None or end.end() < len(data))

    def _end(self) -> None:
        if not self.complete and (self._chunked or self._left is not None):
            raise CheckFailed(Reason.CLOSED, "the connection was closed in the middle of the body")
        self.complete = True

    def _keep(self, data: bytes) -> None:
        room = self._limit - len(self.data)
        self._dropped = self._dropped or len(data) > room
        self.data += data[:room]


def _is_chunked(head: Head) -> bool:
    codings = head.listed("transfer-encoding")
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
