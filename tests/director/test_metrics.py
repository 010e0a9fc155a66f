"""What Prometheus reads."""

import re
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from feedback import __version__
from feedback.director.agents import Agents
from feedback.director.counts import TICK_BUCKETS_SECONDS, Counts
from feedback.director.link import CutOffError, Link, Refusal
from feedback.director.metrics import families, text_of
from feedback.model import Admin, AgentState, Health, Outcome
from feedback.report import Hello, Report, encode
from tests.director.fake_control import FakeControl, make_check, make_destination, make_service

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

NOW = 10.0


class Scrape:
    """One director's metrics, read as Prometheus reads them."""

    def __init__(self, control: FakeControl, counts: Counts | None = None, agents: Agents | None = None) -> None:
        agents = agents or Agents([], control.events.record)
        told = families(control.snapshot(), counts or Counts(), agents, control.events, NOW)
        text = text_of(told).decode()
        self.families: dict[str, Metric] = {family.name: family for family in text_string_to_metric_families(text)}
        self._samples: Samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """Return a sample's value, None where there is no such sample."""
        return self._samples.get((name, frozenset(labels.items())))


RS1 = {"service": "web", "destination": "rs1"}


def test_a_destination_is_told_in_numbers() -> None:
    scrape = Scrape(FakeControl())
    assert scrape.value("feedback_destination_weight", **RS1) == 87
    assert scrape.value("feedback_destination_base_weight", **RS1) == 100
    assert scrape.value("feedback_destination_in_table", **RS1) == 1
    assert scrape.value("feedback_destination_utilization_ratio", **RS1) == 0.625
    assert scrape.value("feedback_destination_active_connections", **RS1) == 12
    assert scrape.value("feedback_destination_inactive_connections", **RS1) == 3
    assert scrape.value("feedback_destination_metric_ratio", **RS1, metric="memory") == 0.25


def test_a_utilization_that_nobody_knows_is_absent_and_not_zero() -> None:
    scrape = Scrape(FakeControl(make_service("web", make_destination(utilization=None))))
    assert scrape.value("feedback_destination_utilization_ratio", **RS1) is None


def test_a_state_is_one_of_its_words() -> None:
    seen = make_destination(health=Health.DOWN, admin=Admin.DRAIN, agent=AgentState.STALE)
    scrape = Scrape(FakeControl(make_service("web", seen)))
    for name, words, word in (
        ("health", Health, "down"),
        ("admin", Admin, "drain"),
        ("agent", AgentState, "stale"),
    ):
        values = {state: scrape.value(f"feedback_destination_{name}", **RS1, state=state) for state in words}
        assert values == {state: float(state == word) for state in words}


def test_checks_are_told_by_their_newest_run() -> None:
    checks = (
        make_check("http", weight_ratio=0.5),
        make_check("tcp", outcome=Outcome.FAIL, duration_seconds=1.0),
        make_check("exec", outcome=Outcome.UNKNOWN),
    )
    scrape = Scrape(FakeControl(make_service("web", make_destination(checks=checks))))
    assert scrape.value("feedback_check_success", **RS1, check="http") == 1
    assert scrape.value("feedback_check_success", **RS1, check="tcp") == 0
    assert scrape.value("feedback_check_success", **RS1, check="exec") is None
    assert scrape.value("feedback_check_duration_seconds", **RS1, check="tcp") == 1.0
    assert scrape.value("feedback_check_weight_ratio", **RS1, check="http") == 0.5
    assert scrape.value("feedback_check_weight_ratio", **RS1, check="tcp") is None


def test_a_service_tells_how_many_serve_and_whether_its_fallback_does() -> None:
    destinations = (
        make_destination("rs1"),
        make_destination("rs2", weight=0),
        make_destination("rs3", weight=0, in_table=False),
    )
    control = FakeControl(
        make_service("web", *destinations, fallback="127.0.0.1:8080", fallback_in_table=True), make_service("dns")
    )
    scrape = Scrape(control)
    assert scrape.value("feedback_service_destinations_usable", service="web") == 1
    assert scrape.value("feedback_service_fallback_in_table", service="web") == 1
    assert scrape.value("feedback_service_fallback_in_table", service="dns") is None


def test_a_service_tells_whether_it_is_overloaded_and_its_overflow_is_there() -> None:
    full = make_service("web", overloaded=True, overflow="10.2.0.99:80", overflow_in_table=True)
    scrape = Scrape(FakeControl(full, make_service("dns")))
    for metric in ("feedback_service_overloaded", "feedback_service_overflow_in_table"):
        assert scrape.value(metric, service="web") == 1
    assert scrape.value("feedback_service_overloaded", service="dns") == 0
    assert scrape.value("feedback_service_overflow_in_table", service="dns") is None


def test_totals_are_those_of_the_director() -> None:
    counts = Counts(Counter({("http", "pass"): 70, ("http", "fail"): 3}))
    counts.operations["AddDestination"] += 4
    counts.refused["AddDestination", "EEXIST"] += 1
    counts.reads_failed += 2
    counts.reloads["refused"] += 1
    control = FakeControl()
    control.events.record("config", "started")
    scrape = Scrape(control, counts)
    assert scrape.value("feedback_checks_total", type="http", outcome="fail") == 3
    assert scrape.value("feedback_table_operations_total", operation="AddDestination") == 4
    assert scrape.value("feedback_table_refusals_total", operation="AddDestination", errno="EEXIST") == 1
    assert scrape.value("feedback_table_read_failures_total") == 2
    assert scrape.value("feedback_reloads_total", result="refused") == 1
    assert scrape.value("feedback_events_total") == 1
    assert scrape.value("feedback_build_info", version=__version__, director="lvs1") == 1


def test_agents_are_counted_with_what_was_refused_of_them() -> None:
    control = FakeControl()
    agents = Agents(["rs1"], control.events.record)
    link = Link("10.2.0.11:4000", lambda _: None)
    for frame in (Hello("rs1"), Report({"cpu": 0.5}), Report({"cpu": 0.5})):
        agents.hear(link, encode(frame), NOW)
    with pytest.raises(CutOffError):
        agents.hear(Link("10.9.9.9:1", lambda _: None), b"\xc1", NOW)
    scrape = Scrape(control, agents=agents)
    assert scrape.value("feedback_agents_connected") == 1
    assert scrape.value("feedback_agent_metric_ratio", agent="rs1", metric="cpu") == 0.5
    assert scrape.value("feedback_agent_frames_total") == 4
    assert scrape.value("feedback_agent_reports_total") == 2
    assert scrape.value("feedback_agent_unknown_words_total") == 0
    assert scrape.value("feedback_agent_refusals_total", reason=Refusal.GARBAGE) == 1


def test_metrics_of_an_agent_are_told_while_they_are_fresh() -> None:
    agents = Agents(["rs1", "rs2"], FakeControl().events.record)
    link = Link("10.2.0.11:4000", lambda _: None)
    for frame in (Hello("rs1"), Report({"cpu": 0.5})):
        agents.hear(link, encode(frame), NOW - 5)
    assert agents.metrics(NOW - 2) == {"rs1": {"cpu": 0.5}}
    assert agents.metrics(NOW) == {}


def test_ticks_are_a_histogram_of_their_time() -> None:
    counts = Counts()
    for seconds in (0.0005, 0.001, 0.003, 7.0):
        counts.tick(seconds)
    scrape = Scrape(FakeControl(), counts)
    name = "feedback_tick_duration_seconds"
    assert scrape.value(f"{name}_bucket", le="0.001") == 2
    assert scrape.value(f"{name}_bucket", le="0.0025") == 2
    assert scrape.value(f"{name}_bucket", le="0.005") == 3
    assert scrape.value(f"{name}_bucket", le="1.0") == 3
    assert scrape.value(f"{name}_bucket", le="+Inf") == scrape.value(f"{name}_count") == 4
    assert scrape.value(f"{name}_sum") == pytest.approx(7.0045)
    assert len(scrape.families[name].samples) == len(TICK_BUCKETS_SECONDS) + 3


def test_every_metric_says_what_it_is() -> None:
    scrape = Scrape(FakeControl())
    assert [name for name, family in scrape.families.items() if not family.documentation.endswith(".")] == []
    assert all(name.startswith("feedback_") for name in scrape.families)


def test_what_servers_say_can_not_break_the_format() -> None:
    seen = make_destination(metrics={'evil"} 1\n': 0.5})
    scrape = Scrape(FakeControl(make_service("web", seen)))
    assert scrape.value("feedback_destination_metric_ratio", **RS1, metric='evil"} 1\n') == 0.5


def test_the_documentation_lists_every_metric_and_no_other() -> None:
    control = FakeControl()
    told = families(control.snapshot(), Counts(), Agents([], control.events.record), control.events, NOW)
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    documented = re.findall(r"^\| `(feedback_\w+)` \|", text, re.MULTILINE)
    assert sorted(documented) == sorted(_written(family) for family in told)


def _written(family: Metric) -> str:
    """Return a metric's name as its samples have it."""
    return f"{family.name}_total" if family.type == "counter" else family.name
