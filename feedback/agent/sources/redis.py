"""What waits in a list of Redis, or how full Redis itself is."""

from typing import Annotated, Literal

from feedback.agent.limit import Limit, ratio_of
from feedback.agent.password_file import PasswordFile
from feedback.agent.place import Place, PlaceOption
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.stream import Stream, connected
from feedback.checks.codecs import resp

Measure = Literal["length", "clients", "memory"]

COUNTING = {"list": "LLEN", "zset": "ZCARD", "set": "SCARD", "stream": "XLEN", "hash": "HLEN"}
"""The command that counts what is in a key of each type."""

FIELDS = {
    "clients": ("clients", "connected_clients", "maxclients"),
    "memory": ("memory", "used_memory", "maxmemory"),
}
"""The section of INFO for a measure, what is used in it, and what there is at most."""

FULL = "ERR max number of clients reached"


class RedisSource(Source, name="redis"):
    """Elements of a list (or a stream or set) of Redis, as a share of a limit; or its clients, or its memory.

    A key that is not there has no elements. Redis knows its own limits: maxclients and maxmemory.

    Examples:

        queue.jobs: {source: redis, key: jobs, limit: 500}
        clients: {source: redis, measure: clients}
    """

    address: Annotated[PlaceOption, "where it listens"] = Place("127.0.0.1", 6379)
    measure: Annotated[Measure, "length: of a key; clients: connections; memory: in use"] = "length"
    key: Annotated[str | None, "the list, stream, sorted set, set or hash"] = None
    database: Annotated[int, "number of the database that has the key"] = 0
    limit: Annotated[Limit | None, "what is full: elements, clients or bytes; by default Redis's own limit"] = None
    user: Annotated[str | None, "user to log in as, by default Redis's `default`"] = None
    password_file: Annotated[PasswordFile | None, "file with the password in its first line"] = None

    def __post_init__(self) -> None:
        if (self.key is None) == (self.measure == "length"):
            raise ValueError("key: goes with the measure length, which must have one")
        if self.measure == "length" and self.limit is None:
            raise ValueError("limit: must be given, for a key has none of its own")
        if self.user is not None and self.password_file is None:
            raise ValueError("user: goes with password_file, and there is none")

    async def sample(self) -> Sample:
        """Ask."""
        try:
            async with connected(self.address) as stream:
                await self._log_in(stream)
                if self.key is not None:
                    return Sample(await self._length(stream, self.key) / (self.limit or 1))
                return Sample(await self._share(stream))
        except SourceError as error:
            if self.measure == "clients" and str(error).endswith(FULL):
                return Sample(1.0)  # nobody more is let in: that is what was asked
            raise

    async def _log_in(self, stream: Stream) -> None:
        if self.password_file is not None:
            user = [] if self.user is None else [self.user]
            await ask(stream, "AUTH", *user, self.password_file.reveal())
        if self.database:
            await ask(stream, "SELECT", str(self.database))

    @staticmethod
    async def _length(stream: Stream, key: str) -> int:
        kind = await ask(stream, "TYPE", key)
        if kind == "none":
            return 0
        if kind not in COUNTING:
            raise SourceError(f"{key} is a {kind}, must be a list, stream, set or hash")
        return _number(await ask(stream, COUNTING[kind], key), COUNTING[kind])

    async def _share(self, stream: Stream) -> float:
        section, used, most = FIELDS[self.measure]
        info = resp.read_info(await ask(stream, "INFO", section))
        if used not in info:
            raise SourceError(f"Redis does not say its {used}")
        if self.limit:
            return _number(info[used], used) / self.limit
        if most not in info:
            raise SourceError(f"Redis does not say its {most}: set limit")
        return ratio_of(_number(info[used], used), _number(info[most], most), self.measure)


async def ask(stream: Stream, *words: str) -> str:
    """Return the answer to a command. Raises SourceError with an error of Redis's."""
    await stream.write(resp.command(*words))
    answer = resp.read_line(await stream.read_until(b"\r\n", resp.LINE_LIMIT_BYTES))
    if isinstance(answer, resp.Bulk):
        return resp.read_bulk(await stream.read_exactly(answer.count + 2))
    if isinstance(answer, resp.Refusal):
        raise SourceError(answer.words)
    return answer


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise SourceError(f"Redis says {what} {text[:40]!r}, must be a number")
    return int(text)
