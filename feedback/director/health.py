"""From check results to health: how many in a row decide. Pure, and on the hot path of every check."""

from collections.abc import Iterable

import msgspec

from feedback.director.config import Cadence
from feedback.model import CheckResult, Health, Outcome


class CheckHealth(msgspec.Struct, frozen=True):
    """One check's health of one destination.

    streak: results in a row that contradict `health`. last: the newest result. failure: the newest FAIL.
    removed_before: the director found the destination out of a table that had its service, so an earlier run had
    taken it out, and only `rise` PASSes bring it back.
    """

    health: Health = Health.UNKNOWN
    streak: int = 0
    last: CheckResult | None = None
    failure: CheckResult | None = None
    removed_before: bool = False


def first(*, in_table: bool, service_in_table: bool) -> CheckHealth:
    """Return the health before the first result: unknown.

    in_table: the destination is in the observed table with a weight above 0.
    """
    return CheckHealth(removed_before=service_in_table and not in_table)


def observe(state: CheckHealth, result: CheckResult, cadence: Cadence) -> CheckHealth:
    """Return the health after one more result.

    UP falls after `fall` FAILs in a row, DOWN rises after `rise` PASSes. From unknown one PASS is enough, unless the
    destination had been removed before; then one FAIL is, to know that it still is as it was. A result of outcome
    UNKNOWN holds everything: it says nothing of the service, so it neither continues a streak nor breaks it.
    """
    if result.outcome is Outcome.PASS:
        if state.health is Health.UP or (state.health is Health.UNKNOWN and not state.removed_before):
            return CheckHealth(Health.UP, 0, result, state.failure)
        return _rising(state, result, cadence)
    if result.outcome is Outcome.FAIL:
        if state.health is Health.DOWN or state.removed_before:
            return CheckHealth(Health.DOWN, 0, result, result)
        return _falling(state, result, cadence)
    return CheckHealth(state.health, state.streak, result, state.failure, state.removed_before)


def _rising(state: CheckHealth, result: CheckResult, cadence: Cadence) -> CheckHealth:
    """Count a PASS while DOWN, or removed before."""
    streak = state.streak + 1
    if streak >= cadence.rise:
        return CheckHealth(Health.UP, 0, result, state.failure)
    return CheckHealth(state.health, streak, result, state.failure, state.removed_before)


def _falling(state: CheckHealth, result: CheckResult, cadence: Cadence) -> CheckHealth:
    """Count a FAIL while UP, or unknown with nothing known against it."""
    streak = state.streak + 1
    if streak >= cadence.fall:
        return CheckHealth(Health.DOWN, 0, result, result)
    return CheckHealth(state.health, streak, result, result)


def next_interval(state: CheckHealth, cadence: Cadence) -> float:
    """Return seconds from this start to the next: shorter while results contradict the health.

    A check that could not be made is not made more often: what hinders it is this host.
    """
    if state.streak and state.last is not None and state.last.outcome is not Outcome.UNKNOWN:
        return min(cadence.fast_interval_seconds, cadence.interval_seconds)
    return cadence.interval_seconds


def combine(healths: Iterable[Health]) -> Health:
    """Return a destination's health from its checks': all must be UP, and one DOWN is enough to be down."""
    combined = Health.UP
    for health in healths:
        if health is Health.DOWN:
            return Health.DOWN
        if health is Health.UNKNOWN:
            combined = Health.UNKNOWN
    return combined


def explain(name: str, state: CheckHealth, cadence: Cadence) -> str:
    """Return what a check says, in words: `http check failed 3 of 3: refused (nobody listens on 10.2.0.11:80)`."""
    if state.last is None:
        return f"{name} check has not run yet"
    if state.last.outcome is Outcome.UNKNOWN:
        return f"{name} check says nothing: {_reason(state.last)}"
    if state.health is Health.UP and not state.streak:
        return f"{name} check passed"
    if state.last.outcome is Outcome.PASS:
        before = f", after: {_reason(state.failure)}" if state.failure else ""
        return f"{name} check passed {state.streak} of {cadence.rise}{before}"
    failed = cadence.fall if state.health is Health.DOWN else state.streak
    return f"{name} check failed {failed} of {cadence.fall}: {_reason(state.last)}"


def _reason(result: CheckResult) -> str:
    if not result.detail:
        return result.reason
    return f"{result.reason} ({result.detail})"
