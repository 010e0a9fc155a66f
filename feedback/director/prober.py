"""Runs every check of the configuration at its time, and keeps the health that comes of it.

The hot path of the director: nothing here is a task or a future per check. A slot's checks are started together,
each calls back when it is done, and the call computes the health and puts the check back on the wheel.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import msgspec

from feedback.checks.runner import Handle, Runner
from feedback.director import health
from feedback.director.config import CheckConfig
from feedback.director.health import CheckHealth
from feedback.director.schedule import Wheel, first_start, next_start, until_next_slot
from feedback.model import CheckResult
from feedback.net import Target


class ProbeKey(msgspec.Struct, frozen=True):
    """Which check of which destination of which service."""

    service: str
    destination: str
    check: str

    def __str__(self) -> str:
        return f"{self.service}/{self.destination}/{self.check}"


class ProbeConfig(msgspec.Struct, frozen=True):
    """What is checked, and how."""

    config: CheckConfig
    target: Target


class Probe:
    """One check of one destination, for as long as the configuration has it."""

    __slots__ = ("done", "due", "gone", "handle", "health", "key", "name", "wanted")

    def __init__(
        self, key: ProbeKey, wanted: ProbeConfig, start: CheckHealth, finished: Callable[["Probe", CheckResult], None]
    ) -> None:
        self.key = key
        self.name = str(key)
        self.wanted = wanted
        self.health = start
        self.due = 0.0
        self.gone = False
        self.handle: Handle | None = None  # while it runs
        self.done = partial(finished, self)  # made once: a start costs no more than it must

    def stop(self) -> None:
        """Never start again, and end the run that is under way."""
        self.gone = True
        if self.handle is not None:
            self.handle.cancel()
            self.handle = None


class Prober:
    """Keeps one probe per configured check.

    `changed` is called when a probe's health changes. `counts` holds the finished checks by type and outcome.
    """

    def __init__(self, runner: Runner, now: Callable[[], float], changed: Callable[[], None]) -> None:
        self._runner = runner
        self._now = now
        self._changed = changed
        self._probes: dict[ProbeKey, Probe] = {}
        self._wheel: Wheel[Probe] = Wheel(now())
        self.counts: Counter[tuple[str, str]] = Counter()

    def configure(self, wanted: Mapping[ProbeKey, ProbeConfig], start: Callable[[ProbeKey], CheckHealth]) -> None:
        """Check what is wanted from now on. A probe that has not changed keeps its health and its place in time.

        A probe with another check or target keeps its health too: what it reports next decides.
        """
        for key in self._probes.keys() - wanted.keys():
            self._probes.pop(key).stop()
        for key, probe_config in wanted.items():
            known = self._probes.get(key)
            if known is not None and known.wanted == probe_config:
                continue
            if known is not None:
                known.stop()
            probe = Probe(key, probe_config, start(key) if known is None else known.health, self._finished)
            self._probes[key] = probe
            self._plan(probe, first_start(probe.name, self._now(), probe_config.config.cadence.interval_seconds))

    def health_of(self, service: str, destination: str, checks: Iterable[CheckConfig]) -> dict[str, CheckHealth]:
        """Return the health by check name."""
        return {check.name: self._probes[ProbeKey(service, destination, check.name)].health for check in checks}

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

    def _start_due(self) -> None:
        for probe in self._wheel.take(self._now()):
            self._start(probe)

    def _start(self, probe: Probe) -> None:
        if not probe.gone:  # removed or replaced since it was put on the wheel
            config = probe.wanted.config
            timeout_seconds = config.cadence.timeout_seconds
            probe.handle = self._runner.start(config.check, probe.wanted.target, timeout_seconds, probe.done)

    def _finished(self, probe: Probe, result: CheckResult) -> None:
        probe.handle = None
        config = probe.wanted.config
        before = probe.health
        after = probe.health = health.observe(before, result, config.cadence)
        self.counts[config.check.name, result.outcome] += 1
        self._plan(probe, next_start(probe.due, self._now(), health.next_interval(after, config.cadence)))
        if after.health is not before.health:
            self._changed()

    def _plan(self, probe: Probe, due: float) -> None:
        probe.due = due
        self._wheel.add(due, probe)
