"""CPU time in use, of all cores or of the quota."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from feedback.agent.files import KeptFile, has_proc
from feedback.agent.group_limits import GroupLimits
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.text import limit, number, numbers, value
from feedback.agent.window import Span, Window

STAT = "/proc/stat"


class CpuTime(msgspec.Struct, frozen=True):
    """Time that has passed on all cores together, in the kernel's ticks, and how much of it they were idle."""

    idle: int
    total: int


class Quota(msgspec.Struct, frozen=True):
    """A limited group: CPU time it has used, in microseconds, and how many cores' worth it may use."""

    used: int
    cores: float


class CpuSource(Source, name="cpu"):
    """CPU time in use since the last sample: of all cores, or where a cgroup has a quota, of the quota.

    Waiting for disks counts as idle: the core is free to do other work. Time that a hypervisor gave to others
    (steal) counts as used: it can't be had. Of several quotas, a group's and those around it, the tightest decides.

    Example:

        cpu: {}
        cpu.nginx: {source: cpu, cgroup: /system.slice/nginx.service}
    """

    cgroup: Annotated[str | None, "control group whose quota and use count, by default the container's"] = None

    def __post_init__(self) -> None:
        self._stat = KeptFile(STAT)
        self._quotas = GroupLimits(self.cgroup, "cpu.max", "cpu.stat")
        self._window = Window(self._read)

    async def sample(self) -> Sample:
        """Return the busy share."""
        return Sample(busy_ratio(await self._window.span()))

    def look(self) -> Sample | None:
        """Return the busy share, once there is a reading to look back to."""
        span = self._window.next()
        return None if span is None else Sample(busy_ratio(span))

    def _read(self) -> CpuTime | Mapping[str, Quota]:
        """Return what the groups with a quota have used, by their directories, or else what the host has."""
        groups = self._quotas.read()
        if not groups:
            return self._read_host()
        quotas = {
            directory: Quota(parse_used(used), cores)
            for directory, (quota, used) in groups.items()
            if (cores := parse_quota(quota)) is not None
        }
        return quotas or self._read_host()

    def _read_host(self) -> CpuTime:
        if has_proc():
            return parse_stat(self._stat.read())
        from feedback.agent import elsewhere  # noqa: PLC0415 - Linux needs none of it

        return elsewhere.cpu_time()


def busy_ratio(span: Span[CpuTime | Mapping[str, Quota]]) -> float:
    """Return the share of the time between two readings that was used: of the host's, or of the tightest quota."""
    before, after = span.before, span.after
    if isinstance(before, CpuTime) and isinstance(after, CpuTime):
        total = after.total - before.total
        idle = max(0, after.idle - before.idle)  # proc(5): iowait may go backwards
        return max(0.0, 1 - idle / total) if total > 0 else 0.0
    if not isinstance(before, CpuTime) and not isinstance(after, CpuTime) and (both := before.keys() & after.keys()):
        return max(quota_ratio(before[name], after[name], span.seconds) for name in both)
    raise SourceError("a CPU quota was set or lifted just now")


def quota_ratio(before: Quota, after: Quota, seconds: float) -> float:
    """Return the share of a group's quota that it has used."""
    return max(0, after.used - before.used) / 1e6 / seconds / after.cores


def parse_stat(data: bytes) -> CpuTime:
    """Read the first line of /proc/stat: user nice system idle iowait irq softirq steal, then guests (in user)."""
    words = data.split(None, 9)
    if len(words) < 9 or words[0] != b"cpu":
        raise SourceError(f"{STAT}: has no cpu line")
    ticks = numbers(words[1:9], STAT)
    return CpuTime(ticks[3] + ticks[4], sum(ticks))


def parse_quota(data: bytes) -> float | None:
    """Read cpu.max, `quota period` in microseconds, as a number of cores; None without a quota."""
    words = data.split()
    if len(words) != 2:
        raise SourceError(f"cpu.max: {data[:40]!r} where a quota and a period should be")
    quota, period = limit(words[0], "cpu.max"), number(words[1], "cpu.max")
    if quota is None:
        return None
    if quota == 0 or period == 0:
        raise SourceError(f"cpu.max: {data[:40]!r} where a quota and a period should be")
    return quota / period


def parse_used(data: bytes) -> int:
    """Read the CPU time used by a group, in microseconds, from its cpu.stat."""
    return value(data, b"usage_usec", "cpu.stat")
