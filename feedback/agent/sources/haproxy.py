"""Sessions and queues of HAProxy, from its statistics."""

import csv
from typing import Annotated, Literal

from feedback.agent.http import get
from feedback.agent.limit import Limit, ratio_of
from feedback.agent.place import HttpUrl, HttpUrlOption, Place, PlaceOption
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.stream import connected, named

Measure = Literal["sessions", "queue"]

ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
READ_BYTES = 64 * 1024
HEADER = "# "
COLUMNS = {"sessions": ("scur", "slim"), "queue": ("qcur", "qlimit")}


class HaproxySource(Source, name="haproxy"):
    """Sessions, or requests that wait, of one of HAProxy's proxies or servers, as a share of its limit.

    HAProxy knows a frontend's limit (maxconn), a backend's (fullconn), and a server's where its line sets maxconn and
    maxqueue; `limit` goes before. The statistics are asked for at the stats socket, for which `level user` is enough,
    or at the URL of `stats uri`, which must end with ;csv.

    Examples:

        sessions: {source: haproxy, proxy: web}
        queue.app: {source: haproxy, proxy: app, server: BACKEND, measure: queue, limit: 100}
    """

    proxy: Annotated[str, "name of the frontend, backend or listen section"]
    server: Annotated[str, "FRONTEND, BACKEND, or the name of a server in it"] = "FRONTEND"
    measure: Annotated[Measure, "sessions: those there are; queue: requests that wait for a server"] = "sessions"
    limit: Annotated[Limit | None, "how many are full, by default HAProxy's own limit"] = None
    address: Annotated[PlaceOption, "the stats socket"] = Place(path="/run/haproxy/admin.sock")
    url: Annotated[HttpUrlOption | None, "the statistics' page to ask instead, with ;csv"] = None

    def __post_init__(self) -> None:
        if self.measure == "queue" and self.server == "FRONTEND":
            raise ValueError("server: a frontend has no queue: must be BACKEND or the name of a server")
        if self.url is not None and not self.url.target.endswith(";csv"):
            raise ValueError(f"url: must end with ;csv, like {self.url.text.partition(';')[0]};csv")

    async def sample(self) -> Sample:
        """Ask for the statistics."""
        text = await self._ask_socket() if self.url is None else await self._ask_page(self.url)
        with named(str(self.url or self.address)):
            row = find(text, self.proxy, self.server)
            used, most = (count(row, column) for column in COLUMNS[self.measure])
            return Sample(used / self.limit if self.limit else ratio_of(used, most, self.measure))

    async def _ask_socket(self) -> bytes:
        async with connected(self.address) as stream:
            await stream.write(b"show stat\n")
            text = b""
            while data := await stream.read_some(READ_BYTES):
                text += data
                if len(text) > ANSWER_LIMIT_BYTES:
                    raise SourceError(f"statistics of more than {ANSWER_LIMIT_BYTES} bytes")
            return text

    @staticmethod
    async def _ask_page(url: HttpUrl) -> bytes:
        return (await get(url, limit_bytes=ANSWER_LIMIT_BYTES)).body


def find(text: bytes, proxy: str, server: str) -> dict[str, str]:
    """Return the row of a proxy's server, from lines of values with commas under a line of names."""
    lines = text.decode("utf-8", "replace").splitlines()
    if not lines or not lines[0].startswith(HEADER):
        raise SourceError(f"not HAProxy's statistics: {text[:40]!r}")
    names = lines[0].removeprefix(HEADER).split(",")
    try:
        rows = list(csv.reader(lines[1:]))
    except csv.Error as error:
        raise SourceError(f"not HAProxy's statistics: {error}") from None
    found = [dict(zip(names, row, strict=False)) for row in rows if row[:2] == [proxy, server]]
    if not found:
        known = ", ".join(sorted({row[0] for row in rows if len(row) > 1}))
        raise SourceError(f"HAProxy has no {proxy}/{server}; its proxies are {known[:80] or 'none'}")
    return found[0]


def count(row: dict[str, str], column: str) -> int:
    """Return a column's number; an empty one is 0, no limit."""
    text = row.get(column, "")
    if text and not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise SourceError(f"HAProxy's {column} is {text[:40]!r}, must be a number")
    return int(text or 0)
