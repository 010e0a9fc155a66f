"""One GET of HTTP/1.1 for the sources that read a server's status page. What is on the wire, the codecs know."""

import asyncio  # noqa: F401 - whole, and before the agent does: a URL may be of https; see feedback.agent.without_tls
from collections.abc import Mapping

import msgspec

from feedback.agent.place import HttpUrl, Place
from feedback.agent.source import SourceError
from feedback.agent.stream import Stream, Tls, connected
from feedback.checks.codecs import http_message
from feedback.checks.codecs.http_body import Body
from feedback.checks.codecs.http_message import Head
from feedback.secret import Secret

BODY_LIMIT_BYTES = 256 * 1024
READ_BYTES = 16 * 1024


class Answer(msgspec.Struct, frozen=True):
    """What a server has answered: head and body."""

    head: Head
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type in lower case, without its parameters; empty where the server names none."""
        return next(iter(self.head.values("content-type")), "").partition(";")[0].strip().lower()


async def get(
    url: HttpUrl,
    *,
    socket: Place | None = None,
    headers: Mapping[str, str] | None = None,
    tls: Tls | None = None,
    limit_bytes: int = BODY_LIMIT_BYTES,
) -> Answer:
    """Ask once, on a connection of its own, and return an answer whose status is 2xx. Raises SourceError.

    `socket`: where to connect instead of the URL's host and port. `tls`: how, where the URL is one of https.
    """
    how = (tls or Tls()) if url.tls else None
    name = str(url) if socket is None else f"{url} at {socket}"
    async with connected(socket or url.place, how, name) as stream:
        await stream.write(http_message.request("GET", url.target, url.host_header, headers or {}))
        answer = await _read(stream, limit_bytes)
        if not 200 <= answer.head.status <= 299:
            raise SourceError(f"the answer is {answer.head.line}")
        return answer


def basic_authorization(user: str, password: Secret) -> dict[str, str]:
    """Return the header of a login by Basic (RFC 7617)."""
    import base64  # noqa: PLC0415 - whoever logs in nowhere needs none of it

    encoded = base64.b64encode(f"{user}:{password.reveal()}".encode())
    return {"Authorization": f"Basic {encoded.decode()}"}


async def _read(stream: Stream, limit_bytes: int) -> Answer:
    """Read one answer; interim ones are passed over."""
    data = b""
    start = 0
    while True:
        while not (end := http_message.end_of_head(data, start)):
            data += await _some(stream)
        head = http_message.parse_head(data[start:end])
        if head.status >= 200:
            return await _read_body(stream, head, data[end:], limit_bytes)
        start = end


async def _read_body(stream: Stream, head: Head, data: bytes, limit_bytes: int) -> Answer:
    body = Body(head, limit_bytes)
    if data:
        body.feed(data)
    while not (body.complete or body.truncated):
        body.feed(await stream.read_some(READ_BYTES))
    if body.truncated:
        raise SourceError(f"an answer of more than {limit_bytes} bytes")
    return Answer(head, bytes(body.data))


async def _some(stream: Stream) -> bytes:
    data = await stream.read_some(READ_BYTES)
    if not data:
        raise SourceError("the connection was closed before the answer was over")
    return data
