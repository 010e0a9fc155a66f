"""What agents have found of their hosts, and when it is heeded. Pure.

A host that is down by its own word is as one whose check failed, and one that asks to be drained is drained. But no
agent's finding takes the last destination away: where too few others would serve, the checks alone decide. What an
operator asks for on the host (`feedback agent --drain`) is no finding, and always holds.
"""

from collections.abc import Mapping

import msgspec

from feedback.director.config import ServiceConfig
from feedback.director.controller import Facts
from feedback.model import Admin, Health, ServiceState
from feedback.report import HostState


class Said(msgspec.Struct, frozen=True):
    """What an agent has said of its host, and why."""

    state: HostState = HostState.READY
    why: str = ""

    def __str__(self) -> str:
        return f"{self.state} ({self.why})" if self.why else str(self.state)


READY = Said()


def heed(
    config: ServiceConfig, facts: Mapping[str, Facts], said: Mapping[str, Said], observed: ServiceState | None
) -> dict[str, Facts]:
    """Return the facts about a service's destinations with what their hosts say of themselves: those in `said`.

    It is heeded while at least one of the others serves, and at least `min_healthy` of all that are meant to. Down is
    heeded without any, where a fallback takes the last one's place and `min_healthy` allows it. And who does not serve
    does not come back for want of others while it says that it is down, unless nobody is left.
    """
    meant = [name for name, one in facts.items() if one.admin is Admin.ENABLED and one.asks == "ready"]
    served = {name: _is_served(config, name, observed) for name in facts}
    able = sum(name not in said and _can_serve(facts[name], served=served[name]) for name in meant)
    enough = able >= config.min_healthy_ratio * len(meant)
    heeded = {
        HostState.DRAIN: enough and able > 0,
        HostState.DOWN: enough and (able > 0 or config.fallback is not None),
    }
    anybody = any(served[name] and _can_serve(facts[name], served=True) for name in meant)
    stays_out = {name: anybody and not there for name, there in served.items()}
    return {
        name: _with(one, said[name], heeded=heeded[said[name].state], stays_out=stays_out[name])
        if name in said
        else one
        for name, one in facts.items()
    }


def _is_served(config: ServiceConfig, name: str, observed: ServiceState | None) -> bool:
    """Say whether a destination takes new connections now."""
    there = observed.destinations.get(config.destinations[name].key) if observed is not None else None
    return there is not None and there.weight > 0


def _can_serve(one: Facts, *, served: bool) -> bool:
    """Say whether a destination takes connections, its host's own word aside. Unknown is not down."""
    if one.health is Health.UP:
        return one.wish is None or not one.wish.drains
    return one.health is Health.UNKNOWN and served


def _with(one: Facts, said: Said, *, heeded: bool, stays_out: bool) -> Facts:
    if not heeded and (said.state is HostState.DRAIN or not stays_out):
        return msgspec.structs.replace(one, doubt=f"its host says {said}, which too few others allow to heed")
    if said.state is HostState.DRAIN:
        return one if one.asks != "ready" else msgspec.structs.replace(one, asks="drain", asks_why=said.why)
    if one.health is Health.DOWN:
        return one
    return msgspec.structs.replace(one, health=Health.DOWN, reason=f"its host says {said}")
