"""The director's configuration as frozen values. `feedback.director.config_file` reads them from a file."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from feedback.checks.check import Check
from feedback.director.feeds.feed import FeedConfig
from feedback.model import DestinationKey, Endpoint, Forwarding, ServiceKey
from feedback.secret import Secret

OnFailure = Literal["remove", "quiesce"]


class Cadence(msgspec.Struct, frozen=True, kw_only=True):
    """When a check runs and how many results in a row decide."""

    interval_seconds: float = 2.0
    fast_interval_seconds: float = 0.5  # while results contradict the health they may change
    timeout_seconds: float = 1.0
    rise: int = 2
    fall: int = 3


class Dependency(msgspec.Struct, frozen=True):
    """What a check depends on: one destination of a service, or the service, whichever of its destinations works."""

    service: str
    destination: str | None = None

    def __str__(self) -> str:
        return self.service if self.destination is None else f"{self.service}/{self.destination}"


class CheckConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One check of a service: its name within the service, what it does and when."""

    name: str  # the check's type, with #2, #3, ... where a service has several of one type
    check: Check
    cadence: Cadence
    depends_on: tuple[Dependency, ...] = ()


class WeightsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a service's weights follow load."""

    policy: str = "static"
    response_seconds: float = 10.0
    load: Mapping[str, float] = {}  # metric -> factor; empty: the largest of all reported
    floor_ratio: float = 0.05
    ceiling_ratio: float = 10.0
    slow_start_seconds: float = 0.0


class OverloadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """From which utilization of the least busy destination on a service is overloaded, and until which."""

    above: float = 0.95
    below: float = 0.85


class OverflowConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where the excess goes while a service is overloaded. max_share: the most of what comes in that it may get."""

    key: DestinationKey
    forwarding: Forwarding
    max_share: float = 0.9


class DestinationConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A realserver's endpoint in one service. The thresholds are numbers of connections, 0 for none."""

    name: str
    key: DestinationKey
    base_weight: int = 100
    forwarding: Forwarding
    agent: str
    upper_threshold: int = 0
    lower_threshold: int = 0


class ServiceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One virtual service."""

    name: str
    key: ServiceKey
    scheduler: str
    forwarding: Forwarding
    persistence_seconds: int = 0
    persistence_prefix: int | None = None
    fallback: Endpoint | None = None
    overload: OverloadConfig = OverloadConfig()
    overflow: OverflowConfig | None = None
    min_healthy_ratio: float = 0.0
    on_failure: OnFailure = "remove"
    drain_timeout_seconds: float = 300.0
    checks: tuple[CheckConfig, ...] = ()
    must_pass: int | None = None  # how many of the checks; None: all
    weights: WeightsConfig = WeightsConfig()
    destinations: Mapping[str, DestinationConfig]


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The TLS that the director speaks: with its own authority, in a directory, or with certificates from elsewhere.

    Without an authority (`ca`) no agent can show a certificate, and the token says who is one. `listen`: where TLS is
    spoken besides the plain `listen` of the director; None: there, and nothing plain anywhere.
    """

    directory: str | None = None
    certificate: str | None = None
    key: str | None = None
    ca: str | None = None
    crl: str | None = None
    listen: Endpoint | None = None


class DirectorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    name: str
    table: Literal["kernel", "memory"] = "kernel"
    listen: Endpoint = Endpoint("127.0.0.1", 8600)
    on_exit: Literal["keep", "clear"] = "keep"
    state_file: str | None = None
    token: Secret | None = None  # read from token_file
    tls: TlsConfig | None = None
    probe_marks: int = 0x10000000  # the first of the marks of checks that go via: vip
    feeds: Mapping[str, FeedConfig] = {}  # by the names of the agents whose place they take
    services: Mapping[str, ServiceConfig]
    warnings: tuple[str, ...] = ()  # what is allowed and seldom meant, one line each with file and line

    def service_keys(self) -> frozenset[ServiceKey]:
        """Return the keys of the services that this configuration owns in the table."""
        return frozenset(service.key for service in self.services.values())

    def size(self) -> str:
        """Return in words how much it configures."""
        destinations = sum(len(service.destinations) for service in self.services.values())
        return f"{_count(len(self.services), 'service')} and {_count(destinations, 'destination')}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
