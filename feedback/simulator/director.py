"""The director of a simulated cluster: its own decisions, on a table that does as it is told.

`health`, `estimate`, `ServiceController` with its policy, and `plan` are those of `feedback director`.
"""

from feedback.director import health
from feedback.director.config import Cadence, DestinationConfig, ServiceConfig
from feedback.director.controller import Facts, ServiceController
from feedback.director.health import CheckHealth
from feedback.director.plan import SetDestination, plan
from feedback.director.weights import Policy
from feedback.model import (
    CheckResult,
    Counters,
    Destination,
    Endpoint,
    Forwarding,
    Health,
    ServiceKey,
    ServiceState,
    Transport,
    VirtualService,
)
from feedback.simulator.scenario import Scenario


class Director:
    """One service of a director. Servers are known by their places in the scenario."""

    def __init__(self, scenario: Scenario, policy: Policy | None) -> None:
        keys = [Endpoint(f"10.0.{place // 250}.{place % 250 + 1}", 80) for place in range(len(scenario.servers))]
        self._key = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.10", 80))
        self._names = list(scenario.servers)
        self._place_of = {key: place for place, key in enumerate(keys)}
        self._cadence = Cadence(
            interval_seconds=scenario.check_interval_seconds, rise=scenario.rise, fall=scenario.fall
        )
        config = ServiceConfig(
            name=scenario.name,
            key=self._key,
            scheduler=scenario.scheduler,
            forwarding=Forwarding.MASQUERADE,
            weights=scenario.weights,
            destinations={
                name: DestinationConfig(
                    name=name, key=key, base_weight=spec.base_weight, forwarding=Forwarding.MASQUERADE, agent=name
                )
                for (name, spec), key in zip(scenario.servers.items(), keys, strict=True)
            },
        )
        self._controller = ServiceController(config, policy)
        self._health = [CheckHealth(Health.UP) for _ in keys]
        service = VirtualService(self._key, scenario.scheduler)
        self._table = {self._key: ServiceState(service, {})}

    def check(self, now: float, place: int, result: CheckResult) -> None:
        """Take a check's result."""
        self._health[place] = health.observe(self._health[place], result, self._cadence, now)

    def tick(
        self, now: float, utilizations: list[float | None], counters: list[Counters]
    ) -> tuple[dict[int, int], int]:
        """Decide, plan and apply. Return the table's weights by server, in its order, and how many were changed."""
        facts = {
            name: Facts(health=check.health, utilization=utilization)
            for name, check, utilization in zip(self._names, self._health, utilizations, strict=True)
        }
        before = self._table[self._key]
        shown = {key: counters[self._place_of[key]] for key in before.destinations}
        observed = ServiceState(before.service, before.destinations, shown)
        desired = self._controller.step(now, facts, observed)
        operations = plan({self._key: desired.state}, {self._key: observed}, {self._key})
        self._table[self._key] = desired.state
        weights = {self._place_of[key]: destination.weight for key, destination in self._in_order(desired.state)}
        return weights, sum(isinstance(operation, SetDestination) for operation in operations)

    def _in_order(self, state: ServiceState) -> list[tuple[Endpoint, Destination]]:
        return sorted(state.destinations.items(), key=lambda item: self._place_of[item[0]])
