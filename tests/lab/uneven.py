"""Three servers of speeds 1, 2 and 4 behind wrr, and three more behind wlc, with agents, a director and clients.

with Uneven(tmp_path, load_ratio=0.55, policy="static") as uneven:
    uneven.live(30)
    static = uneven.measure(60)["wrr"]
    uneven.weigh_by("equalize")
"""

import contextlib
import signal
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from feedback.model import Endpoint, Forwarding
from tests.lab.cluster import ADDRESSES, VIP, Cluster, wait_until
from tests.lab.directing import INSIDE, Director, agent, service, token_file
from tests.lab.throttled import SERVICE_SECONDS, Arrivals, ThrottledServer

SPEEDS = {"rs1": 1.0, "rs2": 2.0, "rs3": 4.0}
PORTS = {"wrr": (80, 8080), "wlc": (81, 8081)}
"""Of each scheduler's service, which has its name: at the VIP, and at the realservers."""

SEED = 1
RESPONSE = "5s"


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a service in so many seconds.

    busy: the share of the time that each server has worked. failed: clients without a whole answer, in words.
    writes: weights written. weights: in the kernel's table, at the end.
    """

    seconds: float
    busy: Mapping[str, float]
    answers_seconds: list[float]
    failed: list[str]
    writes: int
    weights: Mapping[str, int]

    @property
    def max_over_avg(self) -> float:
        """The busiest server's share over the mean of all."""
        return max(self.busy.values()) / statistics.fmean(self.busy.values())

    @property
    def mean_seconds(self) -> float:
        """The mean of how long answers took."""
        return statistics.fmean(self.answers_seconds)

    @property
    def p99_seconds(self) -> float:
        """What 99 of 100 answers took at most."""
        return statistics.quantiles(self.answers_seconds, n=100)[-1]

    @property
    def writes_per_hour(self) -> float:
        """Weights written, for each destination and hour."""
        return self.writes / len(self.busy) / self.seconds * 3600


class Moment(msgspec.Struct, frozen=True):
    """How far a service is: what only grows, to be compared with the same later on."""

    now: float
    worked_seconds: Mapping[str, float]
    answers: int
    failures: int
    writes: int


class Uneven:
    """The site. A context manager: within it all run, and the clients come."""

    def __init__(self, directory: Path, *, load_ratio: float, policy: str, seed: int = SEED) -> None:
        self._director = Director(directory, services(policy), listen=str(INSIDE), token_file=token_file(directory))
        self._agents = [agent(directory, host, metrics=metrics(host)) for host in SPEEDS]
        self._servers: dict[str, dict[str, ThrottledServer]] = {}
        per_second = load_ratio * sum(SPEEDS.values()) / SERVICE_SECONDS
        self._clients = {
            name: Arrivals(Endpoint(VIP, port), per_second, f"{seed} {name}") for name, (port, _) in PORTS.items()
        }
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(Cluster(Forwarding.MASQUERADE))
            for name, (_, port) in PORTS.items():
                servers = {host: ThrottledServer(host, port, speed) for host, speed in SPEEDS.items()}
                self._servers[name] = {host: stack.enter_context(server) for host, server in servers.items()}
            for one in self._agents:
                stack.callback(one.destroy)
                one.start()
            stack.enter_context(self._director)
            wait_until(self._all_report)
            for clients in self._clients.values():
                stack.enter_context(clients)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _all_report(self) -> bool:
        seen = [self._director.view(name, host) for name in PORTS for host in SPEEDS]
        return all(one["utilization"] is not None and one["weight"] for one in seen)

    def weigh_by(self, policy: str) -> None:
        """Let the director read another policy from its file, while all goes on."""
        reloads = self._reloads()
        self._director.write(services(policy))
        self._director.send(signal.SIGHUP)
        wait_until(lambda: self._reloads() > reloads)

    def _reloads(self) -> int:
        return self._director.log.count('message="configuration reloaded: ')

    @staticmethod
    def live(seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def measure(self, seconds: float) -> dict[str, Measured]:
        """Let time pass, and return what came of each service in it."""
        before = {name: self._moment(name) for name in PORTS}
        self.live(seconds)
        return {name: self._since(name, before[name]) for name in PORTS}

    def _moment(self, name: str) -> Moment:
        return Moment(
            time.monotonic(),
            {host: server.busy_seconds() for host, server in self._servers[name].items()},
            len(self._clients[name].answers_seconds),
            len(self._clients[name].failed),
            self._director.log.count(f" event=weight service={name} "),
        )

    def _since(self, name: str, before: Moment) -> Measured:
        after, clients = self._moment(name), self._clients[name]
        seconds = after.now - before.now
        return Measured(
            seconds=seconds,
            busy={host: (after.worked_seconds[host] - before.worked_seconds[host]) / seconds for host in SPEEDS},
            answers_seconds=clients.answers_seconds[before.answers : after.answers],
            failed=clients.failed[before.failures : after.failures],
            writes=after.writes - before.writes,
            weights=self._director.weights(name),
        )


def services(policy: str) -> dict[str, Any]:
    """Return the two services, as director.yaml has them."""
    return {
        name: service(
            port,
            scheduler=name,
            check={"interval": "2s", "timeout": "1s", "rise": 1, "fall": 3},
            destinations={host: f"{ADDRESSES[host][0]}:{server_port}" for host in SPEEDS},
            weights={"policy": policy, "response": RESPONSE, "load": {name: 1.0}},
        )
        for name, (port, server_port) in PORTS.items()
    }


def metrics(host: str) -> dict[str, Any]:
    """Return what a host's agent asks its two servers for; the metrics have the names of the services."""
    return {
        name: {"source": "http_json", "url": f"http://{ADDRESSES[host][0]}:{port}/load"}
        for name, (_, port) in PORTS.items()
    }
