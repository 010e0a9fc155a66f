"""What is simulated, as frozen values. `feedback.simulator.scenario_file` reads them from a file."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from feedback.director.config import WeightsConfig

Kind = Literal["request", "session", "connection"]
Distribution = Literal["fixed", "exponential", "lognormal", "pareto"]


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """A random amount above 0. `shape`: the sigma of lognormal, the alpha of pareto (above 1)."""

    mean: float
    distribution: Distribution = "exponential"
    shape: float = 1.0


class ServerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A realserver.

    speed: seconds of work that it does in a second. cores: how many requests share it before each gets less.
    background_ratio: the share that other work takes of it.
    """

    speed: float = 1.0
    cores: int = 1
    background_ratio: float = 0.0
    base_weight: int = 100


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of client, all alike.

    A `request` is one connection with one piece of `work` (seconds at speed 1). A `session` makes `requests` of them
    on one connection, with `pause` between. A `connection` lasts for `duration` and takes `demand` of a server's speed
    all the while. share: of the load that the scenario asks for.
    """

    kind: Kind = "request"
    share: float = 1.0
    work: Amount = Amount(mean=0.03, distribution="lognormal")
    requests: Amount = Amount(mean=20.0, distribution="exponential")
    pause: Amount = Amount(mean=1.0)
    duration: Amount = Amount(mean=60.0)
    demand: float = 0.01


class Reports(msgspec.Struct, frozen=True, kw_only=True):
    """How agents report: utilization over the interval, late, noisy or lost."""

    interval_seconds: float = 1.0
    delay_seconds: float = 0.05
    loss_ratio: float = 0.0
    noise: float = 0.0  # standard deviation, of utilization


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to a server, or to the load, at a time. None: it stays as it is."""

    at_seconds: float
    server: str | None = None
    speed: float | None = None
    background_ratio: float | None = None
    alive: bool | None = None
    reports: bool | None = None
    load_ratio: float | None = None


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster, its clients, and what happens to it.

    load_ratio: what the clients ask for, of what the servers can do at the start beside their other work.
    """

    name: str
    scheduler: str = "wlc"
    servers: Mapping[str, ServerSpec]
    streams: Mapping[str, Stream] = msgspec.field(default_factory=lambda: {"requests": Stream()})
    load_ratio: float = 0.6
    weights: WeightsConfig = WeightsConfig(policy="equalize")
    reports: Reports = Reports()
    events: tuple[Event, ...] = ()
    check_interval_seconds: float = 2.0
    fall: int = 3
    rise: int = 2
    warm_up_seconds: float = 120.0
    duration_seconds: float = 600.0
    seed: int = 1

    def capacity(self) -> float:
        """Return the seconds of work that the servers can do in a second at the start."""
        return sum(server.speed * (1.0 - server.background_ratio) for server in self.servers.values())
