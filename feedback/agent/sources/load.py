"""The load average per CPU."""

import math
import os

from feedback.agent.files import KeptFile, has_proc
from feedback.agent.source import Sample, Source, SourceError

LOADAVG = "/proc/loadavg"


class LoadSource(Source, name="load"):
    """Load average of the last minute, per online CPU.

    It counts tasks that wait for disks too, and it is slow: `cpu` and `pressure` say more, and sooner.

    Example:

        load: {}
    """

    def __post_init__(self) -> None:
        self._file = KeptFile(LOADAVG)
        self._cpus = os.cpu_count() or 1

    async def sample(self) -> Sample:
        """Return runnable and waiting tasks per CPU."""
        return self.look()

    def look(self) -> Sample:
        """Return runnable and waiting tasks per CPU."""
        return Sample(self._read() / self._cpus)

    def _read(self) -> float:
        if has_proc():
            return parse_loadavg(self._file.read())
        from feedback.agent import elsewhere  # noqa: PLC0415 - Linux needs none of it

        return elsewhere.load_average()


def parse_loadavg(data: bytes) -> float:
    """Return the average of the last minute."""
    try:
        average = float(data.split(None, 1)[0])
    except (IndexError, ValueError):
        raise SourceError(f"{LOADAVG}: {data[:40]!r} where a load average should be") from None
    if not (math.isfinite(average) and average >= 0):
        raise SourceError(f"{LOADAVG}: {data[:40]!r} where a load average should be")
    return average
