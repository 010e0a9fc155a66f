"""Time lost waiting for CPU, memory or disks (PSI)."""

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
        self._files = [KeptFile(f"/proc/pressure/{resource}") for resource in resources]
        self._window = Window(self._read)

    async def sample(self) -> Sample:
        """Return the largest share of time lost."""
        return Sample(stalled_ratio(await self._window.span()))

    def look(self) -> Sample | None:
        """Return the largest share of time lost, once there is a reading to look back to."""
        span = self._window.next()
        return None if span is None else Sample(stalled_ratio(span))

    def _read(self) -> list[int]:
        return [parse_pressure(file.read(), self.kind, file.path) for file in self._files]


def stalled_ratio(span: Span[list[int]]) -> float:
    """Return the largest share of the time between two readings that was lost."""
    lost = max(after - before for before, after in zip(span.before, span.after, strict=True))
    return min(1.0, max(0.0, lost / 1e6 / span.seconds))


def parse_pressure(data: bytes, kind: str, path: str) -> int:
    """Return the time lost since boot, in microseconds, from a line like `some avg10=0.00 ... total=123`."""
    begin = data.find(kind.encode())
    end = data.find(b"\n", begin)
    _, name, total = data[begin:end].rpartition(b" total=")
    if begin < 0 or end < 0 or not name:
        raise SourceError(f"{path}: has no {kind} line")
    return number(total, path)
