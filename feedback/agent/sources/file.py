"""A number in a file."""

import math
import os
import time
from typing import TYPE_CHECKING, Annotated

import msgspec

from feedback.agent.aside import Aside
from feedback.agent.plain import read_plain
from feedback.agent.source import Sample, Source, SourceError
from feedback.options import Duration

if TYPE_CHECKING:
    from feedback.agent.inotify import Directory

MAX_BYTES = 4096

Limit = Annotated[float, msgspec.Meta(gt=0)]


class FileSource(Source, name="file"):
    """The number in a file's first line, divided by a limit. It is read every interval, and when the file changes.

    A program that writes such a file does best to write another one and to rename it: then nobody reads half a number.
    With `max_age` a file that nobody has written for that long says nothing any more: whoever writes it may be dead.

    Example:

        jobs: {source: file, path: /run/jobs/waiting, limit: 100, max_age: 1m}
    """

    path: Annotated[str, "absolute path of a plain file of at most 4 kB"]
    limit: Annotated[Limit, "value that means full"] = 1.0
    max_age: Annotated[
        Annotated[Duration, msgspec.Meta(gt=0)] | None, "how old the file may be, by default of any age"
    ] = None

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or self.path.endswith("/"):
            raise ValueError("path: must be the absolute path of a file, like /run/jobs/waiting")
        self._aside = Aside(self._read, self.path)  # it may lie on a network file system
        self._directory: Directory | None = None

    async def sample(self) -> Sample:
        """Return the number's share of the limit."""
        return Sample(await self._aside.call() / self.limit)

    async def change(self) -> None:
        """Wait until the file is written and closed, comes or goes."""
        from feedback.agent import inotify  # noqa: PLC0415 - whoever reads no files needs no ctypes
        from feedback.agent.watches.attend import readable  # noqa: PLC0415

        directory, _, name = self.path.rpartition("/")
        if self._directory is None:
            events = inotify.IN_CLOSE_WRITE | inotify.IN_MOVED_FROM | inotify.IN_MOVED_TO | inotify.IN_DELETE
            self._directory = inotify.Directory(directory or "/", events)
        self._directory.watch()
        while True:
            await readable(self._directory.descriptor)
            if not {name.encode(), b""}.isdisjoint(inotify.names_in(self._directory.read())):
                return

    def __del__(self) -> None:
        directory = self.__dict__.get("_directory")  # of one that was refused there is none
        if directory is not None:
            directory.close()

    def _read(self) -> float:
        value = parse_number(read_plain(self.path, MAX_BYTES), self.path)
        if self.max_age is not None:
            check_age(time.time() - os.stat(self.path).st_mtime, self.max_age, self.path)  # noqa: PTH116 - no pathlib
        return value


def parse_number(data: bytes, path: str) -> float:
    """Return the number in the first line."""
    line = data.partition(b"\n")[0].strip()
    try:
        number = float(line)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise SourceError(f"{path}: {line[:40]!r} where a number from 0 should be")
    return number


def check_age(age_seconds: float, max_age_seconds: float, path: str) -> None:
    """Raise SourceError where a file is too old."""
    if age_seconds > max_age_seconds:
        raise SourceError(f"{path} was written {age_seconds:.0f} s ago, {max_age_seconds:g} s are allowed")
