"""One service, tick by tick: from facts about its destinations to what should be in the table. Pure.

`decide` judges one moment; what needs a memory is here: since when each destination has been usable or draining, what
weight it was given last, how many connections it had then. A simulation drives the same class.
"""

import math
from collections.abc import Mapping

import msgspec

from feedback.director.config import ServiceConfig, WeightsConfig
from feedback.director.desired import Asks, DesiredService, MemberInput, decide, effective_weight, wants_weight
from feedback.director.hints import Wish
from feedback.director.relief import Relief
from feedback.director.stepping import Stepper
from feedback.director.weights import Member, Policy, Terms, make_policy
from feedback.model import Admin, Counters, DestinationKey, Health, ServiceState

STEP_SECONDS = 0.9
"""Policies step about once a second: a tick that an event brought early changes no weights."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one destination at one moment.

    reason: what the checks say, in words. doubt: what one of them says that does not speak for it, though it may be
    up. wish: what they ask of its weight. asks_why: what its host asks for that, where it has found it by itself.
    """

    health: Health
    reason: str = ""
    doubt: str = ""
    wish: Wish | None = None
    admin: Admin = Admin.ENABLED
    asks: Asks = "ready"
    asks_why: str = ""
    utilization: float | None = None


class _Memory:
    """What is remembered of one destination from tick to tick.

    usable_since: None while it is not usable. ramps: whether becoming usable is a recovery (or an arrival) that calls
    for a slow start; what was in the table when the director started, or comes with a new service, has no need of one.
    spared_until: until when its failing checks alone don't remove it.
    """

    __slots__ = ("drained_since", "ramps", "spared_until", "total_connections", "usable_since", "weight")

    def __init__(self, *, ramps: bool, weight: int | None) -> None:
        self.ramps = ramps
        self.weight = weight
        self.usable_since: float | None = None
        self.drained_since: float | None = None
        self.spared_until = -math.inf
        self.total_connections: int | None = None

    def leave(self) -> None:
        """Take notice that it no longer takes connections: when it does again, it begins anew."""
        self.usable_since = None
        self.weight = None
        self.total_connections = None
        self.ramps = True


class ServiceController:
    """The decisions on one service, for as long as the configuration has it.

    policy: another one than the configuration's, as simulations compare them.
    """

    def __init__(self, config: ServiceConfig, policy: Policy | None = None) -> None:
        self.config = config
        self.policy = Stepper(policy or _make_policy(config))
        self._memories: dict[str, _Memory] = {}
        self._stepped = -math.inf
        self._served: Mapping[str, int] = {}  # who is weighed, from which weight on
        self._started = False
        self._judged: frozenset[DestinationKey] = frozenset()
        self._left: ServiceState | None = None
        self._relief = Relief()

    def configure(self, config: ServiceConfig) -> None:
        """Go on with a changed configuration. All that is remembered stays, but for filters whose settings changed."""
        if (config.weights, config.scheduler) != (self.config.weights, self.config.scheduler):
            self.policy = Stepper(_make_policy(config))
        self._memories = {name: kept for name, kept in self._memories.items() if name in config.destinations}
        self.config = config
        self._stepped = -math.inf  # a changed base weight is not to wait

    def step(self, now: float, facts: Mapping[str, Facts], observed: ServiceState | None) -> DesiredService:
        """Return what the service should be at `now`, in monotonic seconds. `facts` has every destination."""
        for name, destination in self.config.destinations.items():
            if name not in self._memories:
                self._memories[name] = self._meet(destination.key, observed)
            _remember(self._memories[name], facts[name], now)
        if not self._started:
            self._relief.adopt(self.config, observed)
        self._started = True
        members = [self._input(name, facts[name], now) for name in self.config.destinations]
        serving = [member for member in members if wants_weight(member)]
        served = {member.name: effective_weight(member) for member in serving}
        if now - self._stepped >= STEP_SECONDS or not served.items() <= self._served.items():
            self._weigh(now, serving, observed)
        self._served = served
        desired = decide(self.config, [self._weighted(member) for member in members], self._as_left(observed))
        desired = self._relief.complete(now, self.config, desired, observed)
        self._remember_failures(facts, desired, now)
        self._left = desired.state
        self._judged = frozenset(member.key for member in members)
        return desired

    def terms(self) -> Mapping[str, Terms]:
        """Return what the weights of the last step are made of, of those destinations that are weighed now."""
        return {name: terms for name, terms in self.policy.terms().items() if name in self._served}

    def _meet(self, key: DestinationKey, observed: ServiceState | None) -> _Memory:
        """Remember a destination that was not known before.

        At the director's start, what serves already goes on at the weight it has. Later, a new one in a service that
        runs is let in slowly; all of a new service together need no ramp, their shares are even.
        """
        there = observed.destinations.get(key) if observed is not None else None
        if there is not None and there.weight > 0:
            return _Memory(ramps=False, weight=there.weight)
        return _Memory(ramps=observed is not None or self._started, weight=None)

    def _as_left(self, observed: ServiceState | None) -> ServiceState | None:
        """Return the service as the last step has left it: what is held is held so, whatever another hand has done.

        Who is judged for the first time is adopted as the table has it.
        """
        if self._left is None:
            return observed
        found = observed.destinations if observed is not None else {}
        adopted = {key: destination for key, destination in found.items() if key not in self._judged}
        left = {key: destination for key, destination in self._left.destinations.items() if key in self._judged}
        return ServiceState(self._left.service, adopted | left, observed.counters if observed is not None else {})

    def _input(self, name: str, facts: Facts, now: float) -> MemberInput:
        destination = self.config.destinations[name]
        drained_since = self._memories[name].drained_since
        return MemberInput(
            name=name,
            key=destination.key,
            base_weight=destination.base_weight,
            forwarding=destination.forwarding,
            upper_threshold=destination.upper_threshold,
            lower_threshold=destination.lower_threshold,
            health=facts.health,
            admin=facts.admin,
            asks=facts.asks,
            asks_why=facts.asks_why,
            utilization=facts.utilization,
            drain_seconds=None if drained_since is None else now - drained_since,
            spared=now < self._memories[name].spared_until,
            reason=facts.reason,
            doubt=facts.doubt,
            wish=facts.wish,
        )

    def _remember_failures(self, facts: Mapping[str, Facts], desired: DesiredService, now: float) -> None:
        """Note who has gone, and who fails and has been kept: that one has never stopped serving.

        Those whom `min_healthy` keeps have time to recover once it has let go. Where it was the network that failed,
        all come back, but one after the other: the first to be back must not cost the last their connections.
        """
        until = now + _recovery_seconds(self.config)
        for name, one in facts.items():
            if one.health is Health.DOWN:
                memory = self._memories[name]
                if desired.panic:
                    memory.spared_until = until
                if name not in desired.usable:
                    memory.leave()

    def _weighted(self, member: MemberInput) -> MemberInput:
        return msgspec.structs.replace(member, weight=self._memories[member.name].weight)

    def _weigh(self, now: float, serving: list[MemberInput], observed: ServiceState | None) -> None:
        """Let the policy step, and remember its weights."""
        counters = observed.counters if observed is not None else {}
        members = {member.name: self._member(member, counters.get(member.key), now) for member in serving}
        for name, weight in self.policy.step(now, members).items():
            self._memories[name].weight = weight
        self._relief.weigh(now, self.config, members, self._left)
        self._stepped = now

    def _member(self, member: MemberInput, shown: Counters | None, now: float) -> Member:
        memory = self._memories[member.name]
        before, counters = memory.total_connections, shown or Counters()
        # Of one that is not in the table none: the kernel counts on from what it had when it is put back
        memory.total_connections = shown.total_connections if shown else None
        base_weight = effective_weight(member)
        return Member(
            base_weight=base_weight,
            # Not the observed weight: one that another hand has written is to be mended, not followed.
            weight=base_weight if memory.weight is None else memory.weight,
            utilization=member.utilization,
            active_connections=counters.active_connections,
            inactive_connections=counters.inactive_connections,
            new_connections=0 if before is None else max(0, counters.total_connections - before),
            usable_seconds=now - memory.usable_since if memory.usable_since is not None else 0.0,
        )


def _make_policy(config: ServiceConfig) -> Policy:
    weights: WeightsConfig = config.weights
    return make_policy(
        weights.policy,
        scheduler=config.scheduler,
        response=weights.response_seconds,
        floor=weights.floor_ratio,
        ceiling=weights.ceiling_ratio,
        slow_start=weights.slow_start_seconds,
    )


def _recovery_seconds(config: ServiceConfig) -> float:
    """Return the time in which all checks of a destination that works again have passed often enough to say so."""
    cadences = [check.cadence for check in config.checks]
    return max(
        (one.interval_seconds + one.rise * max(one.fast_interval_seconds, one.timeout_seconds) for one in cadences),
        default=0.0,
    )


def _remember(memory: _Memory, facts: Facts, now: float) -> None:
    """Note since when a destination has been usable, or draining. Health that is not UP changes neither by itself."""
    draining = facts.admin is not Admin.ENABLED or facts.asks != "ready"
    if not draining:
        memory.drained_since = None
    elif memory.drained_since is None:
        memory.drained_since = now
    if draining or (facts.wish is not None and facts.wish.drains):
        memory.leave()
    elif facts.health is Health.UP and memory.usable_since is None:
        memory.usable_since = now if memory.ramps else -math.inf
