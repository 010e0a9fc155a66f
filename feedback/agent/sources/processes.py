"""Processes and threads, of those that there may be."""

from typing import Annotated

import msgspec

from feedback.agent.files import KeptFile
from feedback.agent.group_limits import GroupLimits
from feedback.agent.pids import pids_by_name
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.text import number

LOADAVG = "/proc/loadavg"
PID_MAX = "/proc/sys/kernel/pid_max"
THREADS_MAX = "/proc/sys/kernel/threads-max"


class ProcessesSource(Source, name="processes"):
    """Threads of the host, as a share of the kernel's limits, and of the container's; or processes of one name.

    Every thread takes a process id, so they run out together. With `process` it counts the processes of a name, as
    `ps -C` does, which reads one small file for each process of the host: an interval of some seconds will do.

    Example:

        processes: {}
        processes.php: {source: processes, process: php-fpm8.2, limit: 200, interval: 10s}
    """

    process: Annotated[str | None, "count the processes of this name instead"] = None
    limit: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None, "how many of that name are too many; goes with process"
    ] = None
    cgroup: Annotated[str | None, "control group whose limit and number count, by default the container's"] = None

    def __post_init__(self) -> None:
        if (self.process is None) != (self.limit is None):
            raise ValueError("limit: goes with process, and process with limit")
        if self.process == "":
            raise ValueError("process: must name a process, like nginx")
        self._loadavg = KeptFile(LOADAVG)
        self._limits = (KeptFile(PID_MAX), KeptFile(THREADS_MAX))
        self._groups = GroupLimits(self.cgroup, "pids.max", "pids.current")

    async def sample(self) -> Sample:
        """Return the largest share in use."""
        if self.process is not None and self.limit is not None:
            return Sample(len(pids_by_name(self.process)) / self.limit)
        return Sample(max(self._host_ratio(), self._group_ratio()))

    def _host_ratio(self) -> float:
        most = min(number(file.read().strip(), file.path) for file in self._limits)
        return parse_threads(self._loadavg.read()) / max(1, most)

    def _group_ratio(self) -> float:
        """Return the largest share of a group's limit in use, 0 where there is none."""
        shares = [
            number(current.strip(), "pids.current") / max(1, number(most.strip(), "pids.max"))
            for most, current in self._groups.read().values()
        ]
        return max(shares, default=0.0)


def parse_threads(data: bytes) -> int:
    """Return how many threads there are, from the fourth word of /proc/loadavg: those that run, and all."""
    words = data.split()
    running, slash, threads = words[3].partition(b"/") if len(words) == 5 else (b"", b"", b"")
    if not (slash and running.isdigit()):
        raise SourceError(f"{LOADAVG}: {data[:40]!r} where threads should be counted")
    return number(threads, LOADAVG)
