"""Connections of memcached."""

import re
from typing import Annotated

from feedback.agent.limit import Limit, ratio_of
from feedback.agent.place import Place, PlaceOption
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.stream import connected

ANSWER_LIMIT_BYTES = 64 * 1024
END = b"END\r\n"


class MemcachedSource(Source, name="memcached"):
    """Connections that memcached has, as a share of what it may have. Without room it lets new clients wait.

    Examples:

        memcached: {}
        sessions.cache: {source: memcached, address: /run/memcached/memcached.sock}
    """

    address: Annotated[PlaceOption, "where it listens"] = Place("127.0.0.1", 11211)
    limit: Annotated[Limit | None, "how many are full, by default memcached's own (-c)"] = None

    async def sample(self) -> Sample:
        """Ask for the statistics."""
        async with connected(self.address) as stream:
            await stream.write(b"stats\r\n")
            stats = await stream.read_until(END, ANSWER_LIMIT_BYTES)
            used = stat(stats, b"curr_connections")
            if self.limit:
                return Sample(used / self.limit)
            return Sample(ratio_of(used, stat(stats, b"max_connections"), "connections"))


def stat(data: bytes, name: bytes) -> int:
    """Return the number in a line `STAT name number`."""
    found = re.search(rb"^STAT %b ([0-9]{1,18})\r$" % re.escape(name), data, re.MULTILINE)
    if found is None:
        raise SourceError(f"memcached does not say its {name.decode()}: {data[:40]!r}")
    return int(found[1])
