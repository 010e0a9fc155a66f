"""Time lost waiting for CPU, memory or disks (PSI)."""

from collections.abc import Mapping
from typing import Annotated, Literal

from feedback.agent.files import KeptFile
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.text import number
from feedback.agent.window import Span, Window

Resource = Literal["cpu", "memory", "io"]
RESOURCES: tuple[Resource, ...] = ("cpu", "memory", "io")


class PressureSource(Source, name="pressure"):
    """Share of the time since the last sample in which tasks waited for a resource (pressure stall information).

    Taken from the kernel's running totals: its own averages lag by ten seconds and more.

    Example:

        pressure.io: {source: pressure, resource: io}
    """

    resource: Annotated[Resource | None, "cpu, memory or io; by default the one with the most pressure"] = None
    kind: Annotated[Literal["some", "full"], "some: at least one task waited; full: nothing but waiting was done"] = (
        "some"
    )

    def __post_init__(self) -> None:
        resources = RESOURCES if self.resource is None else (self.resource,)
        self._files = {resource: KeptFile(f"/proc/pressure/{resource}") for resource in resources}
        self._window = Window(self._read)

    async def sample(self) -> Sample:
        """Return the largest share of time lost."""
        return Sample(stalled_ratio(await self._window.span()))

    def _read(self) -> Mapping[str, int]:
        return {name: parse_pressure(file.read(), self.kind, file.path) for name, file in self._files.items()}


def stalled_ratio(span: Span[Mapping[str, int]]) -> float:
    """Return the largest share of the time between two readings that was lost."""
    lost = max(span.after[name] - span.before[name] for name in span.after)
    return min(1.0, max(0.0, lost / 1e6 / span.seconds))


def parse_pressure(data: bytes, kind: str, path: str) -> int:
    """Return the time lost since boot, in microseconds, from a line like `some avg10=0.00 ... total=123`."""
    for line in data.splitlines():
        words = line.split()
        if words and words[0] == kind.encode() and words[-1].startswith(b"total="):
            return number(words[-1][len(b"total=") :], path)
    raise SourceError(f"{path}: has no {kind} line")
