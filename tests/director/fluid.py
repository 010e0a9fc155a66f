"""A service of destinations that are fluid: load goes by weight, and utilization with load. Virtual time, no chance."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from feedback.director.config import OverflowConfig, ServiceConfig
from feedback.director.config_rules import BLIND_SCHEDULERS
from feedback.director.controller import Facts, ServiceController
from feedback.director.desired import DesiredService
from feedback.model import Counters, Endpoint, Forwarding, Health, ServiceState

SPARE = Endpoint("10.2.0.99", 8080)
OVERFLOW = OverflowConfig(key=SPARE, forwarding=Forwarding.MASQUERADE)
UP, DOWN = Facts(health=Health.UP), Facts(health=Health.DOWN)


@dataclass
class Fluid:
    """A controller and its cluster. demand: of what all destinations can do together. Reports are a second old.

    capped: whether a full destination reports 1 however far it is over. overrides: what some report whatever they do.
    `step` lets a second pass.
    """

    config: ServiceConfig
    speeds: Mapping[str, float]
    demand: float = 0.5
    capped: bool = True
    now: float = 1000.0
    down: set[str] = field(default_factory=set)
    overrides: dict[str, float] = field(default_factory=dict)
    connections: int = 0  # the overflow's
    history: list[ServiceState] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.controller = ServiceController(self.config)
        self.state: ServiceState | None = None
        self._reports: dict[str, float] = {}
        self.desired: DesiredService
        self.step()

    @property
    def weights(self) -> dict[str, int]:
        """Weights in the table, 0 for who is out of it."""
        assert self.state is not None
        return {
            name: there.weight if (there := self.state.destinations.get(destination.key)) is not None else 0
            for name, destination in self.config.destinations.items()
        }

    @property
    def spare(self) -> int | None:
        """The overflow's weight, None while it is out of the table."""
        assert self.state is not None
        there = self.state.destinations.get(SPARE)
        return None if there is None else there.weight

    def load(self) -> dict[str, float]:
        """Return each serving destination's load, as a ratio of its speed, and not capped."""
        blind = self.config.scheduler in BLIND_SCHEDULERS
        weights = {name: 1 if blind else weight for name, weight in self.weights.items() if weight}
        spare = min(self.spare or 0, 1) if blind else self.spare or 0
        rate = self.demand * sum(self.speeds.values()) / max(sum(weights.values()) + spare, 1)
        return {name: rate * weight / self.speeds[name] for name, weight in weights.items()}

    def step(self) -> DesiredService:
        """Let a second pass: the director sees the reports of the second before."""
        facts = {
            name: DOWN if name in self.down else Facts(health=Health.UP, utilization=self._reports.get(name))
            for name in self.speeds
        }
        self.desired = self.controller.step(self.now, facts, self.state)
        counters = {SPARE: Counters(active_connections=self.connections)}
        self.state = ServiceState(self.desired.state.service, self.desired.state.destinations, counters)
        self.history.append(self.state)
        self._reports = {name: min(1.0, load) if self.capped else load for name, load in self.load().items()}
        self._reports |= self.overrides
        self.now += 1.0
        return self.desired

    def run(self, seconds: int) -> None:
        """Let time pass."""
        for _ in range(seconds):
            self.step()

    def comings_and_goings(self) -> int:
        """Return how often the overflow has begun or ended to take connections so far."""
        serving = [(there := state.destinations.get(SPARE)) is not None and there.weight > 0 for state in self.history]
        return sum(before != after for before, after in itertools.pairwise(serving))
