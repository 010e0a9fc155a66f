"""What the director knows at one moment, as frozen values: the shape of the API, the dashboard and /metrics."""

from collections.abc import Mapping

import msgspec

from feedback.director.weights import Terms
from feedback.model import Admin, AgentState, Health, Outcome


class CheckView(msgspec.Struct, frozen=True, kw_only=True):
    """One check of one destination. `outcome` is unknown and `detail` empty before its first run.

    weight_ratio: how much of its base weight the check asks for, None where it has nothing to say of it.
    """

    name: str
    health: Health
    outcome: Outcome
    reason: str
    detail: str
    duration_seconds: float
    weight_ratio: float | None = None


class DestinationView(msgspec.Struct, frozen=True, kw_only=True):
    """One destination, and why it is as it is. `failures` says in words which metrics its agent can't read.

    weighing: what its weight is made of, None where no policy weighs it, or tells of it.
    """

    name: str
    address: str
    health: Health
    admin: Admin
    in_table: bool
    weight: int
    base_weight: int
    utilization: float | None
    metrics: Mapping[str, float]
    agent: AgentState
    active_connections: int
    inactive_connections: int
    checks: tuple[CheckView, ...]
    why: str
    failures: Mapping[str, str] = {}
    weighing: Terms | None = None


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """One virtual service. `fallback` and `overflow` are addresses where they are configured.

    policy_failure: what its weight policy does wrong, in words; "" while it does well.
    """

    name: str
    address: str
    protocol: str
    scheduler: str
    forwarding: str
    fallback: str | None
    fallback_in_table: bool
    overloaded: bool = False
    overflow: str | None = None
    overflow_in_table: bool = False
    policy_failure: str = ""
    destinations: tuple[DestinationView, ...]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The whole director at one moment."""

    director: str
    services: tuple[ServiceView, ...]
