"""Memory in use, of the host's or of the limit."""

from typing import Annotated

import msgspec

from feedback.agent.cgroup import cgroup_directory
from feedback.agent.files import KeptFile, kept_if_there
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.text import limit, optional_value, value

MEMINFO = "/proc/meminfo"


class Memory(msgspec.Struct, frozen=True):
    """Memory and swap, in bytes. `available` is what programs can have without swapping."""

    total: int
    available: int
    swap_total: int = 0
    swap_free: int = 0


class MemorySource(Source, name="memory"):
    """Memory that is not available, as a share of all of it, or where a cgroup has a limit, of the limit.

    Available is more than free: the kernel gives file cache back as soon as a program asks.
    """

    swap: Annotated[bool, "count swap as memory: in use and total of both together"] = False
    cgroup: Annotated[str | None, "control group whose limit and use count, by default the container's"] = None

    def __post_init__(self) -> None:
        directory = cgroup_directory(self.cgroup)
        self._meminfo = KeptFile(MEMINFO)
        self._max = kept_if_there(f"{directory}/memory.max")
        self._current = KeptFile(f"{directory}/memory.current")
        self._stat = KeptFile(f"{directory}/memory.stat")
        self._swap_max = kept_if_there(f"{directory}/memory.swap.max")
        self._swap_current = KeptFile(f"{directory}/memory.swap.current")

    async def sample(self) -> Sample:
        """Return the share in use."""
        memory = parse_meminfo(self._meminfo.read())
        if self._max is not None:
            most = limit(self._max.read(), "memory.max")
            if most is not None and most < memory.total:
                memory = self._limited(memory, most)
        return Sample(used_ratio(memory, swap=self.swap))

    def _limited(self, host: Memory, most: int) -> Memory:
        """Return the group's memory, whose limit is `most`."""
        current = whole(self._current.read(), "memory.current")
        available = most - current + parse_reclaimable(self._stat.read())
        if not self.swap or self._swap_max is None:
            return Memory(most, available)
        swap_most = limit(self._swap_max.read(), "memory.swap.max")
        swap_total = host.swap_total if swap_most is None else min(swap_most, host.swap_total)
        return Memory(most, available, swap_total, swap_total - whole(self._swap_current.read(), "memory.swap.current"))


def used_ratio(memory: Memory, *, swap: bool) -> float:
    """Return the share in use, from 0 to 1."""
    total, free = memory.total, memory.available
    if swap:
        total, free = total + memory.swap_total, free + memory.swap_free
    if total <= 0:
        raise SourceError("there is no memory to measure: its total is 0")
    return min(1.0, max(0.0, 1 - free / total))


def parse_meminfo(data: bytes) -> Memory:
    """Read /proc/meminfo, whose kB are 1024 bytes."""
    return Memory(
        total=value(data, b"MemTotal", MEMINFO) * 1024,
        available=value(data, b"MemAvailable", MEMINFO) * 1024,
        swap_total=(optional_value(data, b"SwapTotal") or 0) * 1024,
        swap_free=(optional_value(data, b"SwapFree") or 0) * 1024,
    )


def parse_reclaimable(data: bytes) -> int:
    """Return bytes that the kernel can take back from a group, from its memory.stat: file cache and caches of its own.

    Not `file`, which counts tmpfs too, and that can't be taken back.
    """
    return sum(optional_value(data, name) or 0 for name in (b"inactive_file", b"active_file", b"slab_reclaimable"))


def whole(data: bytes, path: str) -> int:
    """Read a file that holds one number of bytes."""
    value = limit(data, path)
    if value is None:
        raise SourceError(f"{path}: max where a number should be")
    return value
