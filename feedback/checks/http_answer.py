"""What the answer to an HTTP request must be, and reading it: no further than that takes. Pure."""

import re

import msgspec

from feedback.checks.codecs import http_message
from feedback.checks.codecs.http_body import Body
from feedback.checks.codecs.http_message import HEAD_LIMIT_BYTES, Head
from feedback.checks.http_content import Content
from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason
from feedback.net import Stream


class Expected(msgspec.Struct, frozen=True):
    """What an answer must have besides its status: header fields, a redirect to somewhere, a body."""

    headers: dict[str, re.Pattern[str]]
    location: re.Pattern[str] | None
    content: Content
    body_limit: int

    @property
    def is_nothing(self) -> bool:
        """Whether the status is all that counts."""
        return not self.headers and self.location is None and not self.wants_body

    @property
    def wants_body(self) -> bool:
        """Whether something is expected of the body."""
        return self.content != Content()

    async def compare(self, stream: Stream, head: Head, body: Body) -> None:
        """Raise CheckFailed when the answer is another. Of the body, as much is read as that takes."""
        if self.location is not None:
            self._compare_location(head, self.location)
        self._compare_headers(head)
        if self.wants_body:
            await self._read(stream, body)
            self.content.compare(head, body)

    def _compare_location(self, head: Head, location: re.Pattern[str]) -> None:
        found = head.values("location")
        if not found:
            raise CheckFailed(Reason.CONTENT, f"{head.line} leads nowhere, must lead to {location.pattern}")
        if not location.search(found[0]):
            shown = excerpt(found[0].encode())
            raise CheckFailed(Reason.CONTENT, f"{head.line} leads to {shown}, must lead to {location.pattern}")

    def _compare_headers(self, head: Head) -> None:
        for name, pattern in self.headers.items():
            values = head.values(name)
            if not values:
                raise CheckFailed(Reason.CONTENT, f"the answer has no header {name}")
            if not any(map(pattern.search, values)):
                shown = excerpt(", ".join(values).encode())
                raise CheckFailed(Reason.CONTENT, f"header {name} is {shown}, must match {pattern.pattern}")

    async def _read(self, stream: Stream, body: Body) -> None:
        """Read as far as needed: to the text, where a text is all that is wanted, or else to the end."""
        text = self.content.text if self.content.is_a_text else None
        searched = 0  # no byte of a large body is looked at twice, however small the pieces are in which it comes
        while not (body.complete or body.truncated):
            if text is not None:
                if body.data.find(text, searched) >= 0:
                    return
                searched = max(0, len(body.data) - len(text) + 1)
            body.feed(await stream.read_some(self.body_limit))


async def read_head(stream: Stream, data: bytes) -> tuple[Head, bytes]:
    """Return the status line of an answer that begins with `data`, and what has come of it. Raises CheckFailed.

    Interim answers before it (RFC 9110, 15.2) are passed over, as many as fit into the limit.
    """
    start = 0
    while (head := http_message.status_of(data, start)) is None or head.status < 200:
        if head is not None:
            start = http_message.end_of_head(data, start)
            continue
        received = await stream.read_some(HEAD_LIMIT_BYTES)
        if not received:
            raise CheckFailed(Reason.CLOSED, f"the connection was closed after {len(data) - start} bytes of an answer")
        data += received
    return head, data[start:]


def split(head_and_more: bytes, limit: int, method: str) -> tuple[Head, Body]:
    """Return a complete head with its fields, and the body as far as it has come. Raises CheckFailed."""
    end = http_message.end_of_head(head_and_more)
    head = http_message.parse_head(head_and_more[:end])
    body = Body(head, limit, method)
    if head_and_more[end:]:
        body.feed(head_and_more[end:])
    return head, body


async def may_follow(stream: Stream, head: Head, body: Body) -> bool:
    """Read the rest of an answer, and return whether there may be another one on its connection (RFC 9112, 9.3)."""
    if not head.persistent:
        return False
    while not (body.ended or body.truncated):
        received = await stream.read_some(HEAD_LIMIT_BYTES)
        if not received:
            return False
        body.feed(received)
    return body.ended and not body.surplus
