"""Workers and listen queue of a pool of PHP-FPM, from its status page."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Literal

import msgspec

from feedback.agent.http import get
from feedback.agent.limit import Limit
from feedback.agent.place import HttpUrl, HttpUrlOption, Place, PlaceOption
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.stream import connected, named

Measure = Literal["workers", "queue"]

ANSWER_LIMIT_BYTES = 256 * 1024


class Pool(msgspec.Struct, frozen=True, rename=lambda name: name.replace("_", " ")):
    """What the page says, under its own names."""

    active_processes: Annotated[int, msgspec.Meta(ge=0)]
    total_processes: Annotated[int, msgspec.Meta(ge=0)]
    listen_queue: Annotated[int, msgspec.Meta(ge=0)] = 0
    listen_queue_len: Annotated[int, msgspec.Meta(ge=0)] = 0


class PhpfpmSource(Source, name="phpfpm"):
    """Busy workers of a pool of PHP-FPM, or requests that wait for one, as a share of a limit.

    The page is asked for at the pool's own address by FastCGI, or by HTTP at a URL of a web server. Where all workers
    are busy the page waits like every request, unless the pool has a pm.status_listen: give that as the address.
    PHP-FPM knows the length of its queue on a port, and not on a Unix socket.

    Examples:

        workers: {source: phpfpm, address: 127.0.0.1:9001, limit: 50}
        queue.php: {source: phpfpm, url: "http://127.0.0.1/status", measure: queue, limit: 100}
    """

    address: Annotated[PlaceOption | None, "the pool's `listen`, or better its `pm.status_listen`"] = None
    path: Annotated[str, "the pool's pm.status_path"] = "/status"
    url: Annotated[HttpUrlOption | None, "the page on a web server, to ask instead"] = None
    measure: Annotated[Measure, "workers: busy ones; queue: requests that wait"] = "workers"
    limit: Annotated[Limit | None, "pm.max_children, by default the workers that run; for a queue, its backlog"] = None

    def __post_init__(self) -> None:
        self._page: Callable[[], Awaitable[bytes]]
        if self.address is not None and self.url is None:
            self._page = partial(ask, self.address, self.path)
        elif self.url is not None and self.address is None:
            self._page = partial(fetch, self.url)
        else:
            raise ValueError("must have an address or a url, and not both")
        if not (self.path.startswith("/") and self.path.isascii() and self.path.isprintable()):
            raise ValueError('path: must begin with "/"')

    async def sample(self) -> Sample:
        """Ask for the page."""
        page = await self._page()
        with named(str(self.address or self.url)):
            return Sample(self._ratio(parse_status(page)))

    def _ratio(self, pool: Pool) -> float:
        if self.measure == "workers":
            return pool.active_processes / (self.limit or max(1, pool.total_processes))
        limit = self.limit or pool.listen_queue_len
        if not limit:
            raise SourceError("PHP-FPM does not know the queue of a Unix socket: set limit, or let it listen on a port")
        return pool.listen_queue / limit


async def fetch(url: HttpUrl) -> bytes:
    """Return the status page that a web server has."""
    target = url.target + ("&json" if "?" in url.target else "?json")
    return (await get(msgspec.structs.replace(url, target=target))).body


async def ask(place: Place, path: str) -> bytes:
    """Return the status page that a pool has at its own address."""
    from feedback.checks.codecs import fastcgi  # noqa: PLC0415 - by HTTP, it is not needed

    output = fastcgi.Output(ANSWER_LIMIT_BYTES)
    async with connected(place) as stream:
        await stream.write(fastcgi.get(path, "json"))
        while not output.ended:
            header = fastcgi.read_header(await stream.read_exactly(fastcgi.HEADER_BYTES))
            output.feed(header, await stream.read_exactly(header.rest_bytes))
        document = output.document()
        if not document.is_good:
            raise SourceError(f"the answer to {path} is {document.status}")
        return document.body


def parse_status(body: bytes) -> Pool:
    """Read the page in JSON."""
    try:
        return msgspec.json.decode(body, type=Pool)
    except msgspec.MsgspecError as error:
        raise SourceError(f"not a status page of PHP-FPM: {error}") from None
