"""What the agent answers who asks it as HAProxy does (agent-check): one line of words. Pure.

HAProxy keeps what is not said, so the line says all there is: `up ready 75%`, `up drain 40%`, or `down #why`. Where the
utilization is not known, it says nothing of the weight, which then stays as it was.
"""

from collections.abc import Mapping

from feedback.report import HostState, Report, failure_line
from feedback.utilization import utilization

LEAST_PERCENT = 1
"""A weight of 0 would drain the server, and load alone never does."""


def words(report: Report, load: Mapping[str, float], *, drains: bool) -> bytes:
    """Return the line for the newest report. `load` are factors as a director has them; `drains`: the host asks for it.

    `down` goes without the other words: what stands behind # is for people, and ends the line.
    """
    if report.state is HostState.DOWN:
        return f"down #{failure_line(report.why)}\n".encode()
    used = utilization(report.metrics, load)
    share = "" if used is None else f" {idle_percent(used)}%"
    return f"up {'drain' if drains or report.state is HostState.DRAIN else 'ready'}{share}\n".encode()


def idle_percent(used_ratio: float) -> int:
    """Return which share of the configured weight is left: 100 at rest, 1 at the limit and above."""
    return max(LEAST_PERCENT, round(100 * (1 - used_ratio)))
