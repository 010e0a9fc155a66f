"""Whether what a check depends on works, so that its failures are its own. Pure.

A FAIL counts only once everything that the check depends on has been seen to work since the failing began. So it does
not matter whose check runs first when a database dies: the web servers before it are held as they are until its own
checks have spoken, and for as long as they fail.
"""

from collections.abc import Callable, Mapping

import msgspec

from feedback.checks.verdict import one_line
from feedback.director import health
from feedback.director.config import CheckConfig, Dependency, ServiceConfig
from feedback.director.health import CheckHealth
from feedback.errors import Reason
from feedback.model import CheckResult, Health, Outcome


class Need(msgspec.Struct, frozen=True):
    """A dependency with what it names: a service, and its destinations of which one must work."""

    name: str
    service: ServiceConfig
    destinations: tuple[str, ...]


Look = Callable[[ServiceConfig, str], Mapping[str, CheckHealth]]
"""Returns the health of a service's checks of one destination, by the checks' names."""


def resolve(check: CheckConfig, services: Mapping[str, ServiceConfig]) -> tuple[Need, ...]:
    """Return what a check depends on."""
    return tuple(_need(dependency, services[dependency.service]) for dependency in check.depends_on)


def _need(dependency: Dependency, service: ServiceConfig) -> Need:
    named = dependency.destination
    return Need(str(dependency), service, tuple(service.destinations) if named is None else (named,))


def trouble(need: Need, look: Look, since: float) -> str:
    """Return in words what is not known to work since `since`, in monotonic seconds; "" when one destination is."""
    found = {Health.DOWN: "is down: it has no destinations"}
    for name in need.destinations:
        checks = look(need.service, name)
        works = {check: _works(state, since) for check, state in checks.items()}
        verdict = health.combine(works.values(), need.service.must_pass)
        if verdict is Health.UP:
            return ""
        found[verdict] = _explain(need.service, checks, works, verdict, since)
    return f"{need.name}, which it depends on, {found.get(Health.UNKNOWN, found[Health.DOWN])}"


def _works(state: CheckHealth, since: float) -> Health:
    """Return what a check knows of what it checks now: UNKNOWN in doubt, and before a run that began after `since`.

    A check that can't be made, through no fault of what it checks, gives no reason to doubt.
    """
    last = state.last
    if state.health is Health.DOWN:
        return Health.DOWN
    if last is None or _began(state, last) < since:
        return Health.UNKNOWN
    rising = last.outcome is Outcome.PASS and state.health is Health.UNKNOWN
    failing = last.outcome is Outcome.FAIL or last.reason == Reason.DEPENDENCY
    return Health.UNKNOWN if rising or failing else Health.UP


def _began(state: CheckHealth, last: CheckResult) -> float:
    return state.heard - last.duration_seconds


def _explain(
    service: ServiceConfig,
    checks: Mapping[str, CheckHealth],
    works: Mapping[str, Health],
    verdict: Health,
    since: float,
) -> str:
    """Return what the first check says that decides."""
    deciding = next(check for check in service.checks if works[check.name] is verdict)
    state = checks[deciding.name]
    if verdict is Health.UNKNOWN and (state.last is None or _began(state, state.last) < since):
        return "has not been checked since"
    words = health.explain(deciding.name, state, deciding.cadence)
    return f"is down: {words}" if verdict is Health.DOWN else f"may be down: {words}"


def hold(result: CheckResult, words: str) -> CheckResult:
    """Return what a FAIL says while something that the check depends on is in trouble: nothing of the service."""
    failure = f"{result.reason} ({result.detail})" if result.detail else result.reason
    return CheckResult(Outcome.UNKNOWN, Reason.DEPENDENCY, one_line(f"{failure}, and {words}"), result.duration_seconds)
