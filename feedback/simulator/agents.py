"""The agents of a simulated cluster: each measures its own server, and its reports arrive late, noisy or not at all."""

from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from feedback.director import estimate
from feedback.simulator.scenario import Scenario
from feedback.utilization import utilization


class Measured(Protocol):
    """A cluster as agents see it."""

    now: float

    def at(self, time: float, happens: Callable[[Any], None], argument: Any) -> None:
        """Have something happen at a time."""

    def busy_seconds(self, place: int) -> float:
        """Return for how long a server has been busy since the start."""

    def is_alive(self, place: int) -> bool:
        """Say whether a server is."""


class Agents:
    """All of them. `silent` says who does not report."""

    def __init__(self, scenario: Scenario, cluster: Measured) -> None:
        self._reports = scenario.reports
        self._cluster = cluster
        self._random = Random(scenario.seed + 1)  # noqa: S311 - as above
        count = len(scenario.servers)
        self.silent = [False] * count
        self._busy_before = [(0.0, 0.0)] * count
        self._newest: list[tuple[float, float] | None] = [None] * count

    def start(self) -> None:
        """Begin to report, each at its own time."""
        for place in range(len(self.silent)):
            self._cluster.at(self._random.random() * self._reports.interval_seconds, self._measure, place)

    def utilizations(self, now: float) -> list[float | None]:
        """Return what the director knows of each server: the newest report, while it is fresh."""
        return [
            newest[1] if newest and estimate.fresh(newest[0], now, self._reports.interval_seconds) else None
            for newest in self._newest
        ]

    def _measure(self, place: int) -> None:
        cluster, reports = self._cluster, self._reports
        since, busy_before = self._busy_before[place]
        busy = cluster.busy_seconds(place)
        self._busy_before[place] = cluster.now, busy
        cluster.at(cluster.now + reports.interval_seconds, self._measure, place)
        lost = self._random.random() < reports.loss_ratio
        if cluster.now > since and not (lost or self.silent[place]) and cluster.is_alive(place):
            used = (busy - busy_before) / (cluster.now - since)
            noisy = min(1.0, max(0.0, used + self._random.gauss(0.0, reports.noise))) if reports.noise else used
            cluster.at(cluster.now + reports.delay_seconds, self._arrive, (place, noisy))

    def _arrive(self, report: tuple[int, float]) -> None:
        place, value = report
        self._newest[place] = self._cluster.now, utilization({"cpu": value}, {}) or 0.0
