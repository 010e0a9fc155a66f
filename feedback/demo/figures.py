"""The demo's phases, what was counted and measured in them, and whether that is what the demo says. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

MIN_SECONDS = 30.0
STORY_SECONDS = 60.0  # where no time is given
PHASE_SHARES: Mapping[str, float] = {
    "equal_weights": 0.14,
    "weights_move": 0.24,
    "even_load": 0.13,
    "jobs": 0.18,
    "kill": 0.09,
    "return": 0.11,
    "drain": 0.11,
}
MAX_OVERLOAD_SECONDS = 10.0  # at equal weights the slow realservers' queues grow as long as that lasts
FINISH = "finish"  # the load has ended, the last requests end


class PhaseLoad(msgspec.Struct, frozen=True):
    """What became of the requests that ended in one phase. Latencies are those of the requests that waited in a queue.

    `failures` counts all that did not end well, `failure_kinds` says how: refused, reset, cut off, timeout, status...
    """

    requests: int
    failures: int
    failure_kinds: dict[str, int]
    latency_p50_seconds: float | None
    latency_p99_seconds: float | None
    open_requests: int


class PhaseFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One phase. A request counts in the phase in which it ends.

    `utilization` is each realserver's own busy time over the phase's, a ratio, for those that ran all through it.
    `max_over_avg_utilization` is the busiest one's over the average of all; null unless all were in the table.
    Latencies are those of requests that waited for a realserver's worker, without downloads.
    """

    name: str
    seconds: float
    requests: int
    failures: int
    failure_kinds: Mapping[str, int]
    latency_p50_seconds: float | None
    latency_p99_seconds: float | None
    utilization: Mapping[str, float]
    max_over_avg_utilization: float | None


class MetricStep(msgspec.Struct, frozen=True, kw_only=True):
    """A metric's newest value and the weight in the table, from `seconds` after the queue was filled on."""

    seconds: float
    ratio: float | None
    weight: int


class MetricFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How one destination's weight followed a plugin's metric: a step for each change of either.

    The queue was filled at 0 s and emptied at `emptied_seconds`. `weight_full` is the weight just before that.
    """

    realserver: str
    metric: str
    emptied_seconds: float
    weight_before: int
    weight_full: int
    weight_after: int
    steps: tuple[MetricStep, ...]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The whole story: what `feedback demo --json` ends with.

    before: at equal weights; after: when they have moved. `drained_requests_running` ran on the drained realserver
    when the drain was asked for, `drained_requests_left` when it was said to be over, and `drained_requests_new` came
    to it after that. `drained_requests_lost` counts every request that failed in that phase, wherever.
    """

    phases: tuple[PhaseFigures, ...]
    requests: int
    failures: int
    max_over_avg_before: float
    max_over_avg_after: float
    seconds_from_kill_to_removal: float
    seconds_from_start_to_table: float
    drain_seconds: float
    drained_requests_running: int
    drained_requests_left: int
    drained_requests_new: int
    drained_requests_lost: int
    plugin_metric: MetricFigures


class Moments(msgspec.Struct):
    """What the story measures on its way, and no phase's counts say."""

    seconds_from_kill_to_removal: float = 0.0
    seconds_from_start_to_table: float = 0.0
    drain_seconds: float = 0.0
    drained_requests_running: int = 0
    drained_requests_left: int = 0
    drained_requests_new: int = 0


def phase_seconds(total_seconds: float) -> dict[str, float]:
    """Return how long each phase takes in a story of `total_seconds`."""
    seconds = {name: share * total_seconds for name, share in PHASE_SHARES.items()}
    surplus = max(0.0, seconds["equal_weights"] - MAX_OVERLOAD_SECONDS)
    seconds["equal_weights"] -= surplus
    seconds["even_load"] += surplus
    return seconds


def max_over_average(values: Iterable[float]) -> float:
    """Return how far the largest value is above the average: 1 is perfectly even, and so are zeros."""
    listed = list(values)
    total = sum(listed)
    return max(listed) * len(listed) / total if total else 1.0


def phase_figures(
    name: str, seconds: float, load: PhaseLoad, busy_seconds: Mapping[str, float], all_in_table: bool
) -> PhaseFigures:
    """Return a phase's figures from the client's counts and the realservers' busy time within it."""
    utilization = {server: round(busy / seconds, 4) for server, busy in busy_seconds.items()}
    return PhaseFigures(
        name=name,
        seconds=round(seconds, 3),
        requests=load.requests,
        failures=load.failures,
        failure_kinds=load.failure_kinds,
        latency_p50_seconds=load.latency_p50_seconds,
        latency_p99_seconds=load.latency_p99_seconds,
        utilization=utilization,
        max_over_avg_utilization=round(max_over_average(utilization.values()), 4) if all_in_table else None,
    )


def figures(phases: Iterable[PhaseFigures], moments: Moments, plugin_metric: MetricFigures) -> Figures:
    """Return the whole story's figures."""
    by_name = {phase.name: phase for phase in phases}
    return Figures(
        phases=tuple(by_name.values()),
        requests=sum(phase.requests for phase in by_name.values()),
        failures=sum(phase.failures for phase in by_name.values()),
        max_over_avg_before=by_name["equal_weights"].max_over_avg_utilization or 0.0,
        max_over_avg_after=by_name["even_load"].max_over_avg_utilization or 0.0,
        drained_requests_lost=by_name["drain"].failures,
        plugin_metric=plugin_metric,
        **{name: round(value, 3) for name, value in msgspec.structs.asdict(moments).items()},
    )


def broken_promises(told: Figures) -> list[str]:
    """Return what the demo says and did not do, a sentence each."""
    broken = [
        f"{phase.failures} requests failed in the phase {phase.name}, where none should: {dict(phase.failure_kinds)}"
        for phase in told.phases
        if phase.failures and phase.name != "kill"
    ]
    if told.max_over_avg_after >= told.max_over_avg_before:
        broken.append(
            "the load did not even out: the busiest realserver was at "
            f"{told.max_over_avg_before:.2f} of the average before and at {told.max_over_avg_after:.2f} after"
        )
    metric = told.plugin_metric
    if not metric.weight_full < min(metric.weight_before, metric.weight_after):
        broken.append(
            f"the weight of {metric.realserver} did not follow {metric.metric}: it was {metric.weight_before} before, "
            f"{metric.weight_full} while the queue was full, and {metric.weight_after} after"
        )
    if told.drained_requests_left or told.drained_requests_new:
        broken.append(
            f"the drain was not one: {told.drained_requests_left} requests still ran when it was said to be over, "
            f"and {told.drained_requests_new} came after that"
        )
    return broken
