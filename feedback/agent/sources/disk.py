"""How full a file system is, or how busy a disk."""

import os
from typing import Annotated

import msgspec

from feedback.agent.aside import Aside
from feedback.agent.files import KeptFile, has_proc
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.text import number
from feedback.agent.window import Span, Window
from feedback.denied import why


class Space(msgspec.Struct, frozen=True):
    """Blocks and inodes of a file system. `available` is what others than root can have."""

    blocks: int
    blocks_free: int
    blocks_available: int
    inodes: int = 0
    inodes_free: int = 0
    inodes_available: int = 0


class DiskSource(Source, name="disk"):
    """Space or inodes in use on a file system, whichever is fuller; or, with `device`, how busy a disk is.

    Full is when nothing is left for others than root, as `df` has it. A network file system that hangs delays nothing
    else. Busy is the share of the time since the last sample in which the device had something to do: of one that
    serves many requests at once it says less, and `pressure` with `resource: io` says more.

    Example:

        disk: {path: /var/spool, interval: 10s}
        disk.busy: {source: disk, device: sda}
    """

    path: Annotated[str | None, "anything on the file system, by default / where there is no device"] = None
    device: Annotated[str | None, "disk or partition whose busy time counts, like sda or /dev/mapper/data"] = None

    def __post_init__(self) -> None:
        if self.path is not None and self.device is not None:
            raise ValueError("path: can't stand beside device: one is how full, the other how busy")
        self._path = self.path or "/"
        self._aside = Aside(self._stat, self._path)
        self._ticks = Window(self._read_ticks)
        self._file: KeptFile | None = None

    async def sample(self) -> Sample:
        """Return the share in use."""
        if self.device is not None:
            return Sample(busy_ratio(await self._ticks.span()))
        return Sample(full_ratio(await self._aside.call(), self._path))

    def _stat(self) -> Space:
        try:
            found = os.statvfs(self._path)
        except (OSError, ValueError) as error:
            raise SourceError(f"can't ask for the space of {self._path}: {why(error)}") from None
        blocks = found.f_blocks, found.f_bfree, found.f_bavail
        return Space(*blocks, found.f_files, found.f_ffree, found.f_favail)

    def _read_ticks(self) -> int:
        if not has_proc():
            from feedback.agent import elsewhere  # noqa: PLC0415 - Linux needs none of it

            return elsewhere.busy_milliseconds(block_name(self.device or ""))
        if self._file is None:
            self._file = KeptFile(f"/sys/class/block/{block_name(self.device or '')}/stat")
        try:
            return parse_busy_milliseconds(self._file.read(), self._file.path)
        except SourceError:
            self._file = None  # a name under /dev may lead to another device next time
            raise


def block_name(device: str) -> str:
    """Return the kernel's name of a device that is given by it, or by a path under /dev, links included."""
    name = os.path.basename(os.path.realpath(device)) if "/" in device else device  # noqa: PTH119 - no pathlib
    if not name or name in {".", ".."}:
        raise SourceError(f'"{device}" is not a block device, like sda or /dev/sda')
    return name


def full_ratio(space: Space, path: str) -> float:
    """Return the larger share in use, of space and of inodes; btrfs and others have no number of inodes."""
    blocks_used = space.blocks - space.blocks_free
    inodes_used = space.inodes - space.inodes_free
    shares = [
        used / (used + available)
        for used, available in ((blocks_used, space.blocks_available), (inodes_used, space.inodes_available))
        if used + available > 0 <= used
    ]
    if space.blocks <= 0 or not shares:
        raise SourceError(f"{path} is on a file system without a size")
    return max(shares)


def busy_ratio(span: Span[int]) -> float:
    """Return the share of the time between two readings, in milliseconds, in which the device was busy.

    The kernel adds up in its own ticks, which may be a little more than the time between.
    """
    return min(1.0, max(0.0, (span.after - span.before) / 1000 / span.seconds))


def parse_busy_milliseconds(data: bytes, path: str) -> int:
    """Read /sys/class/block/*/stat: the tenth number is the time with requests in flight (kernel's iostats.rst)."""
    words = data.split()
    if len(words) < 11:
        raise SourceError(f"{path}: {data[:40]!r} where a disk's statistics should be")
    return number(words[9], path)
