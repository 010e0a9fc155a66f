"""Workers of Apache, from its server-status page."""

from typing import Annotated

import msgspec

from feedback.agent.http import get
from feedback.agent.limit import Limit
from feedback.agent.place import HttpUrlOption, PlaceOption
from feedback.agent.source import Sample, Source
from feedback.agent.stream import named
from feedback.agent.text import value

_WHAT = "server-status"


class Workers(msgspec.Struct, frozen=True):
    """Workers that serve requests, and those that could."""

    busy: int
    idle: int


class ApacheSource(Source, name="apache"):
    """Workers of Apache that are busy, as a share of MaxRequestWorkers, which is the limit.

    Without a limit, of the workers that run: Apache starts more while there are few idle ones, so that the share is
    high too soon. The URL must end with ?auto.

    Example:

        workers: {source: apache, url: "http://127.0.0.1/server-status?auto", limit: 256}
    """

    url: Annotated[HttpUrlOption, "the location of mod_status, with ?auto"]
    limit: Annotated[Limit | None, "MaxRequestWorkers, by default the workers that run"] = None
    socket: Annotated[PlaceOption | None, "where to connect, by default the URL's host and port"] = None

    def __post_init__(self) -> None:
        if "auto" not in self.url.target.partition("?")[2].split("&"):
            raise ValueError(f"url: must end with ?auto, like {self.url.text.partition('?')[0]}?auto")

    async def sample(self) -> Sample:
        """Ask for the page."""
        page = await get(self.url, socket=self.socket)
        with named(str(self.url)):
            workers = parse_status(page.body)
        return Sample(workers.busy / (self.limit or max(1, workers.busy + workers.idle)))


def parse_status(body: bytes) -> Workers:
    """Read the page for programs: a name, a colon and a number in each line."""
    return Workers(value(body, b"BusyWorkers", _WHAT), value(body, b"IdleWorkers", _WHAT))
