"""What one service should look like in the table, and why: the safety rules in one place. Pure.

Every destination is judged by itself first: by what the operator wants of it, then what its host asks for, then what
its checks say. Two rules look at the service as a whole: `min_healthy`, which keeps failing destinations when too many
fail at once, and the fallback, which is in the table exactly while nothing else there takes connections.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Literal

import msgspec

from feedback.director import hints
from feedback.director.config import ServiceConfig
from feedback.director.config_rules import HASH_SCHEDULERS
from feedback.director.hints import Wish
from feedback.director.overload import Burden
from feedback.model import (
    Admin,
    Counters,
    Destination,
    DestinationKey,
    Forwarding,
    Health,
    ServiceState,
    VirtualService,
)

Asks = Literal["ready", "drain", "goodbye"]
"""What a host wants for itself, by its agent."""

FALLBACK_WEIGHT = 1


class MemberInput(msgspec.Struct, frozen=True, kw_only=True):
    """One destination as the decision sees it.

    weight: the policy's, None where it has none (then the base weight). drain_seconds: since when it has been drained,
    in maintenance, or asked by its host to be drained; None when it is not. asks_why: what its host has found, where
    that is why it asks. spared: `min_healthy` has just let go of it, and its checks have not had the time to pass
    again. reason: what the checks say, in words. doubt: what one of them says that does not speak for it, though it may
    be up. wish: what they ask of its weight.
    """

    name: str
    key: DestinationKey
    base_weight: int
    forwarding: Forwarding
    upper_threshold: int = 0
    lower_threshold: int = 0
    health: Health
    admin: Admin = Admin.ENABLED
    asks: Asks = "ready"
    asks_why: str = ""
    weight: int | None = None
    utilization: float | None = None
    drain_seconds: float | None = None
    spared: bool = False
    reason: str = ""
    doubt: str = ""
    wish: Wish | None = None


class DesiredService(msgspec.Struct, frozen=True, kw_only=True):
    """One service as it should be.

    why: one sentence for each destination, by name: how it is, and why. cause: the same without how it is, for the
    story of a change. usable: the names of those that take new connections. burden: how they bear their load.
    """

    state: ServiceState
    why: Mapping[str, str]
    cause: Mapping[str, str]
    usable: frozenset[str]
    panic: bool
    fallback: bool
    burden: Burden = Burden()


class Verdict(msgspec.Struct, frozen=True):
    """The decision on one destination: the weight it has in the table, None when it is out of it."""

    weight: int | None
    why: str


def wants_weight(member: MemberInput) -> bool:
    """Say whether a policy decides this destination's weight: it is up, enabled, and its host and checks are ready."""
    return _meant_to_serve(member) and member.health is Health.UP and not _is_drained_by_check(member)


def effective_weight(member: MemberInput) -> int:
    """Return the base weight as the checks' hints have it: what the policies start from."""
    return hints.scale(member.base_weight, member.wish)


def decide(config: ServiceConfig, members: Sequence[MemberInput], observed: ServiceState | None) -> DesiredService:
    """Return what the service should be. `observed` is the service as the table has it now, None when it has not."""
    panic = _panic(config, members, observed)
    mean = _mean_utilization(members)
    verdicts = {member.name: _judge(member, config, observed, panic=panic, mean=mean) for member in members}
    destinations = {
        member.key: Destination(member.key, member.forwarding, weight, member.upper_threshold, member.lower_threshold)
        for member in members
        if (weight := verdicts[member.name].weight) is not None
    }
    usable = frozenset(name for name, verdict in verdicts.items() if verdict.weight)
    fallback = config.fallback is not None and not usable
    if config.fallback is not None and fallback:
        destinations[config.fallback] = Destination(config.fallback, config.forwarding, FALLBACK_WEIGHT)
    return DesiredService(
        state=ServiceState(_virtual_service(config), destinations),
        why={name: verdict.why for name, verdict in verdicts.items()},
        cause={member.name: _cause(member, mean) for member in members},
        usable=usable,
        panic=panic,
        fallback=fallback,
    )


def _virtual_service(config: ServiceConfig) -> VirtualService:
    return VirtualService(config.key, config.scheduler, config.persistence_seconds, config.persistence_prefix)


def _meant_to_serve(member: MemberInput) -> bool:
    return member.admin is Admin.ENABLED and member.asks == "ready"


def _is_drained_by_check(member: MemberInput) -> bool:
    return member.wish is not None and member.wish.drains


def _panic(config: ServiceConfig, members: Sequence[MemberInput], observed: ServiceState | None) -> bool:
    """Say whether failing destinations are kept: fewer than `min_healthy` of those meant to serve can do so.

    Unknown is not down: what serves now and has no verdict counts as healthy. So does what a check has drained: it
    answers, and that it takes no connections is somebody's will.
    """
    meant = [member for member in members if _meant_to_serve(member)]
    if not any(member.health is Health.DOWN and _weight_now(member, observed) for member in meant):
        return False
    healthy = sum(
        member.health is Health.UP or (member.health is Health.UNKNOWN and bool(_weight_now(member, observed)))
        for member in meant
    )
    return healthy < config.min_healthy_ratio * len(meant)


def _mean_utilization(members: Sequence[MemberInput]) -> float | None:
    values = [member.utilization for member in members if wants_weight(member) and member.utilization is not None]
    return fmean(values) if values else None


def _weight_now(member: MemberInput, observed: ServiceState | None) -> int | None:
    """Return the weight in the table, None when the destination is not in it."""
    destination = observed.destinations.get(member.key) if observed is not None else None
    return destination.weight if destination is not None else None


def _connections(member: MemberInput, observed: ServiceState | None) -> int:
    counters = observed.counters.get(member.key, Counters()) if observed is not None else Counters()
    return counters.active_connections + counters.inactive_connections


def _judge(
    member: MemberInput, config: ServiceConfig, observed: ServiceState | None, *, panic: bool, mean: float | None
) -> Verdict:
    """Decide on one destination: the operator's word first, then the host's, then the checks'."""
    if member.admin is Admin.MAINTENANCE:
        return _maintain(member, config, observed)
    if not _meant_to_serve(member):
        return _drain(member, config, observed)
    if member.health is Health.UP:
        return _quiesce(member, observed) if _is_drained_by_check(member) else _serve(member, mean)
    now = _weight_now(member, observed)
    if member.health is Health.UNKNOWN:
        return Verdict(now, f"unknown, {_held(now)}: {member.reason or 'no check has decided yet'}")
    if now is not None and (panic or member.spared):
        few = f"fewer than min_healthy {config.min_healthy_ratio:g} are healthy"
        cause = few if panic else "it may recover as the others have"
        return Verdict(now, f"down, but {_held(now)}, as {cause}: {member.reason}")
    return _fail(member, config)


def _fail(member: MemberInput, config: ServiceConfig) -> Verdict:
    if config.on_failure == "quiesce":
        return Verdict(0, f"down, quiesced: {member.reason}")
    return Verdict(None, f"down, removed: {member.reason}")


def _held(weight: int | None) -> str:
    return "held out of the table" if weight is None else f"held at weight {weight}"


def _quiesce(member: MemberInput, observed: ServiceState | None) -> Verdict:
    """Let no new connection in, as a check asks for that passes. It is never removed for that."""
    return Verdict(0, f"{member.wish}; {_left(_connections(member, observed))}")


def _serve(member: MemberInput, mean: float | None) -> Verdict:
    weight = effective_weight(member) if member.weight is None else member.weight
    causes = _weight_causes(member, mean)
    why = f"up; weight {weight} of base {member.base_weight}{f': {causes}' if causes else ''}"
    return Verdict(weight, f"{why}; {member.doubt}" if member.doubt else why)


def _weight_causes(member: MemberInput, mean: float | None) -> str:
    """Return what moves a weight off its base: what a check asks for, and load."""
    causes = [] if member.wish is None else [str(member.wish)]
    if member.utilization is not None and mean is not None:
        causes.append(f"utilization {member.utilization:.2f}, service mean {mean:.2f}")
    return "; ".join(causes)


def _cause(member: MemberInput, mean: float | None) -> str:
    """Return what moved the decision on a destination, in the order in which `_judge` asks."""
    if member.admin is Admin.MAINTENANCE:
        return "maintenance by the operator"
    if not _meant_to_serve(member):
        return _who_drains(member)
    if member.health is Health.UP:
        return _weight_causes(member, mean) or "its checks pass"
    return member.reason


def _maintain(member: MemberInput, config: ServiceConfig, observed: ServiceState | None) -> Verdict:
    """Quiesce, and take out of the table when nothing runs any more or the time is over."""
    connections = _connections(member, observed)
    if _weight_now(member, observed) is None or not connections:
        return Verdict(None, "maintenance: out of the table")
    if _drain_is_over(member, config):
        return Verdict(None, f"maintenance: drain_timeout is over, {_left(connections)} behind")
    return Verdict(0, f"maintenance: {_left(connections)}")


def _drain(member: MemberInput, config: ServiceConfig, observed: ServiceState | None) -> Verdict:
    """Quiesce for as long as it is asked for: running connections live, even where the checks fail meanwhile."""
    who = _who_drains(member)
    connections = _connections(member, observed)
    over = _drain_is_over(member, config)
    hashed = config.scheduler in HASH_SCHEDULERS
    if hashed and over:
        return Verdict(None, f"{who}, removed: drain_timeout is over, and weight 0 is no end under {config.scheduler}")
    if member.health is Health.DOWN and config.on_failure == "remove" and (over or _useless(config, connections)):
        return Verdict(None, f"{who} and down, removed: {member.reason}")
    if _weight_now(member, observed) is None and member.health is not Health.UP:
        return Verdict(None, f"{who}: out of the table")
    until = f"; removed after drain_timeout, as weight 0 is no end under {config.scheduler}" if hashed else ""
    return Verdict(0, f"{who}: {_left(connections)}{until}")


def _drain_is_over(member: MemberInput, config: ServiceConfig) -> bool:
    return member.drain_seconds is not None and member.drain_seconds >= config.drain_timeout_seconds


def _useless(config: ServiceConfig, connections: int) -> bool:
    """Say whether keeping a dead destination at weight 0 serves nobody: nothing runs, or clients still get there."""
    return not connections or config.persistence_seconds > 0 or config.scheduler in HASH_SCHEDULERS


def _left(connections: int) -> str:
    return f"{connections} connection{'' if connections == 1 else 's'} left"


def _who_drains(member: MemberInput) -> str:
    if member.admin is Admin.DRAIN:
        return "drained by the operator"
    if member.asks == "goodbye":
        return "host is shutting down"
    return f"drained by its host ({member.asks_why})" if member.asks_why else "drained by its host"
