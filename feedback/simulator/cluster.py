"""Lets time pass in a simulated cluster: clients, the kernel's scheduler, servers, agents, checks, and the director.

The table's counters are those that the kernel would show: active connections at once, the
total of connections every two seconds (net/netfilter/ipvs/ip_vs_est.c).
"""

import heapq
import itertools
import math
from collections.abc import Callable
from random import Random
from typing import Any

from feedback.director.scheduling import SCHEDULERS, Lingering, Scheduler
from feedback.director.weights import Policy
from feedback.model import CheckResult, Counters, Outcome
from feedback.simulator.agents import Agents
from feedback.simulator.director import Director
from feedback.simulator.measure import Record
from feedback.simulator.scenario import Event, Scenario, Stream
from feedback.simulator.server import Server
from feedback.simulator.workload import Draw, arrival_rates, drawer

TICK_SECONDS = 1.0
ESTIMATOR_SECONDS = 2.0
PASSED = CheckResult(Outcome.PASS, "", "", 0.001)
FAILED = CheckResult(Outcome.FAIL, "refused", "connection refused", 0.001)


class Connection:
    """A client's connection: to which server, since when its newest request waits, and what it still means to do."""

    __slots__ = ("began", "left", "lost", "server", "source")

    def __init__(self, source: "Source", server: int, left: int) -> None:
        self.source = source
        self.server = server
        self.left = left  # requests still to come
        self.began = 0.0
        self.lost = False


class Source:
    """One stream of clients with its sources of chance."""

    def __init__(self, stream: Stream, rate: float, random: Random) -> None:
        self.stream = stream
        self.rate = rate
        self.work: Draw = drawer(stream.work, random)
        self.requests: Draw = drawer(stream.requests, random)
        self.pause: Draw = drawer(stream.pause, random)
        self.duration: Draw = drawer(stream.duration, random)


class Cluster:
    """One run of one scenario under one policy."""

    def __init__(self, scenario: Scenario, policy: Policy | None = None) -> None:
        self.now = 0.0
        self._scenario = scenario
        self._random = Random(scenario.seed)  # noqa: S311 - chance that can be repeated
        self._events: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._numbers = itertools.count()
        names = list(scenario.servers)
        self.record = Record(names, scenario.warm_up_seconds)
        self._names = names
        self._places = {name: place for place, name in enumerate(names)}
        self._servers: list[Server[Connection]] = [Server(spec) for spec in scenario.servers.values()]
        self._open: list[set[Connection]] = [set() for _ in names]
        self._active = [0] * len(names)
        self._total = [0] * len(names)
        self._shown_total = [0] * len(names)
        self._lingering = [Lingering() for _ in names]
        self._load_ratio = scenario.load_ratio
        rates = arrival_rates(scenario)
        self._sources = [Source(stream, rates[name], self._random) for name, stream in scenario.streams.items()]
        self._agents = Agents(scenario, self)
        self._director = Director(scenario, policy)
        self._scheduler: Scheduler[int] = SCHEDULERS[scenario.scheduler]()
        self._hashes = scenario.scheduler in {"sh", "mh"}
        self._weights: dict[int, int] = {}
        self._busy_before = [0.0] * len(names)

    def run(self) -> Record:
        """Let all of the scenario's time pass."""
        self._estimate(None)
        self._tick(None)
        self._agents.start()
        for source in self._sources:
            self._schedule_arrival(source)
        for event in self._scenario.events:
            self.at(event.at_seconds, self._happen, event)
        for place in range(len(self._names)):
            self.at(self._random.random() * self._scenario.check_interval_seconds, self._check, place)
        events, end = self._events, self._scenario.warm_up_seconds + self._scenario.duration_seconds
        pop = heapq.heappop
        while events[0][0] <= end:  # the ticks never end
            self.now, _, happens, argument = pop(events)
            happens(argument)
        return self.record

    def at(self, time: float, happens: Callable[[Any], None], argument: Any) -> None:
        """Have something happen at a time."""
        heapq.heappush(self._events, (time, next(self._numbers), happens, argument))

    def busy_seconds(self, place: int) -> float:
        """Return for how long a server has been busy since the start."""
        return self._servers[place].busy_seconds(self.now)

    def is_alive(self, place: int) -> bool:
        """Say whether a server is."""
        return self._servers[place].alive

    def _schedule_arrival(self, source: Source) -> None:
        rate = source.rate * self._load_ratio
        self.at(self.now + self._random.expovariate(rate) if rate else math.inf, self._arrive, source)

    def _arrive(self, source: Source) -> None:
        """Open a connection where the scheduler says."""
        self._schedule_arrival(source)
        client = self._random.getrandbits(32) if self._hashes else 0
        place = self._scheduler.choose(self._cost, client)
        if place is None or not self._servers[place].alive:
            self.record.fail(self.now)
            return
        stream = source.stream
        left = max(1, round(source.requests())) if stream.kind == "session" else 1
        connection = Connection(source, place, left)
        self._open[place].add(connection)
        self._active[place] += 1
        self._total[place] += 1
        if stream.kind == "connection":
            self._servers[place].hold(self.now, stream.demand)
            self._predict(place)
            self.at(self.now + source.duration(), self._finish, connection)
        else:
            self._ask(connection)

    def _cost(self, place: int) -> int:
        return self._scheduler.cost(self._active[place], self._lingering[place].count(self.now))

    def _ask(self, connection: Connection) -> None:
        """Begin a connection's next request."""
        if connection.lost:
            return
        connection.began = self.now
        connection.left -= 1
        place = connection.server
        self._servers[place].add(self.now, connection.source.work(), connection)
        self._predict(place)

    def _predict(self, place: int) -> None:
        """Note when the server's next request will be over; what was noted before no longer holds."""
        server = self._servers[place]
        if server.jobs:
            self.at(server.next_end(), self._answer, (place, server.version))

    def _answer(self, prediction: tuple[int, int]) -> None:
        """End a request, if it is still the one that was meant."""
        place, version = prediction
        server = self._servers[place]
        if version != server.version:
            return
        connection = server.end(self.now)
        self._predict(place)
        self.record.answer(connection.began, self.now)
        if connection.left:
            self.at(self.now + connection.source.pause(), self._ask, connection)
        else:
            self._close(connection)

    def _finish(self, connection: Connection) -> None:
        """End a connection that took a share of its server."""
        if not connection.lost:
            self._servers[connection.server].hold(self.now, -connection.source.stream.demand)
            self._predict(connection.server)
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        place = connection.server
        self._open[place].discard(connection)
        self._active[place] -= 1
        self._lingering[place].add(self.now)

    def _happen(self, event: Event) -> None:
        """Change what an event changes."""
        if event.load_ratio is not None:
            self._load_ratio = event.load_ratio
        if event.server is None:
            return
        place = self._places[event.server]
        server = self._servers[place]
        server.change(self.now, event.speed, event.background_ratio)
        if event.reports is not None:
            self._agents.silent[place] = not event.reports
        if event.alive is False and server.alive:
            server.crash(self.now)
            for connection in list(self._open[place]):
                connection.lost = True
                self.record.fail(self.now)
                self._close(connection)
        elif event.alive:
            server.alive = True
            server.change(self.now, None, None)
        self._predict(place)

    def _estimate(self, _: None) -> None:
        """Show the totals of connections as the kernel does: summed up now and then."""
        self._shown_total = list(self._total)
        self.at(self.now + ESTIMATOR_SECONDS, self._estimate, None)

    def _check(self, place: int) -> None:
        self._director.check(self.now, place, PASSED if self._servers[place].alive else FAILED)
        self.at(self.now + self._scenario.check_interval_seconds, self._check, place)

    def _tick(self, _: None) -> None:
        """Have the director tick, and the kernel obey."""
        counters = [
            Counters(active_connections=active, inactive_connections=lingering.count(self.now), total_connections=total)
            for active, lingering, total in zip(self._active, self._lingering, self._shown_total, strict=True)
        ]
        weights, writes = self._director.tick(self.now, self._agents.utilizations(self.now), counters)
        if weights != self._weights:
            self._weights = weights
            # The kernel's list has the destination that was added last in front
            self._scheduler.update(dict(reversed(weights.items())))
        self.record.write(self.now, writes)
        if self.now > 0.0:
            busy = [server.busy_seconds(self.now) for server in self._servers]
            used = [(after - before) / TICK_SECONDS for after, before in zip(busy, self._busy_before, strict=True)]
            self._busy_before = busy
            self.record.second(self.now, used, [weights.get(place, 0) for place in range(len(self._names))])
        self.at(self.now + TICK_SECONDS, self._tick, None)
