"""Any number that a program can print."""

from typing import TYPE_CHECKING, Annotated

import msgspec

from feedback.agent.source import Sample, Source, SourceError
from feedback.perfdata import PerfdataError, Performance, parse_output

if TYPE_CHECKING:  # see feedback.agent.without_tls
    from feedback.agent.process import Finished

NAGIOS_UNKNOWN = 3

Limit = Annotated[float, msgspec.Meta(gt=0)]


class ExecSource(Source, name="exec"):
    """What a program prints, divided by a limit: a bare number, or a Nagios plugin's performance data.

    The program is run directly, without a shell. One that does not end in time is killed with its process group.

    Example:

        disk.root: {source: exec, command: [/usr/lib/nagios/plugins/check_disk, -w, 20%, -p, /], interval: 1m}
    """

    command: Annotated[tuple[str, ...], "program and arguments"]
    limit: Annotated[
        Limit | None, "value that means full; by default the performance data's maximum, 100 for per cent, or else 1"
    ] = None
    label: Annotated[str | None, "which value of the performance data, by default the first"] = None

    def __post_init__(self) -> None:
        if not self.command:
            raise ValueError("command: must name a program")

    async def sample(self) -> Sample:
        """Run the program once."""
        from feedback.agent.process import run  # noqa: PLC0415 - see feedback.agent.without_tls

        finished = await run(self.command)
        return Sample(ratio(interpret(finished, self.label), self.limit))


def interpret(finished: "Finished", label: str | None) -> Performance:
    """Return the value that a program printed.

    A Nagios plugin's statuses 1 (warning) and 2 (critical) are good measurements; other programs must end with 0.
    """
    status = finished.status
    if status < 0:
        raise SourceError(f"the program was killed by signal {-status}")
    if status >= NAGIOS_UNKNOWN or (status > 0 and b"|" not in finished.stdout):
        said = (finished.stderr.strip() or finished.stdout.strip()).partition(b"\n")[0]
        raise SourceError(
            f"the program ended with status {status}: {said[:100].decode('utf-8', 'replace') or 'silent'}"
        )
    try:
        return parse_output(finished.stdout, label)
    except PerfdataError as error:
        raise SourceError(str(error)) from None


def ratio(performance: Performance, limit: float | None) -> float:
    """Return the value as a share of its limit."""
    return performance.value / full(performance, limit)


def full(performance: Performance, limit: float | None) -> float:
    """Return the value that means full."""
    return limit or performance.maximum or (100.0 if performance.unit == "%" else 1.0)
