"""A cluster in virtual time, as small as it can be: load is shared out by weight, reports are late and noisy."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from feedback.director.weights import Member, Policy

Plant = Callable[[float], float]
"""Utilization from the load on a server as a ratio of its speed."""


def linear(load: float) -> float:
    """Answer requests one after the other: busy in proportion, at most always."""
    return min(1.0, load)


def saturating(load: float) -> float:
    """Answer weakly to more load, as a queue does that is seldom empty."""
    return 1.0 - math.exp(-load)


@dataclass
class Cluster:
    """Servers of some speeds under one policy. `load` is the ratio of what comes in to the sum of the speeds."""

    policy: Policy
    speeds: Mapping[str, float]
    load: float = 0.6
    noise: float = 0.0
    plant: Plant = linear
    base_weight: int = 100
    seed: int = 1
    weights: dict[str, int] = field(default_factory=dict)
    usable_since: dict[str, float] = field(default_factory=dict)
    mute: set[str] = field(default_factory=set)
    now: float = 1000.0
    writes: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._reports: dict[str, float] = {}
        self.up = set(self.speeds)
        for name in self.speeds:
            self.weights.setdefault(name, self.base_weight)

    def utilization(self) -> dict[str, float]:
        """Return how busy each server is at this moment."""
        total = sum(self.weights[name] for name in self.up)
        rate = self.load * sum(self.speeds.values())
        return {name: self.plant(rate * self.weights[name] / total / self.speeds[name]) for name in sorted(self.up)}

    def imbalance(self) -> float:
        """Return the largest utilization over the mean."""
        busy = self.utilization()
        return max(busy.values()) / (sum(busy.values()) / len(busy))

    def step(self, seconds: float = 1.0) -> dict[str, int]:
        """Let one step pass: the policy sees the reports of the step before."""
        self.now += seconds
        members = {
            name: Member(
                base_weight=self.base_weight,
                weight=self.weights[name],
                utilization=None if name in self.mute else self._reports.get(name),
                usable_seconds=self.now - self.usable_since.get(name, 0.0),
            )
            for name in sorted(self.up)
        }
        self._reports = {
            name: busy * max(0.0, 1.0 + self._random.gauss(0.0, self.noise))
            for name, busy in self.utilization().items()
        }
        written = self.policy.step(self.now, members)
        self.writes += sum(self.weights[name] != weight for name, weight in written.items())
        self.weights.update(written)
        return written

    def run(self, seconds: float) -> list[dict[str, int]]:
        """Let time pass in steps of a second; return the weights of each."""
        return [self.step() for _ in range(round(seconds))]

    def leave(self, name: str) -> None:
        """Take a server out."""
        self.up.discard(name)
        self.weights[name] = 0

    def join(self, name: str) -> None:
        """Let a server in again; it has had nothing to do so far."""
        self.up.add(name)
        self.usable_since[name] = self.now
        self._reports[name] = 0.0
