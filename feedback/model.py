"""The shared words as frozen values.

Identity, wanted settings and statistics are separate values: a `ServiceKey` never changes, a
`VirtualService` is what one wants of it, `Counters` are what the kernel saw.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

import msgspec


class Family(StrEnum):
    """Address family of a service."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"


class Transport(StrEnum):
    """Transport protocol of a service (`protocol` in the configuration)."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


class Forwarding(StrEnum):
    """How packets reach a destination."""

    MASQUERADE = "masquerade"
    DIRECT = "direct"
    TUNNEL = "tunnel"


class Health(StrEnum):
    """What the checks say of a destination. UNKNOWN changes nothing."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """How one run of one check ended."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


class Admin(StrEnum):
    """What an operator wants of a destination."""

    ENABLED = "enabled"
    DRAIN = "drain"
    MAINTENANCE = "maintenance"


class AgentState(StrEnum):
    """What the director knows of a destination's agent."""

    CONNECTED = "connected"
    STALE = "stale"  # connected or lately gone, and its newest report is too old to use
    ABSENT = "absent"


class Endpoint(msgspec.Struct, frozen=True, order=True):
    """An IP address in canonical form and a port."""

    address: str
    port: int

    @classmethod
    def parse(cls, text: str, default_port: int | None = None) -> Self:
        """Read `192.0.2.10:80`, `[2001:db8::10]:80` or, with a default port, a bare address.

        Raises ValueError with a sentence that says what would be right.
        """
        import ipaddress  # noqa: PLC0415 - an agent that reads no address needs none of it

        host, port_text = _split_endpoint(text)
        try:
            address = str(ipaddress.ip_address(host))
        except ValueError:
            raise ValueError(
                f'"{text}" must be an IP address and a port, like 192.0.2.10:80 or [2001:db8::10]:80'
            ) from None
        if port_text is None:
            if default_port is None:
                raise ValueError(f'"{text}" has no port: write it like 192.0.2.10:80 or [2001:db8::10]:80')
            return cls(address, default_port)
        if not (port_text.isascii() and port_text.isdigit() and 1 <= int(port_text) <= 65535):
            raise ValueError(f'"{text}": the port must be a number from 1 to 65535')
        return cls(address, int(port_text))

    @property
    def family(self) -> Family:
        """IPv6 addresses are the ones with a colon."""
        return Family.IPV6 if ":" in self.address else Family.IPV4

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def _split_endpoint(text: str) -> tuple[str, str | None]:
    """Split into host and port; the port is None where the text has none."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return text, None
        return host, rest[1:] if rest else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, None


class ServiceKey(msgspec.Struct, frozen=True, order=True):
    """What identifies a virtual service in the kernel: protocol, address and port, or a firewall mark.

    A firewall mark service has `fwmark` > 0, an empty `protocol` and `address`, and port 0.
    """

    family: Family
    protocol: str = ""
    address: str = ""
    port: int = 0
    fwmark: int = 0

    @classmethod
    def at(cls, protocol: Transport, endpoint: Endpoint) -> Self:
        """Return the key of the service at an address and port."""
        return cls(endpoint.family, str(protocol), endpoint.address, endpoint.port)

    @classmethod
    def marked(cls, fwmark: int, family: Family) -> Self:
        """Return the key of a firewall mark service."""
        return cls(family, fwmark=fwmark)

    def __str__(self) -> str:
        if self.fwmark:
            return f"fwmark {self.fwmark} {self.family}"
        return f"{self.protocol} {Endpoint(self.address, self.port)}"


DestinationKey = Endpoint
"""Within its service a destination is identified by its address and port (0 for a fwmark service's own)."""


class VirtualService(msgspec.Struct, frozen=True):
    """The settings of a virtual service in the table.

    `persistence_seconds` 0 means none; `persistence_prefix` is the client netmask as a prefix length
    (32 or 128: each client address by itself) and is kept at its default while there is no persistence.
    `one_packet`: each datagram goes its way by itself; the kernel remembers none of them.
    """

    key: ServiceKey
    scheduler: str
    persistence_seconds: int = 0
    persistence_prefix: int | None = None  # None: the family's full length
    one_packet: bool = False


class Destination(msgspec.Struct, frozen=True):
    """The settings of a destination in the table. `weight` 0 means quiesced."""

    key: DestinationKey
    forwarding: Forwarding
    weight: int
    upper_threshold: int = 0
    lower_threshold: int = 0


class Counters(msgspec.Struct, frozen=True):
    """What the table has counted for a destination.

    Under direct routing and tunnelling the kernel sees one direction only: active and inactive are estimates.
    """

    active_connections: int = 0
    inactive_connections: int = 0
    persistent_connections: int = 0
    total_connections: int = 0


class ServiceState(msgspec.Struct, frozen=True):
    """One service of a table, wanted or observed, with its destinations. Counters only where observed."""

    service: VirtualService
    destinations: Mapping[DestinationKey, Destination]
    counters: Mapping[DestinationKey, Counters] = {}


TableState = Mapping[ServiceKey, ServiceState]
"""A whole table, wanted or observed."""


class CheckResult(msgspec.Struct, frozen=True):
    """How one run of one check ended. `reason` is empty when it passed; `detail` is one line for a person.

    weight_ratio: a hint of a check that passed: how much of its base weight the destination should have. 0: no new
    connections; None: the check has nothing to say of it.
    """

    outcome: Outcome
    reason: str
    detail: str
    duration_seconds: float
    weight_ratio: float | None = None
