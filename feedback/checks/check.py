"""The check contract: one class whose fields are its options, and one coroutine."""

import abc
import functools
from typing import Annotated, ClassVar, Literal

import msgspec

from feedback.model import Endpoint
from feedback.net import Egress, Net, Target
from feedback.options import Address, Duration, Interface, Port
from feedback.plugin import Plugin

Fwmark = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
Positive = Annotated[Duration, msgspec.Meta(gt=0)]


class Passed(msgspec.Struct, frozen=True):
    """What a probe returns that has more to say than its detail.

    weight_ratio: how much of its base weight the destination should have: 0.5 is half of it, 2.0 twice as much, and 0
    lets no new connection in, while those that it has go on.
    """

    detail: str
    weight_ratio: float | None = None


class Check(Plugin, abc.ABC):
    """Base of all checks. `feedback.checks.runner` owns the deadline, the duration, the logs and the metrics."""

    replaceable: ClassVar[bool] = True

    uses_asyncio: ClassVar[bool] = False
    """Set by checks that await asyncio (or a library built on it): they run as an asyncio task, which costs more."""

    uses_port: ClassVar[bool] = True
    """Set to False by checks that go to a host and to none of its ports."""

    steerable: ClassVar[bool] = True
    """Set to False by checks whose packets IPVS would not lead to a destination: they can't have `via: vip`."""

    port: Annotated[Port | None, "port to check, by default the destination's own"] = None
    address: Annotated[Address | None, "address to check, by default the destination's own"] = None
    via: Annotated[
        Literal["destination", "vip"],
        "where to send it: to the destination itself, or to the service's own address, as clients do, by way of IPVS",
    ] = "destination"
    source: Annotated[Address | None, "local address to send from"] = None
    interface: Annotated[Interface | None, "network interface to send through"] = None
    fwmark: Annotated[Fwmark | None, "mark of the packets that are sent"] = None
    slow: Annotated[Positive | None, "duration from which on a pass lowers the weight, in proportion"] = None

    @abc.abstractmethod
    async def probe(self, target: Target, net: Net) -> str | Passed:
        """Check `target` once and return a detail for a person: one line. `Passed` can lower the weight, too.

        Raises CheckFailed(reason, detail) when the service does not pass. Any other exception is a bug in the
        check: its outcome is UNKNOWN, and UNKNOWN never removes a destination.
        """

    def aim(self, endpoint: Endpoint) -> Endpoint:
        """Return where this check goes for a destination at `endpoint`."""
        if self.port is None and self.address is None:
            return endpoint
        return Endpoint(self.address or endpoint.address, self.port or endpoint.port)

    def scope(self, target: Target) -> Target:
        """Return what the results depend on, of a destination's target: where the check goes, and else nothing.

        Equal checks of one scope run once for all services that have them. A check that looks at the names, the base
        weight or the vip says so here.
        """
        return Target(self.aim(target.endpoint), steering=target.steering)

    def aimed(self, target: Target) -> Target:
        """Return the target that this check probes for a destination's."""
        return msgspec.structs.replace(target, endpoint=self.aim(target.endpoint))

    @functools.cached_property
    def egress(self) -> Egress | None:
        """How what is sent to the target leaves this host; None where the host decides. Made once."""
        if self.source is None and self.interface is None and self.fwmark is None:
            return None
        return Egress(self.source, self.interface, self.fwmark)
