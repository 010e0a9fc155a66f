"""From the director's values to what the API, the dashboard and /metrics show. Pure."""

from collections.abc import Mapping

import msgspec

from feedback.director.agents import AgentView
from feedback.director.config import DestinationConfig, DirectorConfig, ServiceConfig
from feedback.director.controller import Facts
from feedback.director.desired import DesiredService
from feedback.director.health import CheckHealth
from feedback.director.retry import Subject
from feedback.director.snapshot import CheckView, DestinationView, ServiceView
from feedback.director.steering import ways
from feedback.director.weights import Terms
from feedback.model import Counters, Endpoint, Health, Outcome, ServiceKey, ServiceState

FALLBACK, OVERFLOW = "fallback", "overflow"
"""What these of a service are called where destinations have names."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of one destination at one moment."""

    facts: Facts
    checks: Mapping[str, CheckHealth]
    agent: AgentView


def view_service(
    config: ServiceConfig,
    known: Mapping[str, Known],
    desired: DesiredService,
    table: ServiceState | None,
    *,
    policy_failure: str,
    terms: Mapping[str, Terms],
) -> ServiceView:
    """Return one service as it is shown. `table` is what the table has of it after the tick.

    terms: what weights are made of, by destination.
    """
    fallback, overflow = config.fallback, config.overflow
    return ServiceView(
        name=config.name,
        address=address_of(config.key),
        protocol=config.key.protocol,
        scheduler=config.scheduler,
        forwarding=config.forwarding,
        fallback=str(fallback) if fallback is not None else None,
        fallback_in_table=desired.fallback and table is not None and fallback in table.destinations,
        overloaded=desired.burden.overloaded,
        overflow=str(overflow.key) if overflow is not None else None,
        overflow_in_table=overflow is not None
        and not (desired.fallback and overflow.key == fallback)
        and table is not None
        and overflow.key in table.destinations,
        policy_failure=policy_failure,
        destinations=tuple(
            _view_destination(destination, known[name], desired.why[name], table, terms.get(name))
            for name, destination in config.destinations.items()
        ),
    )


def sum_up(config: DirectorConfig, known: Mapping[str, Mapping[str, Known]], trouble: str) -> str:
    """Return `2 services and 6 destinations, 5 up`, and what keeps the director from its work."""
    up = sum(one.facts.health is Health.UP for destinations in known.values() for one in destinations.values())
    words = f"{config.size()}, {up} up"
    return f"{words}; {trouble}" if trouble else words


def address_of(key: ServiceKey) -> str:
    """Return a service's address as one writes it: `192.0.2.10:80`, `[2001:db8::10]:80` or `fwmark 80`."""
    return f"fwmark {key.fwmark}" if key.fwmark else str(Endpoint(key.address, key.port))


def names_of(config: DirectorConfig) -> dict[Subject, str]:
    """Return the names of everything that the configuration puts into the table."""
    names: dict[Subject, str] = {}
    for service in config.services.values():
        names[service.key, None] = service.name
        if service.overflow is not None:
            names[service.key, service.overflow.key] = OVERFLOW
        if service.fallback is not None:
            names[service.key, service.fallback] = FALLBACK
        for destination in service.destinations.values():
            names[service.key, destination.key] = destination.name
    for way in ways(config).values():
        names[way.key, None] = way.name
        names[way.key, way.at] = way.destination.name
    return names


def _view_destination(
    config: DestinationConfig, known: Known, why: str, table: ServiceState | None, weighing: Terms | None
) -> DestinationView:
    destination = table.destinations.get(config.key) if table is not None else None
    counters = table.counters.get(config.key, Counters()) if table is not None else Counters()
    return DestinationView(
        name=config.name,
        address=str(config.key),
        health=known.facts.health,
        admin=known.facts.admin,
        in_table=destination is not None,
        weight=destination.weight if destination is not None else 0,
        base_weight=config.base_weight,
        utilization=known.facts.utilization,
        metrics=known.agent.metrics,
        agent=known.agent.state,
        active_connections=counters.active_connections,
        inactive_connections=counters.inactive_connections,
        checks=tuple(_view_check(name, check) for name, check in known.checks.items()),
        why=why,
        failures=known.agent.failures,
        weighing=weighing,
    )


def _view_check(name: str, check: CheckHealth) -> CheckView:
    last = check.last
    return CheckView(
        name=name,
        health=check.health,
        outcome=last.outcome if last is not None else Outcome.UNKNOWN,
        reason=last.reason if last is not None else "",
        detail=last.detail if last is not None else "",
        duration_seconds=last.duration_seconds if last is not None else 0.0,
        weight_ratio=check.hint.ratio if check.hint is not None else None,
    )
