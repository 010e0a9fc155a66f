"""Swap in use."""

from typing import Annotated

from feedback.agent.files import KeptFile
from feedback.agent.group_limits import GroupLimits
from feedback.agent.source import Sample, Source
from feedback.agent.sources.memory import MEMINFO, read_host, whole


class SwapSource(Source, name="swap"):
    """Swap in use, as a share of all of it, or where a cgroup has a limit, of the limit. Without swap it is 0.

    What lies in swap may lie there for days and cost nothing. Time that is lost to swapping now shows in `pressure`
    with `resource: memory`.

    Example:

        swap: {}
    """

    cgroup: Annotated[str | None, "control group whose limit and use count, by default the container's"] = None

    def __post_init__(self) -> None:
        self._meminfo = KeptFile(MEMINFO)
        self._limits = GroupLimits(self.cgroup, "memory.swap.max", "memory.swap.current")

    async def sample(self) -> Sample:
        """Return the share in use."""
        host = read_host(self._meminfo, swap=True)
        groups = [
            used_ratio(whole(current, "memory.swap.current"), most)
            for limit, current in self._limits.read().values()
            if (most := whole(limit, "memory.swap.max")) < host.swap_total
        ]
        return Sample(max(groups, default=used_ratio(host.swap_total - host.swap_free, host.swap_total)))


def used_ratio(used: int, total: int) -> float:
    """Return the share in use, from 0 to 1; where there is no swap nothing of it is in use."""
    return min(1.0, max(0.0, used / total)) if total > 0 else 0.0
