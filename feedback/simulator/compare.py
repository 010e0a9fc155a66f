"""One scenario under several policies, each in a cluster of its own with the same clients and the same chance."""

from collections.abc import Sequence

import msgspec

from feedback.errors import FeedbackError
from feedback.registry import POLICIES
from feedback.simulator.cluster import Cluster
from feedback.simulator.measure import Figures, Record
from feedback.simulator.scenario import Scenario
from feedback.simulator.yardsticks import YARDSTICKS

NO_FIGURE = "-"
HEAD = ("policy", "max/avg", "mean ms", "p50 ms", "p99 ms", "failed", "churn/min", "writes/h", "swing")


def known_policies() -> list[str]:
    """Return the names of all: those that a director has, and the yardsticks."""
    return [*POLICIES.all(), *YARDSTICKS]


def simulate(scenario: Scenario, policy: str) -> Record:
    """Run a scenario under a policy, or a yardstick, of this name. Raises FeedbackError for an unknown one."""
    if policy in YARDSTICKS:
        return Cluster(scenario, YARDSTICKS[policy](scenario)).run()
    if policy not in POLICIES.all():
        raise FeedbackError(f'there is no policy "{policy}"; there are: {", ".join(known_policies())}')
    weights = msgspec.structs.replace(scenario.weights, policy=policy)
    return Cluster(msgspec.structs.replace(scenario, weights=weights)).run()


def as_table(rows: Sequence[Figures]) -> str:
    """Return the figures side by side, one policy a line."""
    lines = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines
    )


def _cells(row: Figures) -> tuple[str, ...]:
    return (
        row.policy,
        f"{row.max_over_avg:.3f}",
        _milliseconds(row.mean_ms),
        _milliseconds(row.p50_ms),
        _milliseconds(row.p99_ms),
        str(row.failed),
        f"{row.churn:.2f}",
        f"{row.writes_per_hour:.1f}",
        f"{row.swing:.1%}",
    )


def _milliseconds(value: float | None) -> str:
    if value is None:
        return NO_FIGURE
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"
