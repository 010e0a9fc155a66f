"""What an operator should know of his kernel's settings before it bites, in sentences. Pure."""

from collections.abc import Iterator

import msgspec

from feedback.director.config import DirectorConfig, ServiceConfig
from feedback.director.config_rules import BLIND_SCHEDULERS, HASH_SCHEDULERS, RANKING_SCHEDULERS
from feedback.director.weights.writing import PACE_SECONDS, SELDOM_TOLERANCE_RATIO, TOLD_SELDOM

PACED = frozenset({"availability", "equalize", "latency"})
"""Policies that write as seldom and as coarse as the scheduler needs: our own. Others decide it themselves."""


class Sysctls(msgspec.Struct, frozen=True):
    """The kernel's settings that change what a removed or quiesced destination means; None where it has none.

    expire_nodest_conn: 1 ends the connections of a removed destination, 0 lets them wait in vain.
    expire_quiescent_template: 1 lets persistent clients leave a quiesced destination, 0 keeps sending them there.
    conn_reuse_mode: what becomes of a client's reused port: 0 goes on with the old destination, even a quiesced one.
    """

    expire_nodest_conn: int | None
    expire_quiescent_template: int | None
    conn_reuse_mode: int | None


def advise(config: DirectorConfig, sysctls: Sysctls) -> Iterator[str]:
    """Return what in the kernel's settings is at odds with what the configuration wants."""
    persistent = [service.name for service in config.services.values() if service.persistence_seconds]
    removing = [service.name for service in config.services.values() if service.on_failure == "remove"]
    if persistent and sysctls.expire_quiescent_template == 0:
        yield (
            f"persistent clients of {', '.join(persistent)} keep being sent to a drained or quiesced destination: "
            "set net.ipv4.vs.expire_quiescent_template=1"
        )
    if removing and sysctls.expire_nodest_conn == 0:
        yield (
            f"clients of {', '.join(removing)} with a connection to a removed destination wait until they time out: "
            "set net.ipv4.vs.expire_nodest_conn=1"
        )
    if sysctls.conn_reuse_mode == 0:
        yield (
            "a client that uses its port again is sent to its old destination, even a drained one: "
            "set net.ipv4.vs.conn_reuse_mode=1"
        )


def weighing(config: DirectorConfig) -> Iterator[str]:
    """Return what becomes of weights that follow load, one line for each service that has such."""
    for service in config.services.values():
        if service.weights.policy != "static":
            yield f"{service.name}: {_what_becomes_of_weights(service)}"


def _what_becomes_of_weights(service: ServiceConfig) -> str:
    policy, scheduler = service.weights.policy, service.scheduler
    if scheduler in BLIND_SCHEDULERS:
        return f"{scheduler} looks at no weight but 0: the policy {policy} does nothing here"
    if scheduler in RANKING_SCHEDULERS:
        return f"{scheduler} takes weights for ranks, and base weights stay: the policy {policy} does nothing here"
    if scheduler in TOLD_SELDOM:
        who = "clients" if scheduler in HASH_SCHEDULERS else "addresses"
        how = f"every {PACE_SECONDS:g} s at most, once a weight is off by {SELDOM_TOLERANCE_RATIO * 100:g} %"
        return f"under {scheduler} a change reshuffles {who}: {policy} {_writes(policy, how)}"
    if scheduler == "wrr":
        how = "short cycles, in which only shares count, once a weight is off by more than its tolerance"
        return f"wrr serves in bursts where weights have no large common divisor: {policy} {_writes(policy, how)}"
    how = "at once when a weight is off by more than its tolerance"
    return f"{scheduler} gives shares by weight: {policy} {_writes(policy, how)}"


def _writes(policy: str, how: str) -> str:
    return f"writes {how}" if policy in PACED else "decides what it writes and when"
