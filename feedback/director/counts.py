"""What the director has counted since it started: plain integers, cheap enough for the hot path. Pure.

`feedback.director.metrics` turns them into metrics when somebody asks; nothing else reads them.
"""

from bisect import bisect_left
from collections import Counter

TICK_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Counts:
    """Totals since the start.

    checks: finished checks by type and outcome (the prober's own counter, shared). operations: what was written to the
    table, by the operation's class name. refused: what the table refused, by operation and errno name. reads_failed:
    reads of the table that raised. policy_failures: steps of a service's policy that came to nothing, by its name.
    reloads: by result, `done` or `refused`.
    """

    def __init__(self, checks: Counter[tuple[str, str]] | None = None) -> None:
        self.checks: Counter[tuple[str, str]] = Counter() if checks is None else checks
        self.operations: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self.policy_failures: dict[str, int] = {}
        self.reads_failed = 0
        self.reloads: Counter[str] = Counter()
        self.tick_seconds = 0.0
        self.ticks = [0] * (len(TICK_BUCKETS_SECONDS) + 1)

    def tick(self, seconds: float) -> None:
        """Count a tick that took `seconds`."""
        self.tick_seconds += seconds
        self.ticks[bisect_left(TICK_BUCKETS_SECONDS, seconds)] += 1
