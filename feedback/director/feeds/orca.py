"""The feed `orca`: services that report their load to Envoy or gRPC already, asked over HTTP. Pure."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

import msgspec

from feedback.checks.codecs import http_message
from feedback.checks.codecs.http_message import Head
from feedback.checks.http_answer import read_head, split
from feedback.director.feeds.feed import Feed
from feedback.errors import CheckFailed, Reason
from feedback.model import Endpoint
from feedback.net import Net, Stream
from feedback.options import Port
from feedback.orca import OrcaError, parse_orca, utilizations
from feedback.report import Report

BODY_LIMIT_BYTES = 64 * 1024
HEADERS = ("endpoint-load-metrics", "endpoint-load-metrics-json")
"""Where Envoy looks for a report in any answer of a service."""

Limit = Annotated[float, msgspec.Meta(gt=0)]


class OrcaFeed(Feed, name="orca"):
    """An ORCA load report in an answer of HTTP: in its header `endpoint-load-metrics`, or else as its body.

    The metrics are `application`, `cpu` and `memory`, as far as they are reported, and every one of `utilization` by
    its name. `rps`, `eps` and `named_metrics` are counts of anything: they become metrics with a limit.
    """

    port: Annotated[Port, "port of the service"]
    path: Annotated[str, "path to ask for"] = "/"
    host: Annotated[str | None, "Host header, by default the address and port"] = None
    limits: Annotated[dict[str, Limit], "what is 1 for those that are no utilization, by name: {rps: 500}"] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or not self.path.isprintable() or " " in self.path:
            raise ValueError('path: must start with "/", and have no spaces')
        if self.host is not None and (not self.host.isprintable() or " " in self.host):
            raise ValueError("host: must be a name, and have no spaces")

    async def ask(self, endpoint: Endpoint, net: Net) -> Report:
        """Ask for the path, and read the answer."""
        async with net.connect_tcp(endpoint, brief=True) as stream:
            await stream.write(http_message.request("GET", self.path, self.host or str(endpoint), {}))
            head, body = await _read(stream)
        if not 200 <= head.status < 300:
            raise CheckFailed(Reason.STATUS, head.line)
        try:
            return report_of(head, body, self.limits)
        except OrcaError as error:
            raise CheckFailed(Reason.CONTENT, str(error)) from None


async def _read(stream: Stream) -> tuple[Head, bytes]:
    _, data = await read_head(stream, b"")
    head, body = split(data, BODY_LIMIT_BYTES, "GET")
    while not (body.complete or body.truncated):
        body.feed(await stream.read_some(BODY_LIMIT_BYTES))
    if body.truncated and not any(head.values(name) for name in HEADERS):
        raise CheckFailed(Reason.LIMIT, f"the answer's body is longer than {BODY_LIMIT_BYTES} bytes")
    return head, bytes(body.data)


def report_of(head: Head, body: bytes, limits: Mapping[str, float]) -> Report:
    """Return what an agent would report of an answer. Raises OrcaError."""
    text = next((value.encode("latin-1") for name in HEADERS for value in head.values(name)), body)
    return Report(metrics=utilizations(parse_orca(text), limits))
