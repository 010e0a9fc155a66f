"""Connections of nginx, from its stub_status page."""

import re
from typing import Annotated

import msgspec

from feedback.agent.http import get
from feedback.agent.limit import Limit
from feedback.agent.place import HttpUrlOption, PlaceOption
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.stream import named

_STATUS = re.compile(
    rb"Active connections: ([0-9]{1,18}) *\n.*\n.*\nReading: [0-9]+ Writing: [0-9]+ Waiting: ([0-9]{1,18})"
)


class Connections(msgspec.Struct, frozen=True):
    """What nginx has: connections of clients, and how many of them wait for the next request."""

    active: int
    waiting: int


class NginxSource(Source, name="nginx"):
    """Connections of nginx's clients, as a share of a limit: its worker_connections times its worker_processes.

    nginx closes connections that wait for a request when it runs short, so that `waiting: false` may say more.

    Example:

        connections: {source: nginx, url: "http://127.0.0.1/nginx_status", limit: 3072}
    """

    url: Annotated[HttpUrlOption, "the location that has stub_status"]
    limit: Annotated[Limit, "how many connections are full"]
    socket: Annotated[PlaceOption | None, "where to connect, by default the URL's host and port"] = None
    waiting: Annotated[bool, "count connections that are kept for the next request"] = True

    async def sample(self) -> Sample:
        """Ask for the page."""
        page = await get(self.url, socket=self.socket)
        with named(str(self.url)):
            connections = parse_status(page.body)
        count = connections.active if self.waiting else connections.active - connections.waiting
        return Sample(max(0, count) / self.limit)


def parse_status(body: bytes) -> Connections:
    """Read the page of four lines."""
    found = _STATUS.match(body)
    if found is None:
        raise SourceError(f"not a page of stub_status: {body[:40]!r}")
    return Connections(int(found[1]), int(found[2]))
