"""Tells what happened and why: one event, and with it one line in the log, for every change in the table."""

from collections.abc import Mapping, Sequence

from feedback.director.config import DirectorConfig
from feedback.director.desired import DesiredService
from feedback.director.events import EventLog
from feedback.director.overload import Burden
from feedback.director.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    Operation,
    SetDestination,
    SetService,
    describe,
)
from feedback.director.retry import Subject, subject
from feedback.director.table.contract import Refusal
from feedback.director.view import FALLBACK, OVERFLOW, Known, names_of
from feedback.errors import Reason
from feedback.model import Destination, Health, TableState


class Story:
    """Turns what a tick did into events. Remembers just enough to tell a change from what was there before."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._names: dict[Subject, str] = {}  # outlives the configuration that gave them
        self._left: TableState = {}  # what the last tick left in the table: what differs from it, another hand did
        self._health: dict[tuple[str, str], Health] = {}
        self._held: frozenset[tuple[str, str, str]] = frozenset()  # checks whose failures don't count
        self._panic: frozenset[str] = frozenset()
        self._overloaded: frozenset[str] = frozenset()
        self._policies: dict[str, str] = {}  # whose policies fail, and how
        self._told: dict[str, str] = {}

    def tell_health(self, known: Mapping[str, Mapping[str, Known]]) -> None:
        """Tell which destinations' health has changed, and whose failures do not count or count again."""
        now = {
            (service, destination): one.facts
            for service, destinations in known.items()
            for destination, one in destinations.items()
        }
        for (service, destination), facts in now.items():
            before = self._health.get((service, destination), Health.UNKNOWN)
            if facts.health is not before:
                message = f"{destination} in {service} is {facts.health}: {facts.reason}"
                self._events.record("health", message, service, destination)
        self._health = {name: facts.health for name, facts in now.items()}
        self._tell_held(known)

    def tell_changes(
        self,
        config: DirectorConfig,
        desired: Mapping[str, DesiredService],
        observed: TableState,
        tried: Sequence[Operation],
        refusals: Sequence[Refusal],
        *,
        after: TableState,
    ) -> None:
        """Tell what was done to the table and what it refused. `after` is what the table has of `desired` now."""
        self._tell_panic(config, desired)
        self._tell_overload(desired)
        refused = {refusal.operation for refusal in refusals}
        if tried:
            self._names |= names_of(config)
        for operation in tried:
            if operation not in refused:
                self._tell_done(operation, desired, observed)
        self._tell_refusals(refusals)
        self._left = {key: after[key] for one in desired.values() if (key := one.state.service.key) in after}

    def tell_reload(self, before: DirectorConfig, after: DirectorConfig) -> None:
        """Tell what a reload has changed."""
        old, new = before.services, after.services
        parts = [
            f"{word} {', '.join(sorted(names))}"
            for word, names in (
                ("added", new.keys() - old.keys()),
                ("removed", old.keys() - new.keys()),
                ("changed", {name for name in new.keys() & old.keys() if new[name] != old[name]}),
            )
            if names
        ]
        self._events.record("config", f"configuration reloaded: {'; '.join(parts) or 'no service has changed'}")

    def tell_clear(self, tried: Sequence[Operation], refusals: Sequence[Refusal]) -> None:
        """Tell which services were deleted at the director's end."""
        refused = {refusal.operation for refusal in refusals}
        for operation in tried:
            if operation not in refused:
                key = subject(operation)[0]
                name = self._names.get((key, None), str(key))
                self._events.record("deleted", f"{describe(operation, name)}: on_exit is clear", name)

    def tell_once(self, topic: str, sentence: str) -> None:
        """Tell a lasting trouble when it begins or changes, not at every tick."""
        if self._told.get(topic) != sentence:
            self._told[topic] = sentence
            self._events.record(topic, sentence)

    def forget(self, topic: str) -> None:
        """Take notice that a trouble is over."""
        if self._told.pop(topic, None) is not None:
            self._events.record(topic, f"the trouble with the {topic} is over")

    def tell_policies(self, failing: Mapping[str, str]) -> list[str]:
        """Tell whose policies have begun to fail, in another way than before, or cease to. Return the first ones."""
        begun = [name for name, words in failing.items() if self._policies.get(name) != words]
        for name in begun:
            self._events.record("policy", f"{name}: {failing[name]}", name)
        for name in sorted(self._policies.keys() - failing.keys()):
            self._events.record("policy", f"{name}: its policy does well again", name)
        self._policies = dict(failing)
        return begun

    def _tell_refusals(self, refusals: Sequence[Refusal]) -> None:
        """Tell what the table has refused. Without its service every destination is refused: that is one story."""
        missing = {one.operation.service.key for one in refusals if isinstance(one.operation, AddService)}
        for refusal in refusals:
            key, at = subject(refusal.operation)
            if at is None or key not in missing:
                message = f"refused: {refusal.message} (errno {refusal.errno}); it is tried again"
                self._events.record("table", message, self._names.get((key, None)))

    def _tell_held(self, known: Mapping[str, Mapping[str, Known]]) -> None:
        held = {
            (service, destination, check): state.last.detail
            for service, destinations in known.items()
            for destination, one in destinations.items()
            for check, state in one.checks.items()
            if state.last is not None and state.last.reason == Reason.DEPENDENCY
        }
        for service, destination, check in sorted(held.keys() ^ self._held):
            detail = held.get((service, destination, check))
            how = "counts again" if detail is None else f"fails, which does not count: {detail}"
            self._events.record("held", f"{destination} in {service}: {check} check {how}", service, destination)
        self._held = frozenset(held)

    def _tell_panic(self, config: DirectorConfig, desired: Mapping[str, DesiredService]) -> None:
        panic = frozenset(name for name, one in desired.items() if one.panic)
        for name in sorted(panic - self._panic):
            share = config.services[name].min_healthy_ratio
            message = f"{name}: fewer than {share:.0%} of its destinations are healthy, so failing ones are kept"
            self._events.record("panic", message, name)
        for name in sorted(self._panic - panic):
            self._events.record("panic", f"{name}: enough of its destinations are healthy again", name)
        self._panic = panic

    def _tell_overload(self, desired: Mapping[str, DesiredService]) -> None:
        overloaded = frozenset(name for name, one in desired.items() if one.burden.overloaded)
        for name in sorted(overloaded ^ self._overloaded):
            if name in desired:
                how = "is overloaded" if name in overloaded else "is no longer overloaded"
                self._events.record("overload", f"{name} {how}: {_load(desired[name].burden)}", name)
        self._overloaded = overloaded

    def _tell_done(
        self,
        operation: Operation,
        desired: Mapping[str, DesiredService],
        observed: TableState,
    ) -> None:
        key, at = subject(operation)
        service = self._names.get((key, None), str(key))
        if at is None:
            cause = self._cause_of_service(operation)
            self._events.record(_kind(operation), f"{describe(operation, service)}: {cause}", service)
            return
        destination = self._names.get((key, at), str(at))
        state = observed.get(key)
        before = state.destinations.get(at) if state is not None else None
        cause = self._cause(operation, destination, desired.get(service), before)
        message = f"{describe(operation, service, destination, before)}: {cause}"
        self._events.record(_kind(operation, before), message, service, destination)

    def _cause_of_service(self, operation: Operation) -> str:
        if isinstance(operation, DeleteService):
            return "it is no longer in the configuration"
        left = self._left.get(operation.service.key) if isinstance(operation, AddService | SetService) else None
        if left is not None and left.service == operation.service:
            return "another hand had deleted it" if isinstance(operation, AddService) else "another hand had changed it"
        return "as configured"

    def _cause(
        self, operation: Operation, destination: str, desired: DesiredService | None, found: Destination | None
    ) -> str:
        """Return why a destination was changed: to mend what another hand did, or by what was decided."""
        return self._mended(operation, found) or _decided(operation, destination, desired, found)

    def _mended(self, operation: Operation, found: Destination | None) -> str:
        """Return what another hand did that was mended: `found` is not what the last tick had left. "" for nothing."""
        key, at = subject(operation)
        state = self._left.get(key)
        left = state.destinations.get(at) if state is not None and at is not None else None
        if state is None or left == found:
            return ""
        if found is None:
            return "another hand had removed it"
        return "another hand had added it" if left is None else "another hand had changed it"


def _decided(operation: Operation, destination: str, desired: DesiredService | None, found: Destination | None) -> str:
    """Return what was decided of a destination that led to an operation."""
    if desired is not None and destination in {FALLBACK, OVERFLOW}:
        return _cause_of_spare(operation, destination, desired)
    if desired is None or destination not in desired.cause:  # a probe's way, which asks for nobody's health
        return "it is no longer in the configuration" if isinstance(operation, DeleteDestination) else "as configured"
    if isinstance(operation, AddDestination) and destination in desired.usable:
        return "its checks pass"  # its load says at what weight, and not why
    return "as configured" if _kind(operation, found) == "changed" else desired.cause[destination]


def _cause_of_spare(operation: Operation, destination: str, desired: DesiredService) -> str:
    """Return why a fallback or an overflow was changed; one server may be both, and is called fallback then."""
    if destination == FALLBACK and desired.fallback:
        return "no destination is usable"
    if destination == FALLBACK and isinstance(operation, DeleteDestination):
        return "a destination is usable again"
    return _load(desired.burden)


def _load(burden: Burden) -> str:
    """Return how the destinations bear what comes in, in words."""
    if burden.least is None or burden.mean is None:
        return "no destination reports its load"
    return f"its destinations' mean utilization is {burden.mean:.2f}, the least {burden.least:.2f}"


def _kind(operation: Operation, before: Destination | None = None) -> str:
    """Return an event's kind: what happened, in one word."""
    match operation:
        case AddService() | AddDestination():
            return "added"
        case SetService():
            return "changed"
        case DeleteService() | DeleteDestination():
            return "removed"
        case SetDestination():
            if before is not None and before.weight == operation.destination.weight:
                return "changed"
            return "weight" if operation.destination.weight else "quiesced"
