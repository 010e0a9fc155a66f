"""The check contract: one class whose fields are its options, and one coroutine."""

import abc
from typing import Annotated, ClassVar

import msgspec

from feedback.model import Endpoint
from feedback.net import Net, Target
from feedback.options import Address, Port
from feedback.plugin import Plugin


class Passed(msgspec.Struct, frozen=True):
    """What a probe returns that has more to say than its detail.

    weight_ratio: how much of its base weight the destination should have: 0.5 is half of it, 2.0 twice as much, and 0
    lets no new connection in, while those that it has go on.
    """

    detail: str
    weight_ratio: float | None = None


class Check(Plugin, abc.ABC):
    """Base of all checks. `feedback.checks.runner` owns the deadline, the duration, the logs and the metrics."""

    uses_asyncio: ClassVar[bool] = False
    """Set by checks that await asyncio (or a library built on it): they run as an asyncio task, which costs more."""

    port: Annotated[Port | None, "port to check, by default the destination's own"] = None
    address: Annotated[Address | None, "address to check, by default the destination's own"] = None

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
