"""Swap in use."""

from typing import Annotated

from feedback.agent.cgroup import cgroup_directory
from feedback.agent.files import KeptFile, kept_if_there
from feedback.agent.source import Sample, Source
from feedback.agent.sources.memory import MEMINFO, parse_meminfo
from feedback.agent.text import limit


class SwapSource(Source, name="swap"):
    """Swap in use, as a share of all of it, or where a cgroup has a limit, of the limit. Without swap it is 0.

    What lies in swap may lie there for days and cost nothing. Time that is lost to swapping now shows in `pressure`
    with `resource: memory`.

    Example:

        swap: {}
    """

    cgroup: Annotated[str | None, "control group whose limit and use count, by default the container's"] = None

    def __post_init__(self) -> None:
        directory = cgroup_directory(self.cgroup)
        self._meminfo = KeptFile(MEMINFO)
        self._max = kept_if_there(f"{directory}/memory.swap.max")
        self._current = KeptFile(f"{directory}/memory.swap.current")

    async def sample(self) -> Sample:
        """Return the share in use."""
        memory = parse_meminfo(self._meminfo.read())
        used, total = memory.swap_total - memory.swap_free, memory.swap_total
        most = None if self._max is None else limit(self._max.read(), "memory.swap.max")
        if most is not None and most < total:
            used, total = limit(self._current.read(), "memory.swap.current") or 0, most
        return Sample(used_ratio(used, total))


def used_ratio(used: int, total: int) -> float:
    """Return the share in use, from 0 to 1; where there is no swap nothing of it is in use."""
    return min(1.0, max(0.0, used / total)) if total > 0 else 0.0
