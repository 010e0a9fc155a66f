"""The collector in virtual time."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest

from feedback.agent.acting import Sighting, Threshold, Trigger
from feedback.agent.collect import Collector
from feedback.agent.config import MetricConfig, WatchConfig
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.watches.watch import Watch
from feedback.report import HostState, Report
from feedback.testing import run_virtual


class ScriptedSource(Source):
    """Says what a function makes of the number of the sample, after a while."""

    answer: Callable[[int], object] = lambda number: number / 10
    takes_seconds: float = 0.0
    swallows_cancellation: bool = False

    def __post_init__(self) -> None:
        self.started_at: list[float] = []
        self.running = 0
        self.most_running = 0

    async def sample(self) -> Sample:
        self.started_at.append(asyncio.get_running_loop().time())
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.takes_seconds:
                await self._wait()
            answer = self.answer(len(self.started_at))
            if isinstance(answer, BaseException):
                raise answer
            return Sample(answer)  # type: ignore[arg-type]
        finally:
            self.running -= 1

    async def _wait(self) -> None:
        try:
            await asyncio.sleep(self.takes_seconds)
        except asyncio.CancelledError:
            if not self.swallows_cancellation:
                raise
            await asyncio.sleep(self.takes_seconds)


def metric(name: str, source: Source, interval: float = 1.0, timeout: float = 1.0) -> MetricConfig:
    return MetricConfig(name=name, source=source, interval_seconds=interval, timeout_seconds=timeout)


def collect(
    *metrics: MetricConfig, seconds: float, interval: float = 1.0, watches: Sequence[WatchConfig] = ()
) -> list[tuple[float, Report]]:
    """Run a collector for a while; return its reports with their times."""
    reports: list[tuple[float, Report]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        collector = Collector(metrics, interval, lambda report: reports.append((loop.time(), report)), watches)
        running = asyncio.create_task(collector.run())
        await asyncio.sleep(seconds)
        running.cancel()
        (ended,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)

    run_virtual(main())
    return reports


def test_the_first_report_comes_at_once_and_the_others_at_the_interval() -> None:
    reports = collect(metric("cpu", ScriptedSource()), seconds=3.5)
    assert [time for time, _ in reports] == [0, 1, 2, 3]
    assert [report.sequence for _, report in reports] == [1, 2, 3, 4]


def test_a_report_holds_the_samples_of_its_own_moment() -> None:
    reports = collect(metric("cpu", ScriptedSource()), seconds=3.5)
    assert [report.metrics["cpu"] for _, report in reports] == [0.1, 0.2, 0.3, 0.4]


def test_each_source_has_its_own_interval() -> None:
    slow = ScriptedSource()
    quick = ScriptedSource()
    reports = collect(metric("slow", slow, interval=5), metric("quick", quick, interval=0.25), seconds=10.1)
    assert slow.started_at == [0, 5, 10]
    assert len(quick.started_at) == 41
    assert len(reports) == 11


def test_without_metrics_empty_reports_still_say_that_the_host_lives() -> None:
    assert [report.metrics for _, report in collect(seconds=2.5)] == [{}, {}, {}]


def test_the_first_report_waits_a_moment_for_rates_and_no_longer() -> None:
    rate = ScriptedSource(takes_seconds=0.1)
    assert collect(metric("cpu", rate), seconds=0.3)[0][0] == pytest.approx(0.1)
    hanging = ScriptedSource(takes_seconds=100)
    assert collect(metric("cpu", rate), metric("jobs", hanging), seconds=0.3)[0][0] == pytest.approx(0.25)


def test_a_source_that_has_not_to_wait_needs_no_task() -> None:
    class Quick(ScriptedSource):
        def look(self) -> Sample | None:
            tasks.append(asyncio.current_task())
            return Sample(len(tasks) / 10) if len(tasks) > 1 else None

    tasks: list[asyncio.Task[None] | None] = []
    quick = Quick()
    reports = collect(metric("quick", quick), metric("slow", ScriptedSource(takes_seconds=0.5)), seconds=3.5)
    assert quick.started_at == [0], "it was asked when it could not be looked at"
    assert tasks[1:] == [None] * 3
    assert [report.metrics["quick"] for _, report in reports] == [0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize(
    ("raised", "words"),
    [(SourceError("no such file"), "no such file"), (SystemExit(3), "SystemExit: 3"), (KeyError("a"), "KeyError: 'a'")],
)
def test_a_source_that_raises_at_once_is_named_and_harms_nothing_else(raised: BaseException, words: str) -> None:
    class Wrong(ScriptedSource):
        def look(self) -> Sample | None:
            raise raised

    reports = collect(metric("jobs", Wrong()), metric("cpu", ScriptedSource()), seconds=1.5)
    assert [report.failures for _, report in reports] == [{"jobs": words}] * 2
    assert [report.metrics for _, report in reports] == [{"cpu": 0.1}, {"cpu": 0.2}]


def test_a_deadline_of_a_source_s_own_ends_nothing_else() -> None:
    class Impatient(ScriptedSource):
        async def sample(self) -> Sample:
            async with asyncio.timeout(0.01):
                return await super().sample()

    source = Impatient(takes_seconds=1)
    reports = collect(metric("a", ScriptedSource()), metric("jobs", source), metric("b", ScriptedSource()), seconds=2.5)
    assert [report.failures for _, report in reports] == [{"jobs": "TimeoutError:"}] * 3
    assert [sorted(report.metrics) for _, report in reports] == [["a", "b"]] * 3


def test_a_source_that_cancels_its_task_harms_nothing_else() -> None:
    class Rash(ScriptedSource):
        async def sample(self) -> Sample:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
            return Sample(0.5)

    reports = collect(metric("jobs", Rash()), metric("cpu", ScriptedSource()), seconds=2.5)
    assert [report.metrics for _, report in reports] == [{"cpu": 0.1}, {"cpu": 0.2}, {"cpu": 0.3}]


def test_a_slow_source_delays_no_other_and_no_report() -> None:
    reports = collect(
        metric("slow", ScriptedSource(takes_seconds=0.9), timeout=2), metric("cpu", ScriptedSource()), seconds=4.5
    )
    assert [time for time, _ in reports] == pytest.approx([0.25, 1.25, 2.25, 3.25, 4.25])
    assert [report.metrics["cpu"] for _, report in reports] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert [report.metrics.get("slow") for _, report in reports] == [None, 0.1, 0.2, 0.3, 0.4]


def test_a_hanging_source_is_cancelled_at_its_timeout_and_named() -> None:
    reports = collect(
        metric("jobs", ScriptedSource(takes_seconds=1e9), timeout=0.5), metric("cpu", ScriptedSource()), seconds=3.5
    )
    assert [report.failures for _, report in reports[1:]] == [{"jobs": "no answer within 0.5 s"}] * 3
    assert all("cpu" in report.metrics for _, report in reports)


def test_there_are_never_two_runs_of_one_source() -> None:
    source = ScriptedSource(takes_seconds=2.5)
    collect(metric("jobs", source, interval=1, timeout=10), seconds=10)
    assert source.most_running == 1
    assert len(source.started_at) >= 3


def test_there_are_never_two_runs_of_one_source_when_a_change_and_the_interval_fall_together() -> None:
    class Changing(ScriptedSource):
        async def change(self) -> None:
            await asyncio.sleep(1.1)  # the first report is at 0.1

    source = Changing(takes_seconds=0.1)
    collect(metric("jobs", source, interval=0.5), seconds=2)
    assert source.started_at == pytest.approx([0, 0.6, 1.1, 1.6])
    assert source.most_running == 1


def test_a_source_that_will_not_be_cancelled_is_not_started_again_and_harms_nothing_else() -> None:
    source = ScriptedSource(takes_seconds=20, swallows_cancellation=True)
    reports = collect(metric("jobs", source, timeout=0.5), metric("cpu", ScriptedSource()), seconds=15.5)
    assert len(source.started_at) == 1
    assert len(reports) == 16


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (SourceError("nobody listens on TCP port 80"), "nobody listens on TCP port 80"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (TimeoutError("of its own"), "TimeoutError: of its own"),
        (asyncio.CancelledError(), "the source cancelled itself"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_a_source_that_raises_is_named_and_harms_nothing_else(raised: BaseException, words: str) -> None:
    reports = collect(
        metric("jobs", ScriptedSource(answer=lambda _: raised)), metric("cpu", ScriptedSource()), seconds=3.5
    )
    assert [report.failures for _, report in reports] == [{"jobs": words}] * 4
    assert [report.metrics for _, report in reports] == [{"cpu": pytest.approx(n / 10)} for n in (1, 2, 3, 4)]


def test_a_source_that_returns_no_sample_is_named() -> None:
    class Wrong(ScriptedSource):
        async def sample(self) -> Sample:
            return 0.5  # type: ignore[return-value]

    reports = collect(metric("jobs", Wrong()), seconds=0.5)
    assert reports[0][1].failures == {"jobs": "AttributeError: 'float' object has no attribute 'ratio'"}


def test_a_failing_source_is_logged_once_and_once_more_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    source = ScriptedSource(answer=lambda number: 0.5 if number > 5 else SourceError("the disk is gone"))
    collect(metric("jobs", source), seconds=10.5)
    assert [record.getMessage() for record in caplog.records] == [
        'metric failed metric=jobs reason="the disk is gone"',
        "metric is back metric=jobs",
    ]


def test_once_samples_every_source_and_waits_for_each() -> None:
    async def main() -> Report:
        metrics = [metric("slow", ScriptedSource(takes_seconds=4), timeout=5), metric("cpu", ScriptedSource())]
        return await Collector(metrics, 1.0, lambda _: None).once()

    report = run_virtual(main())
    assert report.metrics == {"slow": 0.1, "cpu": 0.1}
    assert report.sequence == 1


def test_cancelled_samples_end_with_the_collector() -> None:
    source = ScriptedSource(takes_seconds=100)
    collect(metric("jobs", source, timeout=1000), seconds=2)
    assert source.running == 0


# --- what acts, and what is watched


class ScriptedWatch(Watch):
    """Sees what it is told, from a time on."""

    def __init__(self, *sights: tuple[float, Sighting | SourceError]) -> None:
        self.sights = sights
        self.closed = False

    def look(self) -> Sighting:
        now = asyncio.get_running_loop().time()
        seen = [sight for at, sight in self.sights if at <= now][-1]
        if isinstance(seen, SourceError):
            raise seen
        return seen

    async def change(self) -> None:
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(min((at for at, _ in self.sights if at > now), default=1e9) - now)

    def close(self) -> None:
        self.closed = True


THERE, GONE = Sighting(wrong=False, why="nobody listens"), Sighting(wrong=True, why="nobody listens")


def watch(*sights: tuple[float, Sighting | SourceError], hold: float = 0.0) -> WatchConfig:
    trigger = Trigger(name="http", then=HostState.DOWN, hold_seconds=hold, confirmed=True)
    return WatchConfig(trigger=trigger, watch=ScriptedWatch(*sights))


def states(reports: list[tuple[float, Report]]) -> list[tuple[float, str]]:
    """Return each change of the state, with its time."""
    changes = [(0.0, "")]
    for time, report in reports:
        if report.state != changes[-1][1]:
            changes.append((time, str(report.state)))
    return changes[1:]


def test_what_a_watch_sees_is_reported_at_once_and_changes_no_rhythm() -> None:
    reports = collect(
        metric("cpu", ScriptedSource()), seconds=3.5, watches=[watch((0, THERE), (1.25, GONE), (2.5, THERE))]
    )
    assert [time for time, _ in reports] == [0, 1, 1.25, 2, 2.5, 3]
    assert [report.sequence for _, report in reports] == [1, 2, 3, 4, 5, 6]
    assert states(reports) == [(0, "ready"), (1.25, "down"), (2.5, "ready")]
    assert reports[2][1].why == "nobody listens"
    assert reports[2][1].metrics == {"cpu": 0.2}, "a whole report, not a word of its own"


def test_the_first_report_comes_after_the_first_look_at_everything_that_is_watched() -> None:
    drains = WatchConfig(
        trigger=Trigger(name="flag", then=HostState.DRAIN), watch=ScriptedWatch((0, Sighting(wrong=True, why="asked")))
    )
    reports = collect(metric("cpu", ScriptedSource()), seconds=2, watches=[watch((0, THERE)), drains])
    assert states(reports) == [(0, "drain")]
    assert reports[0][1].why == "asked"


def test_an_agent_that_begins_while_a_listener_is_missing_says_so_in_its_first_report_and_does_not_act_on_it() -> None:
    reports = collect(seconds=3.5, watches=[watch((0, GONE), (1.25, THERE), (2.5, GONE))])
    first = reports[0][1]
    assert (first.state, first.failures) == (
        HostState.READY,
        {"watches.http": "nobody listens, nor has since the agent began"},
    )
    assert states(reports) == [(0, "ready"), (2.5, "down")]


def test_the_time_that_a_state_is_held_ends_though_nothing_happens() -> None:
    reports = collect(seconds=5, watches=[watch((0, THERE), (1.25, GONE), (1.5, THERE), hold=2.0)])
    assert states(reports) == [(0, "ready"), (1.25, "down"), (3.5, "ready")]


def test_a_watch_that_fails_is_named_in_reports_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    reports = collect(seconds=12.5, watches=[watch((0, SourceError("no netlink")))])
    assert {tuple(report.failures.items()) for _, report in reports} == {(("watches.http", "no netlink"),)}
    assert states(reports) == [(0, "ready")]
    assert [record.getMessage() for record in caplog.records] == [
        'watch does not act watch=watches.http reason="no netlink"'
    ]


def test_a_slow_source_does_not_delay_what_a_watch_sees() -> None:
    slow = metric("jobs", ScriptedSource(takes_seconds=50), timeout=60)
    reports = collect(slow, seconds=3, watches=[watch((0, THERE), (1.75, GONE))])
    assert states(reports) == [(0.25, "ready"), (1.75, "down")]


def test_a_metric_over_its_threshold_is_reported_with_the_sample_that_decides(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    trigger = Trigger(name="cpu", then=HostState.DRAIN, after_seconds=0.5, hold_seconds=0.5)
    busy = msgspec.structs.replace(
        metric("cpu", ScriptedSource(answer=lambda number: 0.95 if 3 <= number < 6 else 0.1), interval=0.4),
        thresholds=(Threshold(trigger=trigger, above=0.9, below=0.8),),
        from_ratio=0.9,
    )
    reports = collect(busy, seconds=5, interval=10)
    assert states(reports) == [(0, "ready"), (pytest.approx(1.6), "drain"), (pytest.approx(2.8), "ready")]
    assert reports[1][1].why == "cpu is 0.95, drain_above is 0.9"
    assert reports[1][1].metrics["cpu"] == pytest.approx(0.5)
    assert [record.getMessage() for record in caplog.records] == [
        'state state=drain reason="cpu is 0.95, drain_above is 0.9"',
        "state state=ready",
    ]


def test_a_metric_that_fails_lets_go_after_a_minute_only() -> None:
    trigger = Trigger(name="cpu", then=HostState.DRAIN)
    source = ScriptedSource(answer=lambda number: 0.95 if number < 4 else SourceError("gone"))
    busy = msgspec.structs.replace(
        metric("cpu", source), thresholds=(Threshold(trigger=trigger, above=0.9, below=0.8),)
    )
    assert states(collect(busy, seconds=80)) == [(0, "drain"), (62, "ready")]


def test_a_collector_is_in_time_while_sources_hang_and_late_when_it_is_held_up_itself() -> None:
    late: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        collector = Collector([metric("jobs", ScriptedSource(takes_seconds=1000), interval=5)], 20.0, lambda _: None)
        assert collector.late_seconds(loop.time() + 1000) < 0  # nothing is due before the first report
        running = asyncio.create_task(collector.run())
        for _ in range(100):
            await asyncio.sleep(1)
            late.append(collector.late_seconds(loop.time()))
        running.cancel()
        assert collector.late_seconds(loop.time() + 1000) > 900

    run_virtual(main())
    assert max(late) <= 0


def test_once_looks_at_what_is_watched_and_lets_go_of_it() -> None:
    config = watch((0, SourceError("no netlink")))

    async def main() -> Report:
        return await Collector([], 1.0, lambda _: None, [config]).once()

    assert run_virtual(main()).failures == {"watches.http": "no netlink"}
    assert isinstance(config.watch, ScriptedWatch)
    assert config.watch.closed


@pytest.mark.parametrize(
    ("source", "timeout"),
    [
        (ScriptedSource(answer=lambda _: KeyError("load")), 1.0),
        (ScriptedSource(answer=lambda _: "0.5"), 1.0),
        (ScriptedSource(takes_seconds=1e9), 0.25),
    ],
)
def test_a_source_that_has_a_bug_or_never_answers_is_asked_less_and_less_often(
    source: ScriptedSource, timeout: float
) -> None:
    reports = collect(metric("jobs", source, timeout=timeout), seconds=100)
    assert source.started_at == pytest.approx([0, 1, 3, 7, 15, 31, 61, 91], abs=0.25)
    assert all(report.failures.keys() == {"jobs"} for _, report in reports[1:])


def test_a_source_that_says_why_it_can_not_measure_is_asked_at_every_interval() -> None:
    source = ScriptedSource(answer=lambda number: 0.5 if number == 9 else SourceError("the disk is gone"))
    reports = collect(metric("jobs", source), seconds=8.5)
    assert len(source.started_at) == 9
    assert reports[-1][1].metrics == {"jobs": 0.5}


def test_a_source_that_does_well_again_is_forgiven() -> None:
    source = ScriptedSource(answer=lambda number: KeyError("load") if number in {1, 2, 3, 5} else 0.5)
    collect(metric("jobs", source), seconds=10.5)
    assert source.started_at == [0, 1, 3, 7, 8, 9, 10]
