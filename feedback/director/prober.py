"""Runs every check of the configuration at its time, and keeps the health that comes of it.

The hot path of the director: nothing here is a task or a future per check. A slot's checks are started together,
each calls back when it is done, and the call computes the health and puts the check back on the wheel.

What several services check in the same way at the same place is one probe. It runs once, and each of its subscribers,
a check of a destination of a service, takes the result for itself: with its own `rise` and `fall`, its own health, and
its own dependencies.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

import msgspec

from feedback.checks.check import Check
from feedback.checks.runner import Handle, Runner
from feedback.director import dependencies, health, hints
from feedback.director.config import CheckConfig, ServiceConfig
from feedback.director.dependencies import Need
from feedback.director.health import CheckHealth
from feedback.director.schedule import Wheel, first_start, next_start, until_next_slot
from feedback.engine.kept import Kept
from feedback.errors import Reason
from feedback.model import CheckResult, Outcome
from feedback.net import Target

log = logging.getLogger(__name__)

ASTRAY = CheckResult(Outcome.UNKNOWN, Reason.LOCAL, "the table has no way to the destination via the vip", 0.0)
"""Of a probe that some destination would answer, and not the one that it is for."""


class ProbeKey(msgspec.Struct, frozen=True):
    """Which check of which destination of which service."""

    service: str
    destination: str
    check: str

    def __str__(self) -> str:
        return f"{self.service}/{self.destination}/{self.check}"


class ProbeConfig(msgspec.Struct, frozen=True):
    """What is checked, how, and what must work before a failure counts."""

    config: CheckConfig
    target: Target
    needs: tuple[Need, ...] = ()


class Subscriber:
    """One check of one destination of one service, for as long as the configuration has it.

    failing_since: since when it has not passed, known only where it depends on something.
    """

    __slots__ = ("cadence", "failing_since", "filter_seconds", "health", "needs")

    def __init__(self, start: CheckHealth) -> None:
        self.health = start
        self.failing_since: float | None = None

    def configure(self, wanted: ProbeConfig) -> None:
        """Take results as is wanted from now on."""
        self.cadence = wanted.config.cadence
        self.filter_seconds = hints.filter_seconds(wanted.config)
        self.needs = wanted.needs


class Same:
    """A check as a key: equal where the class and the options are."""

    __slots__ = ("_hash", "check")

    def __init__(self, check: Check) -> None:
        self.check = check
        self._hash = hash((type(check), repr(check)))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.check == other.check


class RunKey(msgspec.Struct, frozen=True):
    """What is the same for all subscribers of a probe."""

    check: Same
    scope: Target
    interval_seconds: float
    timeout_seconds: float


def run_key(wanted: ProbeConfig) -> RunKey:
    """Return what a check is run for."""
    check, cadence = wanted.config.check, wanted.config.cadence
    return RunKey(Same(check), _scope(check, wanted.target), cadence.interval_seconds, cadence.timeout_seconds)


def _scope(check: Check, target: Target) -> Target:
    """Return what a check's results depend on: all of the target, where the check has a bug in saying so."""
    try:
        scope = check.scope(target)
        return scope if isinstance(scope, Target) else target
    except Exception:
        log.exception("bug in the check %s: its scope of %s", check.name, target.endpoint)
        return target


class Probe:
    """One check of one target, and who takes its results."""

    __slots__ = (
        "check",
        "done",
        "due",
        "gone",
        "handle",
        "interval_seconds",
        "kept",
        "subscribers",
        "target",
        "timeout_seconds",
    )

    def __init__(self, run: RunKey, finished: Callable[["Probe", CheckResult], None]) -> None:
        self.interval_seconds = run.interval_seconds
        self.timeout_seconds = run.timeout_seconds
        self.due = 0.0
        self.gone = False
        self.handle: Handle | None = None  # while it runs
        self.kept = Kept()
        self.done = partial(finished, self)  # made once: a start costs no more than it must

    def configure(self, wanted: ProbeConfig, subscribers: Sequence[Subscriber]) -> None:
        """Run the check as the newest configuration has made it: an equal one may have read its files anew."""
        self.check = wanted.config.check
        self.target = wanted.target
        self.subscribers = subscribers

    def stop(self) -> None:
        """Never start again, end the run that is under way, and close what its runs have kept."""
        self.gone = True
        if self.handle is not None:
            self.handle.cancel()
            self.handle = None
        self.kept.close()


class Prober:
    """Keeps the health of every configured check, and one probe for those that are the same.

    `changed` is called when that changes what may be in the table. `counts` holds the finished runs by type and
    outcome. `marks` are those by which packets are led to a realserver now: without its mark no steered probe starts.
    """

    def __init__(self, runner: Runner, now: Callable[[], float], changed: Callable[[], None]) -> None:
        self._runner = runner
        self._now = now
        self._changed = changed
        self._subscribers: dict[ProbeKey, Subscriber] = {}
        self._probes: dict[RunKey, Probe] = {}
        self._wheel: Wheel[Probe] = Wheel(now())
        self.counts: Counter[tuple[str, str]] = Counter()
        self.marks: AbstractSet[int] = frozenset()

    def configure(self, wanted: Mapping[ProbeKey, ProbeConfig], start: Callable[[ProbeKey], CheckHealth]) -> None:
        """Check what is wanted from now on. A probe that goes on keeps its place in time, whoever takes its results.

        A check that is run otherwise or elsewhere than before keeps its health: what it reports next decides.
        """
        keys: dict[RunKey, list[ProbeKey]] = {}
        for key, probe_config in wanted.items():
            keys.setdefault(run_key(probe_config), []).append(key)
        known = self._subscribers
        self._subscribers = {key: known[key] if key in known else Subscriber(start(key)) for key in wanted}
        for run in self._probes.keys() - keys.keys():
            self._probes.pop(run).stop()
        for run, its_keys in keys.items():
            for key in its_keys:
                self._subscribers[key].configure(wanted[key])
            probe = self._probes.get(run) or self._begin(run, its_keys[0])
            probe.configure(wanted[its_keys[0]], [self._subscribers[key] for key in its_keys])

    def health_of(self, service: str, destination: str, checks: Iterable[CheckConfig]) -> dict[str, CheckHealth]:
        """Return the health by check name."""
        return {check.name: self._subscribers[ProbeKey(service, destination, check.name)].health for check in checks}

    async def run(self) -> None:
        """Start checks as they fall due, until cancelled; then no check is left running."""
        try:
            while True:
                # From the loop itself: what a check does wrong with asyncio must not reach this task.
                asyncio.get_running_loop().call_soon(self._start_due)
                await asyncio.sleep(until_next_slot(self._now()))
        finally:
            for probe in self._probes.values():
                probe.stop()

    def _begin(self, run: RunKey, key: ProbeKey) -> Probe:
        probe = self._probes[run] = Probe(run, self._finished)
        self._plan(probe, first_start(str(key), self._now(), probe.interval_seconds))
        return probe

    def _start_due(self) -> None:
        for probe in self._wheel.take(self._now()):
            self._start(probe)

    def _start(self, probe: Probe) -> None:
        if probe.gone:  # removed or replaced since it was put on the wheel
            return
        steering = probe.target.steering
        if steering is not None and steering.fwmark not in self.marks:
            self._finished(probe, ASTRAY)
        else:
            probe.handle = self._runner.start(probe.check, probe.target, probe.timeout_seconds, probe.done, probe.kept)

    def _finished(self, probe: Probe, result: CheckResult) -> None:
        probe.handle = None
        self.counts[probe.check.name, result.outcome] += 1
        now = self._now()
        interval = probe.interval_seconds
        for subscriber in probe.subscribers:  # the run is made as often as the most anxious of them asks
            interval = min(interval, self._take(subscriber, result, now))
        self._plan(probe, next_start(probe.due, now, interval))

    def _take(self, subscriber: Subscriber, result: CheckResult, now: float) -> float:
        """Let a result count for one subscriber, and return after how many seconds it wants the next."""
        if subscriber.needs:
            result = self._judge(subscriber, result, now)
        before = subscriber.health
        after = subscriber.health = health.observe(before, result, subscriber.cadence, now, subscriber.filter_seconds)
        if after.health is not before.health or (
            after.hint is not before.hint and health.quiesces(after) is not health.quiesces(before)
        ):
            self._changed()
        return health.next_interval(after, subscriber.cadence)

    def _judge(self, subscriber: Subscriber, result: CheckResult, now: float) -> CheckResult:
        """Return a result as it counts: no failure while something that it depends on may be the cause."""
        if result.outcome is Outcome.PASS:
            subscriber.failing_since = None
        if result.outcome is not Outcome.FAIL:
            return result
        since = subscriber.failing_since = now if subscriber.failing_since is None else subscriber.failing_since
        for need in subscriber.needs:
            if trouble := dependencies.trouble(need, self._look, since):
                return dependencies.hold(result, trouble)
        return result

    def _look(self, service: ServiceConfig, destination: str) -> dict[str, CheckHealth]:
        return self.health_of(service.name, destination, service.checks)

    def _plan(self, probe: Probe, due: float) -> None:
        probe.due = due
        self._wheel.add(due, probe)
