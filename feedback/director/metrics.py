"""What Prometheus reads at /metrics: the newest snapshot, and the totals since the start; nothing kept in between."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from feedback import __version__
from feedback.director.agents import Agents
from feedback.director.counts import TICK_BUCKETS_SECONDS, Counts
from feedback.director.events import EventLog
from feedback.director.snapshot import DestinationView, Snapshot
from feedback.model import Admin, AgentState, Health, Outcome

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

WordT = TypeVar("WordT", bound=str)

_GAUGES: Sequence[tuple[str, str, Callable[[DestinationView], float | None]]] = (
    ("weight", "Weight in the table; 0 where it is quiesced or not in it.", lambda seen: seen.weight),
    ("base_weight", "Weight in the configuration.", lambda seen: seen.base_weight),
    ("in_table", "1 while the destination is in the table.", lambda seen: seen.in_table),
    (
        "utilization_ratio",
        "How much of its limit the realserver uses, by its newest report; absent without a fresh one.",
        lambda seen: seen.utilization,
    ),
    ("active_connections", "Connections that run, as the table counts them.", lambda seen: seen.active_connections),
    (
        "inactive_connections",
        "Connections that have ended or have not begun, as the table counts them.",
        lambda seen: seen.inactive_connections,
    ),
)

_STATES: Sequence[tuple[str, str, type[Health | Admin | AgentState], Callable[[DestinationView], str]]] = (
    ("health", "What the checks say", Health, lambda seen: seen.health),
    ("admin", "What the operator wants", Admin, lambda seen: seen.admin),
    ("agent", "What is known of the agent", AgentState, lambda seen: seen.agent),
)

_PLACE = ("service", "destination")

Labelled = Sequence[tuple[tuple[str, str], DestinationView]]
"""Every destination, with the names of its service and its own."""


class _Collected(Collector):
    """A collector of metrics that have been collected already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def text_of(metrics: Iterable[Metric]) -> bytes:
    """Return metrics in Prometheus' text format. A third of a second for a thousand destinations: use a thread."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(metrics))
    return generate_latest(registry)


def families(  # noqa: PLR0917 - whatever is told of stands here
    snapshot: Snapshot,
    counts: Counts,
    agents: Agents,
    events: EventLog,
    now: float,
    certificate_ends: Mapping[str, float] = {},
) -> Iterator[Metric]:
    """Yield every metric of this moment, `now` in monotonic seconds. `certificate_ends` are Unix seconds.

    The snapshot is read as the families are taken, the totals too.
    """
    labelled = [((service.name, seen.name), seen) for service in snapshot.services for seen in service.destinations]
    yield _build(snapshot)
    yield from _services(snapshot)
    yield from _destinations(labelled)
    yield from _checks(labelled)
    yield from _totals(counts)
    yield from _agents(agents, now)
    ends = GaugeMetricFamily(
        "feedback_certificate_end_seconds", "When a certificate ends, in Unix seconds.", labels=("certificate",)
    )
    for whose, end in certificate_ends.items():
        ends.add_metric((whose,), end)
    yield ends
    yield _total("feedback_events_total", "Events recorded.", events.sequence)


def _build(snapshot: Snapshot) -> Metric:
    family = GaugeMetricFamily(
        "feedback_build_info", "The version of feedback, and the director's name.", labels=("version", "director")
    )
    family.add_metric((__version__, snapshot.director), 1)
    return family


def _services(snapshot: Snapshot) -> Iterator[Metric]:
    fallback = GaugeMetricFamily(
        "feedback_service_fallback_in_table", "1 while the fallback serves.", labels=("service",)
    )
    usable = GaugeMetricFamily(
        "feedback_service_destinations_usable", "Destinations that take new connections.", labels=("service",)
    )
    overloaded = GaugeMetricFamily(
        "feedback_service_overloaded", "1 while all destinations are above their limit.", labels=("service",)
    )
    overflow = GaugeMetricFamily(
        "feedback_service_overflow_in_table", "1 while the overflow is in the table.", labels=("service",)
    )
    for service in snapshot.services:
        if service.fallback is not None:
            fallback.add_metric((service.name,), service.fallback_in_table)
        usable.add_metric((service.name,), sum(seen.in_table and seen.weight > 0 for seen in service.destinations))
        overloaded.add_metric((service.name,), service.overloaded)
        if service.overflow is not None:
            overflow.add_metric((service.name,), service.overflow_in_table)
    yield fallback
    yield usable
    yield overloaded
    yield overflow


def _destinations(labelled: Labelled) -> Iterator[Metric]:
    for name, help_text, value_of in _GAUGES:
        family = GaugeMetricFamily(f"feedback_destination_{name}", help_text, labels=_PLACE)
        for labels, seen in labelled:
            value = value_of(seen)
            if value is not None:
                family.add_metric(labels, value)
        yield family
    for name, what, words, word_of in _STATES:
        yield _state(f"feedback_destination_{name}", what, list(words), [(at, word_of(seen)) for at, seen in labelled])
    reported = GaugeMetricFamily(
        "feedback_destination_metric_ratio",
        "What the agent reports of a resource, as a share of its limit.",
        labels=(*_PLACE, "metric"),
    )
    for labels, seen in labelled:
        for metric, value in seen.metrics.items():
            reported.add_metric((*labels, metric), value)
    yield reported


def _state(name: str, what: str, words: Sequence[str], states: Sequence[tuple[tuple[str, str], str]]) -> Metric:
    """Return a family with a series for each word, of which one is 1: a query can name the state it asks for."""
    family = GaugeMetricFamily(
        name, f"{what}: 1 for the state that holds, 0 for the others.", labels=(*_PLACE, "state")
    )
    for word in words:
        for labels, holds in states:
            family.add_metric((*labels, word), holds == word)
    return family


def _checks(labelled: Labelled) -> Iterator[Metric]:
    duration = GaugeMetricFamily(
        "feedback_check_duration_seconds", "Duration of the newest run of each check.", labels=(*_PLACE, "check")
    )
    success = GaugeMetricFamily(
        "feedback_check_success",
        "1 when the newest run passed, 0 when it failed, absent when it says nothing.",
        labels=(*_PLACE, "check"),
    )
    weight = GaugeMetricFamily(
        "feedback_check_weight_ratio",
        "How much of its base weight a check asks for; absent where it has nothing to say of it.",
        labels=(*_PLACE, "check"),
    )
    for labels, seen in labelled:
        for check in seen.checks:
            place = (*labels, check.name)
            duration.add_metric(place, check.duration_seconds)
            if check.outcome is not Outcome.UNKNOWN:
                success.add_metric(place, check.outcome is Outcome.PASS)
            if check.weight_ratio is not None:
                weight.add_metric(place, check.weight_ratio)
    yield duration
    yield success
    yield weight


def _totals(counts: Counts) -> Iterator[Metric]:
    yield _counter("feedback_checks_total", "Finished checks.", ("type", "outcome"), counts.checks.items())
    yield _counter(
        "feedback_table_operations_total",
        "Changes written to the table, refused ones too.",
        ("operation",),
        _alone(counts.operations),
    )
    yield _counter(
        "feedback_table_refusals_total",
        "Changes that the table refused.",
        ("operation", "errno"),
        counts.refused.items(),
    )
    yield _counter(
        "feedback_policy_failures_total",
        "Times that a service's weight policy raised, or returned no weights, or no terms of them.",
        ("service",),
        _alone(counts.policy_failures),
    )
    yield _total("feedback_table_read_failures_total", "Reads of the table that failed.", counts.reads_failed)
    yield _counter("feedback_reloads_total", "Reloads of the configuration.", ("result",), _alone(counts.reloads))
    yield _histogram(
        "feedback_tick_duration_seconds",
        "Time from reading the table to the end of its changes.",
        TICK_BUCKETS_SECONDS,
        counts.ticks,
        counts.tick_seconds,
    )


def _agents(agents: Agents, now: float) -> Iterator[Metric]:
    reported = GaugeMetricFamily(
        "feedback_agent_metric_ratio",
        "What an agent reports of a resource, as a share of its limit; absent without a fresh report.",
        labels=("agent", "metric"),
    )
    for name, metrics in agents.metrics(now).items():
        for metric, value in metrics.items():
            reported.add_metric((name, metric), value)
    yield reported
    yield GaugeMetricFamily("feedback_agents_connected", "Agents that are connected.", agents.connected())
    yield _total("feedback_agent_frames_total", "Frames that agents have sent.", agents.frames)
    yield _total("feedback_agent_reports_total", "Load reports that were taken.", agents.reports)
    yield _total(
        "feedback_agent_unknown_words_total",
        "Words of newer agents that this director does not know, and takes for ready.",
        agents.unknown_words,
    )
    yield _counter(
        "feedback_agent_refusals_total",
        "Agents' connections that were refused or cut off.",
        ("reason",),
        _alone(agents.refused),
    )


def _total(name: str, help_text: str, count: int) -> Metric:
    return _counter(name, help_text, (), [((), count)])


def _alone(counts: Mapping[WordT, int]) -> Iterator[tuple[tuple[WordT], int]]:
    """Return the counts of a single label as those of a combination of one."""
    return (((value,), count) for value, count in counts.items())


def _counter(name: str, help_text: str, names: Sequence[str], counts: Iterable[tuple[Sequence[str], int]]) -> Metric:
    """Return a counter with one sample for each combination of labels that was counted."""
    family = CounterMetricFamily(name, help_text, labels=names)
    for values, count in counts:
        family.add_metric(values, count)
    return family


def _histogram(name: str, help_text: str, bounds: Sequence[float], counts: Sequence[int], total: float) -> Metric:
    """Return a histogram from the counts between its bounds, the last of them above the last bound."""
    buckets = list(zip([*map(str, bounds), "+Inf"], accumulate(counts), strict=True))
    return HistogramMetricFamily(name, help_text, buckets=buckets, sum_value=total)
