"""Memory in use, of the host's or of the limit."""

from typing import Annotated

import msgspec

from feedback.agent.files import KeptFile, has_proc
from feedback.agent.group_limits import GroupLimits
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

    Available is more than free: the kernel gives file cache back as soon as a program asks. Of several limits, a
    group's and those around it, the tightest decides.

    Example:

        memory: {}
    """

    swap: Annotated[bool, "count swap as memory: in use and total of both together"] = False
    cgroup: Annotated[str | None, "control group whose limit and use count, by default the container's"] = None

    def __post_init__(self) -> None:
        swap = ("memory.swap.max", "memory.swap.current") if self.swap else ()
        self._meminfo = KeptFile(MEMINFO)
        self._limits = GroupLimits(self.cgroup, "memory.max", "memory.current", "memory.stat", *swap)

    async def sample(self) -> Sample:
        """Return the share in use."""
        return self.look()

    def look(self) -> Sample:
        """Return the share in use."""
        host, limits = read_host(self._meminfo, swap=self.swap), self._limits.read()
        if not limits:
            return Sample(used_ratio(host, swap=self.swap))
        groups = [group for texts in limits.values() if (group := limited(host, *texts)).total < host.total]
        return Sample(max(used_ratio(memory, swap=self.swap) for memory in groups or [host]))


def read_host(meminfo: KeptFile, *, swap: bool) -> Memory:
    """Return the host's memory, and its swap if that is asked for, from /proc/meminfo or what a system has instead."""
    if has_proc():
        return parse_meminfo(meminfo.read(), swap=swap)
    from feedback.agent import elsewhere  # noqa: PLC0415 - Linux needs none of it

    return elsewhere.memory()


def limited(  # noqa: PLR0917 - the texts of a group's files, in their order
    host: Memory, most: bytes, current: bytes, stat: bytes, swap_most: bytes = b"", swap_current: bytes = b""
) -> Memory:
    """Return the memory of a group with a limit, from its files: memory.max, .current, .stat, .swap.max, .swap.current.

    Without the last two, which a kernel without accounting of swap does not have, the group has no swap.
    """
    total = whole(most, "memory.max")
    available = total - whole(current, "memory.current") + parse_reclaimable(stat)
    if not swap_most:
        return Memory(total, available)
    swap_limit = limit(swap_most, "memory.swap.max")
    swap_total = host.swap_total if swap_limit is None else min(swap_limit, host.swap_total)
    return Memory(total, available, swap_total, swap_total - whole(swap_current, "memory.swap.current"))


def used_ratio(memory: Memory, *, swap: bool) -> float:
    """Return the share in use, from 0 to 1."""
    total, free = memory.total, memory.available
    if swap:
        total, free = total + memory.swap_total, free + memory.swap_free
    if total <= 0:
        raise SourceError("there is no memory to measure: its total is 0")
    return min(1.0, max(0.0, 1 - free / total))


def parse_meminfo(data: bytes, *, swap: bool) -> Memory:
    """Read /proc/meminfo, whose kB are 1024 bytes."""
    total, available = value(data, b"MemTotal", MEMINFO), value(data, b"MemAvailable", MEMINFO)
    if not swap:
        return Memory(total * 1024, available * 1024)
    swap_total, swap_free = optional_value(data, b"SwapTotal") or 0, optional_value(data, b"SwapFree") or 0
    return Memory(total * 1024, available * 1024, swap_total * 1024, swap_free * 1024)


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
