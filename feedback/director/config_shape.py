"""The shape of director.yaml: its sections and keys, what each may be, and what it is by default.

A field that may be None is inherited where the file does not give it.
"""

import ipaddress
from typing import Annotated, Literal

import msgspec

from feedback.director.config import Dependency, OnFailure
from feedback.errors import PluginError
from feedback.model import Endpoint, Family, Forwarding, Transport
from feedback.options import Duration, Name, Ratio, Unit, parse_duration, show_duration
from feedback.registry import POLICIES
from feedback.tree import Node

Scheduler = Literal["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos"]
"""The kernel's schedulers."""


def _parse_endpoint(value: object) -> Endpoint:
    return Endpoint.parse(str(value))


def _parse_whole_seconds(value: object) -> int:
    seconds = parse_duration(value)
    if not seconds.is_integer():
        raise ValueError("must be whole seconds, like 300s")
    return int(seconds)


def _parse_policy(value: object) -> str:
    try:
        return POLICIES.get(str(value)).name
    except PluginError as error:
        raise ValueError(str(error)) from None


def _parse_dependency(value: object) -> Dependency:
    service, slash, destination = str(value).partition("/")
    return Dependency(service, destination if slash else None)


EndpointField = Annotated[Endpoint, Unit("address and port", _parse_endpoint)]
WholeSeconds = Annotated[int, Unit("duration", _parse_whole_seconds, show_duration)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Interval = Annotated[Duration, msgspec.Meta(ge=0.01, le=86400)]
DependencyField = Annotated[Dependency, Unit("service or service/destination", _parse_dependency)]
Positive = Annotated[Duration, msgspec.Meta(gt=0)]


class CadenceShape(msgspec.Struct, frozen=True, kw_only=True):
    """When a check runs and what its results count for: `check`, and among the options of one check."""

    interval: Interval | None = None
    fast_interval: Interval | None = None
    timeout: Interval | None = None
    rise: Count | None = None
    fall: Count | None = None
    depends_on: DependencyField | list[DependencyField] | None = None

    def __post_init__(self) -> None:
        if self.interval and self.fast_interval and self.fast_interval > self.interval:
            raise ValueError(f"fast_interval: must be at most the interval, {show_duration(self.interval)}")


class AtLeast(msgspec.Struct, frozen=True, kw_only=True):
    """`health: {at_least: 2}`."""

    at_least: Annotated[int, msgspec.Meta(ge=1), "how many of the checks must pass"]


HealthField = Literal["all", "any"] | AtLeast
"""How many of its checks must pass for a destination to be up."""


class WeightsShape(msgspec.Struct, frozen=True, kw_only=True):
    """How weights follow load."""

    policy: Annotated[str, Unit("policy", _parse_policy)] | None = None
    response: Positive | None = None
    load: dict[Name, Annotated[float, msgspec.Meta(gt=0)]] | None = None
    floor: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    ceiling: Annotated[float, msgspec.Meta(ge=1, le=1000)] | None = None
    slow_start: Duration | None = None


class OverloadShape(msgspec.Struct, frozen=True, kw_only=True):
    """When a service counts as overloaded."""

    above: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    below: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None


class OverflowShape(msgspec.Struct, frozen=True, kw_only=True):
    """An overflow in its long form."""

    address: Annotated[EndpointField, "where it listens, like 10.2.0.99:8080"]
    max_share: Annotated[float, msgspec.Meta(ge=0.05, le=0.95)] = 0.9
    forwarding: Forwarding | None = None


class ConnectionsShape(msgspec.Struct, frozen=True, kw_only=True):
    """The kernel's thresholds of one destination's connections."""

    upper: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    lower: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0

    def __post_init__(self) -> None:
        if self.lower > self.upper:
            raise ValueError(f"lower: must be at most upper, {self.upper}")


class DefaultsShape(msgspec.Struct, frozen=True, kw_only=True):
    """The section `defaults`: what services inherit."""

    scheduler: Scheduler = "wlc"
    forwarding: Forwarding = Forwarding.MASQUERADE
    health: HealthField = "all"
    on_failure: OnFailure = "remove"
    drain_timeout: Duration = 300.0
    overload: OverloadShape = OverloadShape()
    check: CadenceShape = CadenceShape()
    weights: WeightsShape = WeightsShape()


class DestinationShape(msgspec.Struct, frozen=True, kw_only=True):
    """A destination in its long form."""

    address: Annotated[str, "where it listens, like 10.2.0.11:8080"]
    weight: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 100
    forwarding: Forwarding | None = None
    agent: Name | None = None
    connections: ConnectionsShape | None = None


class ServiceShape(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual service."""

    address: EndpointField | None = None
    fwmark: Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)] | None = None
    family: Family | None = None
    protocol: Transport | None = None
    scheduler: Scheduler | None = None
    forwarding: Forwarding | None = None
    persistence: Annotated[WholeSeconds, msgspec.Meta(ge=1, le=31 * 86400)] | None = None
    persistence_netmask: int | str | None = None
    fallback: EndpointField | None = None
    overload: OverloadShape = OverloadShape()
    overflow: EndpointField | OverflowShape | None = None
    connections: ConnectionsShape = ConnectionsShape()
    health: HealthField | None = None
    min_healthy: Ratio = 0.0
    on_failure: OnFailure | None = None
    drain_timeout: Duration | None = None
    check: CadenceShape = CadenceShape()
    checks: tuple[Node, ...] = ()
    weights: WeightsShape = WeightsShape()
    destinations: Annotated[dict[Name, Node], "the realservers, like rs1: 10.2.0.11:8080"] = {}


class TlsShape(msgspec.Struct, frozen=True, kw_only=True):
    """The section `director.tls`."""

    directory: str | None = None
    certificate: str | None = None
    key: str | None = None
    ca: str | None = None
    crl: str | None = None
    listen: EndpointField | None = None


class DirectorShape(msgspec.Struct, frozen=True, kw_only=True):
    """The section `director`."""

    name: Name | None = None
    table: Literal["kernel", "memory"] = "kernel"
    listen: EndpointField = Endpoint("127.0.0.1", 8600)
    on_exit: Literal["keep", "clear"] = "keep"
    state_file: str | None = None
    token_file: str | None = None
    tls: TlsShape | None = None
    probe_marks: Annotated[int, msgspec.Meta(ge=1, le=2**32 - 2**24)] = 0x10000000


class FileShape(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    director: DirectorShape = DirectorShape()
    defaults: DefaultsShape = DefaultsShape()
    agents: dict[Name, Node] = {}
    services: Annotated[dict[Name, Node], "the virtual services by name"]


def parse_prefix(mask: int | str, family: Family) -> int:
    """Return a client netmask as a prefix length. It is written so, or as an IPv4 mask like 255.255.255.0."""
    bits = 32 if family is Family.IPV4 else 128
    text = str(mask).removeprefix("/")
    if text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= bits:
        return int(text)
    if family is Family.IPV6:
        raise ValueError("must be a prefix length from 1 to 128")
    try:
        network = ipaddress.IPv4Network(f"0.0.0.0/{text}")
    except ValueError:
        network = ipaddress.IPv4Network("0.0.0.0/0")
    if str(network.netmask) != text or not network.prefixlen:
        raise ValueError("must be a mask like 255.255.255.0, or a prefix length from 1 to 32")
    return network.prefixlen
