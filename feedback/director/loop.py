"""The director's loop, level-triggered: read the table, compute what it should be, apply the difference.

Each tick does the whole of it, whatever has happened since the last: events only bring the next tick forward. A lost
event, a change by another hand and a reloaded module heal by themselves.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from errno import errorcode

import msgspec

from feedback.director import dependencies, estimate, health, hints, steering
from feedback.director.agents import Agents, AgentView
from feedback.director.config import DestinationConfig, DirectorConfig, ServiceConfig
from feedback.director.control import UnknownNameError
from feedback.director.controller import Facts, ServiceController
from feedback.director.counts import Counts
from feedback.director.desired import DesiredService
from feedback.director.events import EventLog
from feedback.director.plan import Operation, plan
from feedback.director.prober import ProbeConfig, ProbeKey, Prober
from feedback.director.retry import Retries, subject, table_after
from feedback.director.said import heed
from feedback.director.snapshot import Snapshot
from feedback.director.state import State
from feedback.director.state_file import StateError, save_state
from feedback.director.steering import Ways
from feedback.director.story import Story
from feedback.director.table.contract import Refusal, Table
from feedback.director.view import Known, sum_up, view_service
from feedback.errors import ConfigError, TableError
from feedback.model import Admin, Endpoint, ServiceKey, ServiceState, TableState
from feedback.net import Target
from feedback.notify import Notifier
from feedback.report import HostState
from feedback.utilization import utilization

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0


class Moment(msgspec.Struct, frozen=True):
    """What the newest tick knew and did: for each service by name, and the table as it is after it.

    It has the configuration of that tick: a reload is in force a moment before its first tick is over.
    policy_failures: what policies do wrong, in words.
    """

    config: DirectorConfig
    known: Mapping[str, Mapping[str, Known]]
    desired: Mapping[str, DesiredService]
    table: TableState
    policy_failures: Mapping[str, str] = {}


class Director:
    """Everything between the checks, the agents and the table. Implements `feedback.director.control.Control`.

    `load` reads the configuration file again. `now` returns monotonic seconds. `steers`: whether what is in `table` is
    where checks' packets go by. `configured` is called with each configuration when it comes into force.
    """

    def __init__(
        self,
        config: DirectorConfig,
        *,
        load: Callable[[], Awaitable[DirectorConfig]],
        table: Table,
        prober: Prober,
        agents: Agents,
        events: EventLog,
        state: State,
        now: Callable[[], float] = time.monotonic,
        steers: bool = True,
        configured: Callable[[DirectorConfig], None] | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self.config = config
        self.counts = Counts(prober.counts)
        self._load = load
        self._table = table
        self._prober = prober
        self._agents = agents
        self._events = events
        self._state = state
        self._now = now
        self._controllers = {name: ServiceController(service) for name, service in config.services.items()}
        self._ways = steering.ways(config)
        self._steers = steers
        self._configured = configured
        self._notifier = notifier or Notifier()
        self._retries = Retries()
        self._story = Story(events)
        self._moment = Moment(config, {}, {}, {})
        self._trouble = "the first tick is not over"
        self._ticked = now()
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()  # ticks, reloads and admin changes take turns

    async def start(self) -> None:
        """Adopt the table as it is, begin to check, and tick once. Raises TableError and StateError."""
        observed = await self._table.read()
        self._keep(owned=self._state.owned | _own_keys(self.config, self._ways))
        self._configure_prober(observed)
        if self._configured is not None:
            self._configured(self.config)
        self._events.record("config", f"director {self.config.name} has started with {self.config.size()}")
        await self.tick()

    async def run(self) -> None:
        """Tick every second, and at once when woken, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            await self.tick()

    def wake(self) -> None:
        """Bring the next tick forward: something happened that may change the table."""
        self._wake.set()

    async def clear(self) -> None:
        """Delete every service that is ours from the table (`on_exit: clear`)."""
        async with self._turn:
            operations = plan({}, await self._table.read(), self._state.owned)
            refusals = await self._table.apply(operations)
            self._story.tell_clear(operations, refusals)

    @property
    def events(self) -> EventLog:
        """The log of everything that changed, and why."""
        return self._events

    def snapshot(self) -> Snapshot:
        """Return everything as of the last tick."""
        moment = self._moment
        return Snapshot(
            director=moment.config.name,
            services=tuple(
                view_service(
                    service,
                    moment.known[name],
                    moment.desired[name],
                    moment.table.get(service.key),
                    policy_failure=moment.policy_failures.get(name, ""),
                    terms=self._controllers[name].terms() if name in self._controllers else {},
                )
                for name, service in moment.config.services.items()
                if name in moment.desired
            ),
        )

    def trouble(self) -> str:
        """Return what keeps the director from its work, in a sentence; "" when it ticks and the table answers."""
        return self._trouble

    def status(self) -> str:
        """Return how the director is, in a line."""
        return sum_up(self._moment.config, self._moment.known, self._trouble)

    def late_seconds(self) -> float:
        """Return for how long a tick should have been over that is not; negative: the loop is in time."""
        return self._now() - self._ticked - TICK_SECONDS

    async def set_admin(self, service: str, destination: str, state: Admin) -> None:
        """Set a destination's admin state; the table follows before this returns.

        Raises UnknownNameError, and StateError when the state can't be kept: then nothing has changed.
        """
        async with self._turn:
            before = self._state.admin_of(service, self._find(service, destination).name)
            self._keep_now(self._state.with_admin(service, destination, state))
            if state is not before:
                self._events.record(
                    "admin", f"{destination} in {service}: {state} by the operator", service, destination
                )
            await self._tick()

    async def reload(self) -> None:
        """Read the configuration file again. Raises ConfigError, and then nothing has changed."""
        async with self._turn:
            self._notifier.reloading(self._now())
            try:
                await self._reload()
            finally:
                self._notifier.ready(self.status())

    async def tick(self) -> None:
        """Read, decide, plan, apply, tell: once."""
        async with self._turn:
            await self._tick()
        self._ticked = self._now()

    async def _reload(self) -> None:
        try:
            config = await self._load()
            _check_reload(self.config, config)
        except ConfigError as error:
            self.counts.reloads["refused"] += 1
            self._events.record("config", f"configuration refused, the old one goes on: {error}")
            raise
        await self._take(config)
        self.counts.reloads["done"] += 1
        await self._tick()

    async def _take(self, config: DirectorConfig) -> None:
        """Go on with a new configuration: what is the same in it keeps its health, weights and admin state."""
        ways = steering.ways(config)
        owned = self._state.owned | _own_keys(config, ways)
        self._keep_now(msgspec.structs.replace(self._state, owned=owned))
        self._ways = ways
        kept = self._controllers
        self._controllers = {}
        for name, service in config.services.items():
            if name in kept and kept[name].config.key == service.key:
                kept[name].configure(service)
                self._controllers[name] = kept[name]
            else:
                self._controllers[name] = ServiceController(service)
        self._story.tell_reload(self.config, config)
        self.config = config
        self._agents.set_known(agent_names(config), self._now())
        self._configure_prober(self._moment.table)
        if self._configured is not None:
            self._configured(config)

    def _configure_prober(self, observed: TableState) -> None:
        def first(key: ProbeKey) -> health.CheckHealth:
            service = self.config.services[key.service]
            state = observed.get(service.key)
            there = state.destinations.get(service.destinations[key.destination].key) if state is not None else None
            drained = self._state.admin_of(key.service, key.destination) is not Admin.ENABLED
            return health.first(
                in_table=there is not None and (there.weight > 0 or drained), service_in_table=state is not None
            )

        self._open_ways(observed)
        self._prober.configure(dict(_probes(self.config, self._ways)), first)

    def _open_ways(self, table: TableState) -> None:
        """Let those checks run whose packets are led where they should go."""
        self._prober.marks = steering.standing(self._ways, table) if self._steers else frozenset()

    async def _tick(self) -> None:
        started = time.perf_counter()
        now = self._now()
        try:
            observed = await self._table.read()
            self._agents.tick(now)
            known = {
                name: self._know(service, now, observed.get(service.key))
                for name, service in self.config.services.items()
            }
            desired = {}
            for name, controller in self._controllers.items():
                facts = {destination: one.facts for destination, one in known[name].items()}
                desired[name] = controller.step(now, facts, observed.get(controller.config.key))
                await asyncio.sleep(0)  # a thousand services must not hold the checks up
            self._story.tell_health(known)
            table = await self._reconcile(desired, observed, now)
            self._open_ways(table)
        except TableError as error:
            self._fail(str(error))
            return
        self._moment = Moment(self.config, known, desired, table, self._heed_policies())
        self._settle_state(table)
        self._trouble = ""
        self.counts.tick(time.perf_counter() - started)

    def _heed_policies(self) -> dict[str, str]:
        """Tell which policies fail, and return what they do wrong, by their services' names."""
        policies = {name: controller.policy for name, controller in self._controllers.items()}
        failing = {name: policy.failure for name, policy in policies.items() if policy.failure}
        for name in self._story.tell_policies(failing):
            log.error("bug in the policy of %s: %s", name, failing[name], exc_info=policies[name].error)
        self.counts.policy_failures = {name: policy.failures for name, policy in policies.items()}
        return failing

    async def _reconcile(self, desired: Mapping[str, DesiredService], observed: TableState, now: float) -> TableState:
        """Make the table what it should be. Return it as it is afterwards."""
        wanted = {one.state.service.key: one.state for one in desired.values()} | steering.wanted(self._ways)
        planned = plan(wanted, observed, self._state.owned)
        operations = self._retries.due(planned, now)
        refusals = await self._table.apply(operations) if operations else ()
        refused = [refusal.operation for refusal in refusals]
        self._retries.note(operations, refused, now)
        self._count(operations, refusals)
        done = {subject(operation) for operation in operations} - {subject(operation) for operation in refused}
        after = table_after(observed, wanted, {subject(operation) for operation in planned} - done)
        self._story.tell_changes(self.config, desired, observed, operations, refusals, after=after)
        return after

    def _know(self, service: ServiceConfig, now: float, observed: ServiceState | None) -> dict[str, Known]:
        known = {
            name: self._know_destination(service, destination, now)
            for name, destination in service.destinations.items()
        }
        said = {name: one.agent.said for name, one in known.items() if one.agent.said.state is not HostState.READY}
        if said:
            heeded = heed(service, {name: one.facts for name, one in known.items()}, said, observed)
            known = {name: msgspec.structs.replace(one, facts=heeded[name]) for name, one in known.items()}
        return known

    def _know_destination(self, service: ServiceConfig, destination: DestinationConfig, now: float) -> Known:
        checks = self._prober.health_of(service.name, destination.name, service.checks)
        agent = self._agents.view(destination.agent, now)
        facts = Facts(
            health=health.combine((check.health for check in checks.values()), service.must_pass),
            reason=health.reason(service, checks),
            doubt=health.doubt(service, checks),
            wish=hints.lowest({name: check.hint for name, check in checks.items()}),
            admin=self._state.admin_of(service.name, destination.name),
            asks=agent.asks,
            utilization=_utilization(agent, service, now),
        )
        return Known(facts=facts, checks=checks, agent=agent)

    def _find(self, service: str, destination: str) -> DestinationConfig:
        try:
            destinations = self.config.services[service].destinations
        except KeyError:
            raise UnknownNameError(
                f'there is no service "{service}"; there are: {", ".join(self.config.services)}'
            ) from None
        try:
            return destinations[destination]
        except KeyError:
            raise UnknownNameError(
                f'there is no destination "{destination}" in {service}; there are: {", ".join(destinations)}'
            ) from None

    def _keep_now(self, state: State) -> None:
        """Take a new state once it is on disk. Raises StateError."""
        if state != self._state:
            save_state(self.config.state_file, state)
            self._state = state

    def _keep(self, *, owned: frozenset[ServiceKey]) -> None:
        self._keep_now(msgspec.structs.replace(self._state, owned=owned, wishes=self._agents.wishes()))

    def _settle_state(self, table: TableState) -> None:
        """Keep what hosts asked for, and forget services that are out of the configuration and out of the table."""
        owned = _own_keys(self.config, self._ways) | (self._state.owned & table.keys())
        try:
            self._keep(owned=owned)
        except StateError as error:  # the table is right all the same; what is kept is only late
            self._story.tell_once("state", str(error))
        else:
            self._story.forget("state")

    def _fail(self, sentence: str) -> None:
        self._trouble = sentence
        self.counts.reads_failed += 1
        self._story.tell_once("table", f"the table can't be reached, it stays as it is: {sentence}")

    def _count(self, operations: Sequence[Operation], refusals: Sequence[Refusal]) -> None:
        self._story.forget("table")
        for operation in operations:
            self.counts.operations[type(operation).__name__] += 1
        for refusal in refusals:
            number = errorcode.get(refusal.errno, str(refusal.errno))
            self.counts.refused[type(refusal.operation).__name__, number] += 1


def agent_names(config: DirectorConfig) -> frozenset[str]:
    """Return the names of the agents that the configuration's destinations go by."""
    return frozenset(
        destination.agent for service in config.services.values() for destination in service.destinations.values()
    )


def _own_keys(config: DirectorConfig, ways: Ways) -> frozenset[ServiceKey]:
    """Return the keys of everything that the configuration puts into the table."""
    return config.service_keys() | {way.key for way in ways.values()}


def _probes(config: DirectorConfig, ways: Ways) -> Iterator[tuple[ProbeKey, ProbeConfig]]:
    for service in config.services.values():
        vip = None if service.key.fwmark else Endpoint(service.key.address, service.key.port)
        checks = [(check, dependencies.resolve(check, config.services)) for check in service.checks]
        for destination in service.destinations.values():
            target = Target(destination.key, destination.name, service.name, destination.base_weight, vip)
            way = ways.get((service.name, destination.name))
            for check, needs in checks:
                its_target = steering.target_via(way, target) if steering.is_steered(check.check) else target
                yield ProbeKey(service.name, destination.name, check.name), ProbeConfig(check, its_target, needs)


def _utilization(agent: AgentView, service: ServiceConfig, now: float) -> float | None:
    if agent.arrived is None or not estimate.fresh(agent.arrived, now, agent.interval_seconds):
        return None
    return utilization(agent.metrics, service.weights.load)


def _check_reload(old: DirectorConfig, new: DirectorConfig) -> None:
    """Refuse what only a restart can change."""
    problems = [
        f"director.{name}: can't change while the director runs; restart it (the table stays as it is)"
        for name in ("table", "listen", "state_file", "token", "tls")
        if getattr(old, name) != getattr(new, name)
    ]
    if problems:
        raise ConfigError(*problems)
