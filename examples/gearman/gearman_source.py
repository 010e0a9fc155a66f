"""A metric of one's own: how many jobs wait at a Gearman job server."""

import asyncio
from typing import Annotated

import msgspec
from feedback.agent.source import Sample, Source, SourceError
from feedback.options import Port

MAX_LINE_BYTES = 4096
MAX_FUNCTIONS = 10_000

Limit = Annotated[float, msgspec.Meta(gt=0)]


class GearmanSource(Source, name="gearman"):
    """Jobs that wait at a Gearman job server, as a share of a limit.

    Example:

        jobs: {source: gearman, function: resize, limit: 200}
    """

    function: Annotated[str | None, "whose jobs count, by default those of all functions"] = None
    limit: Annotated[Limit, "how many waiting jobs mean full"]
    host: Annotated[str, "where the job server is"] = "127.0.0.1"
    port: Annotated[Port, "its port"] = 4730

    async def sample(self) -> Sample:
        """Ask for the status of all functions."""
        server = f"{self.host}:{self.port}"
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port, limit=MAX_LINE_BYTES)
            try:
                writer.write(b"status\n")
                lines = await read_lines(reader)
            finally:
                writer.close()
            return Sample(waiting(lines, self.function) / self.limit)
        except OSError as error:
            raise SourceError(f"can't ask {server}: {error.strerror or error}") from None
        except ValueError as error:
            raise SourceError(f"{server}: {error}") from None


async def read_lines(reader: asyncio.StreamReader) -> list[bytes]:
    """Return the lines of an answer, which ends with a dot alone."""
    lines: list[bytes] = []
    while (line := await reader.readline()) != b".\n":
        if not line or len(lines) == MAX_FUNCTIONS:
            raise ValueError(f"the answer has no end after {len(lines)} lines")
        lines.append(line)
    return lines


def waiting(lines: list[bytes], function: str | None) -> int:
    """Return how many jobs wait: in each line stand a function, its jobs, those that run, and its workers."""
    total = 0
    for line in lines:
        name, *numbers = line.decode("utf-8", "replace").rstrip("\n").split("\t")
        if len(numbers) != 3 or not all(number.isascii() and number.isdigit() for number in numbers):
            raise ValueError(f"not a line of a status: {line[:60]!r}")
        if function in {None, name}:
            total += int(numbers[0][:9]) - int(numbers[1][:9])
    return max(0, total)
