"""The `http` check: one request, and what its answer must be."""

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, ClassVar

import msgspec

from feedback.checks.check import Check
from feedback.checks.codecs import http_message
from feedback.checks.codecs.http_message import HEAD_LIMIT_BYTES, TOKEN, Body, Head
from feedback.checks.matching import excerpt, regex
from feedback.checks.statuses import Statuses, parse_statuses, show_statuses
from feedback.errors import CheckFailed, Reason
from feedback.model import Endpoint
from feedback.net import Net, Stream, Target

REQUESTS_KEPT = 10_000


class HttpCheck(Check, name="http"):
    """Pass when the answer to one HTTP/1.1 request has the wanted status, headers and body.

    Every connection is a new one. The body is read only when something is expected of it, and no further than that
    needs; redirects are not followed. A connection whose answer is good is reset, so that no side has to remember it.
    """

    path: Annotated[str, "path and query to ask for"] = "/"
    method: Annotated[str, "method to ask with"] = "GET"
    host: Annotated[str | None, "Host header, by default the address (and a port that is not the usual one)"] = None
    headers: Annotated[dict[str, str], "further headers to send"] = field(default_factory=dict)
    status: Annotated[Statuses, "statuses that pass: 200, [200, 204], 200-299"] = "200-399"
    body: Annotated[str | None, "text that the body must contain"] = None
    body_regex: Annotated[str | None, "regular expression that must be found in the body"] = None
    expect_headers: Annotated[dict[str, str], "header -> regular expression that must be found in its value"] = field(
        default_factory=dict
    )
    body_limit: Annotated[int, msgspec.Meta(ge=1, le=16 * 1024 * 1024), "most bytes of the body to read"] = 64 * 1024

    default_port: ClassVar[int] = 80
    over_tls: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _validate_request(self.method, self.path, self.host, self.headers)
        if self.method == "HEAD" and (self.body is not None or self.body_regex is not None):
            raise ValueError("body: an answer to HEAD has none")
        self._statuses = parse_statuses("status", self.status)
        self._body = None if self.body is None else self.body.encode()
        self._body_regex = None if self.body_regex is None else regex("body_regex", self.body_regex)
        self._expected = {
            name.lower(): regex("expect_headers", pattern) for name, pattern in self.expect_headers.items()
        }
        self._expects_more = bool(self._expected) or self._body is not None or self._body_regex is not None
        self._requests: dict[Endpoint, bytes] = {}

    async def probe(self, target: Target, net: Net) -> str:
        """Ask once, and look at the answer."""
        endpoint = target.endpoint
        extra = ""
        async with net.connect_tcp(target, brief=True) as stream:
            if self.over_tls:
                expires = await self.secure(stream, target)
                extra = f", {expires}" if expires else ""
            await stream.write(self._requests.get(endpoint) or self._request_for(endpoint))
            data = await stream.read_some(HEAD_LIMIT_BYTES)
            while (head := http_message.status_of(data)) is None or head.status < 200:
                data = await self._read_on(stream, data, head)
            if head.status not in self._statuses:
                raise CheckFailed(Reason.STATUS, f"status {head.line}, must be {show_statuses(self.status)}")
            if self._expects_more:
                await self._compare(stream, data)
        return head.line + extra

    async def secure(self, stream: Stream, target: Target) -> str:
        """Begin TLS, where `over_tls` says so, and return when the certificate expires."""
        raise NotImplementedError

    async def _read_on(self, stream: Stream, data: bytes, interim: Head | None) -> bytes:
        """Return more than `data`, or what follows the interim answer in it (RFC 9110, 15.2)."""
        if interim is not None:
            return data[http_message.end_of_head(data) :]
        received = await stream.read_some(HEAD_LIMIT_BYTES)
        if not received:
            raise CheckFailed(Reason.CLOSED, f"the connection was closed after {len(data)} bytes of an answer")
        return data + received

    async def _compare(self, stream: Stream, data: bytes) -> None:
        """Look at what is expected besides the status."""
        end = http_message.end_of_head(data)
        head = http_message.parse_head(data[:end])
        self._compare_headers(head)
        if self._body is not None or self._body_regex is not None:
            await self._compare_body(stream, head, data[end:])

    def _compare_headers(self, head: Head) -> None:
        for name, pattern in self._expected.items():
            values = head.values(name)
            if not values:
                raise CheckFailed(Reason.CONTENT, f"the answer has no header {name}")
            if not any(map(pattern.search, values)):
                shown = excerpt(", ".join(values).encode())
                raise CheckFailed(Reason.CONTENT, f"header {name} is {shown}, must match {pattern.pattern}")

    async def _compare_body(self, stream: Stream, head: Head, data: bytes) -> None:
        """Read as far as needed: to the text, where a text is all that is wanted, or else to the end."""
        body = Body(head, self.body_limit)
        if data and not body.complete:
            body.feed(data)
        while not (body.complete or body.truncated or self._is_enough(body.data)):
            body.feed(await stream.read_some(self.body_limit))
        text = body.data
        if self._body is not None and self._body not in text:
            raise self._missing(f'"{self.body}"', body)
        if self._body_regex is not None and not self._body_regex.search(text.decode("utf-8", "replace")):
            raise self._missing(f"a match of {self.body_regex}", body)

    def _is_enough(self, data: bytes) -> bool:
        return self._body_regex is None and self._body is not None and self._body in data

    def _missing(self, what: str, body: Body) -> CheckFailed:
        if body.truncated:
            return CheckFailed(Reason.LIMIT, f"no {what} in the first {len(body.data)} bytes of a larger body")
        return CheckFailed(Reason.CONTENT, f"no {what} in the body, which begins with {excerpt(body.data)}")

    def _request_for(self, endpoint: Endpoint) -> bytes:
        """Make the request's bytes once for each endpoint, not at each run."""
        if len(self._requests) >= REQUESTS_KEPT:
            self._requests.clear()
        host = self.host or host_header(endpoint, self.default_port)
        request = self._requests[endpoint] = http_message.request(self.method, self.path, host, self.headers)
        return request


def host_header(endpoint: Endpoint, default_port: int) -> str:
    """Return the Host of an endpoint: without the port where it is the usual one (RFC 9110, 7.2)."""
    return str(endpoint) if endpoint.port != default_port else str(endpoint).removesuffix(f":{default_port}")


def _validate_request(method: str, path: str, host: str | None, headers: Mapping[str, str]) -> None:
    """Refuse what would make another request than the one that is meant."""
    if not TOKEN.fullmatch(method):
        raise ValueError("method: must be a word like GET")
    if not path.startswith("/"):
        raise ValueError('path: must start with "/"')
    if not re.fullmatch("[!-~]+", path):
        raise ValueError("path: must be printable ASCII without spaces; write other characters as %XX")
    if host is not None and not re.fullmatch("[!-~]+", host):
        raise ValueError("host: must be a name, like www.example.com")
    for name, value in headers.items():
        if not TOKEN.fullmatch(name) or not value.isprintable():
            raise ValueError(f"headers: {name} must be a header's name, and its value one line")
