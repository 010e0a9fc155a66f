"""From check results to health: how many in a row decide. Pure, and on the hot path of every check."""

from collections.abc import Iterable, Mapping

import msgspec

from feedback.director import hints
from feedback.director.config import Cadence, ServiceConfig
from feedback.director.hints import Hint
from feedback.errors import Reason
from feedback.model import CheckResult, Health, Outcome


class CheckHealth(msgspec.Struct, frozen=True):
    """One check's health of one destination.

    streak: results in a row that contradict `health`. last: the newest result. failure: the newest FAIL.
    removed_before: the director found the destination out of a table that had its service, so an earlier run had
    taken it out, and only `rise` PASSes bring it back. heard: when the newest result came, in monotonic seconds.
    hint: what the newest PASS said of the weight, until the check falls.
    """

    health: Health = Health.UNKNOWN
    streak: int = 0
    last: CheckResult | None = None
    failure: CheckResult | None = None
    removed_before: bool = False
    heard: float = 0.0
    hint: Hint | None = None


def first(*, in_table: bool, service_in_table: bool) -> CheckHealth:
    """Return the health before the first result: unknown.

    in_table: the destination is in the observed table with a weight above 0.
    """
    return CheckHealth(removed_before=service_in_table and not in_table)


def observe(
    state: CheckHealth, result: CheckResult, cadence: Cadence, now: float, filter_seconds: float = 0.0
) -> CheckHealth:
    """Return the health after one more result, which came at `now`; `filter_seconds` is that of the check's hints.

    UP falls after `fall` FAILs in a row, DOWN rises after `rise` PASSes. From unknown one PASS is enough, unless the
    destination had been removed before; then one FAIL is, to know that it still is as it was. A result of outcome
    UNKNOWN holds everything: it says nothing of the service, so it neither continues a streak nor breaks it. But what
    fails because of something else begins its streak anew when that works again.
    """
    if result.outcome is Outcome.PASS:
        hint = state.hint
        if hint is not None or filter_seconds or result.weight_ratio is not None:
            hint = hints.follow(hint, result, now - state.heard, filter_seconds)
        if state.health is Health.UP or (state.health is Health.UNKNOWN and not state.removed_before):
            return CheckHealth(Health.UP, 0, result, state.failure, False, now, hint)
        return _rising(state, result, cadence, now, hint)
    if result.outcome is Outcome.FAIL:
        if state.health is Health.DOWN or state.removed_before:
            return CheckHealth(Health.DOWN, 0, result, result, False, now)
        return _falling(state, result, cadence, now)
    streak = 0 if result.reason == Reason.DEPENDENCY else state.streak
    return CheckHealth(state.health, streak, result, state.failure, state.removed_before, now, state.hint)


def _rising(state: CheckHealth, result: CheckResult, cadence: Cadence, now: float, hint: Hint | None) -> CheckHealth:
    """Count a PASS while DOWN, or removed before."""
    streak = state.streak + 1
    if streak >= cadence.rise:
        return CheckHealth(Health.UP, 0, result, state.failure, False, now, hint)
    return CheckHealth(state.health, streak, result, state.failure, state.removed_before, now, hint)


def _falling(state: CheckHealth, result: CheckResult, cadence: Cadence, now: float) -> CheckHealth:
    """Count a FAIL while UP, or unknown with nothing known against it."""
    streak = state.streak + 1
    if streak >= cadence.fall:
        return CheckHealth(Health.DOWN, 0, result, result, False, now)
    return CheckHealth(state.health, streak, result, result, False, now, state.hint)


def next_interval(state: CheckHealth, cadence: Cadence) -> float:
    """Return seconds from this start to the next: shorter while results contradict the health.

    A check that could not be made is not made more often: what hinders it is this host.
    """
    if state.streak and state.last is not None and state.last.outcome is not Outcome.UNKNOWN:
        return min(cadence.fast_interval_seconds, cadence.interval_seconds)
    return cadence.interval_seconds


def quiesces(state: CheckHealth) -> bool:
    """Say whether a check asks for no new connections, though it passes."""
    return state.hint is not None and state.hint.ratio == 0


def combine(healths: Iterable[Health], must_pass: int | None = None) -> Health:
    """Return a destination's health from its checks': UP when `must_pass` of them are, by default all.

    DOWN only when those that are not DOWN are too few: what is unknown may still pass.
    """
    known = list(healths)
    needed = len(known) if must_pass is None else min(must_pass, len(known))
    if known.count(Health.UP) >= needed:
        return Health.UP
    return Health.DOWN if len(known) - known.count(Health.DOWN) < needed else Health.UNKNOWN


def reason(service: ServiceConfig, checks: Mapping[str, CheckHealth]) -> str:
    """Return in words what the checks of a destination say, by name: what those say that decide."""
    if not checks:
        return "it has no checks"
    healths = [state.health for state in checks.values()]
    combined = combine(healths, service.must_pass)
    if combined is Health.UP:
        if service.must_pass is None:
            return "its checks pass"
        return f"{healths.count(Health.UP)} of its {len(healths)} checks pass, {service.must_pass} must"
    deciding = [
        explain(check.name, checks[check.name], check.cadence)
        for check in service.checks
        if checks[check.name].health is combined
    ]
    if service.must_pass is None:
        return deciding[0]
    return f"{service.must_pass} of {len(healths)} checks must pass: {'; '.join(deciding)}"


def doubt(service: ServiceConfig, checks: Mapping[str, CheckHealth]) -> str:
    """Return what a check says that does not speak for the destination, though it may be up: "" for none."""
    for check in service.checks:
        state = checks[check.name]
        if state.health is not Health.UP or (state.last is not None and state.last.outcome is Outcome.UNKNOWN):
            return explain(check.name, state, check.cadence)
    return ""


def explain(name: str, state: CheckHealth, cadence: Cadence) -> str:
    """Return what a check says, in words: `http check failed 3 of 3: refused (nobody listens on 10.2.0.11:80)`."""
    if state.last is None:
        return f"{name} check has not run yet"
    if state.last.reason == Reason.DEPENDENCY:
        return f"{name} check fails, which does not count: {state.last.detail}"
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
