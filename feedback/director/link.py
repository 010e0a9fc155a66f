"""One agent's connection: how much it may say, and why it is cut off. Pure."""

from collections.abc import Callable
from enum import StrEnum

from feedback.errors import WireError


class Refusal(StrEnum):
    """Why a connection was refused or cut off."""

    TOKEN = "token"  # noqa: S105 - not a password
    TLS = "tls"  # no handshake, or a certificate that no authority here has signed
    CERTIFICATE = "certificate"  # none shown, or one that is revoked or has expired
    NAME = "name"  # not one of its certificate's
    CONNECTIONS = "connections"  # too many of them, from one address or in all
    HELLO = "hello"  # none in time
    ORDER = "order"  # a second hello, or another frame before the first
    VERSION = "version"
    UNKNOWN = "unknown"  # no destination names this agent
    TAKEN = "taken"  # another connection has this name
    GARBAGE = "garbage"
    SIZE = "size"
    RATE = "rate"


class CutOffError(WireError):
    """A connection must end, and why."""

    def __init__(self, refusal: Refusal, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = refusal


class Bucket:
    """A token bucket: `rate` a second on average, `burst` at once."""

    __slots__ = ("_burst", "_left", "_rate", "_then")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._then: float | None = None

    def take(self, cost: float, now: float) -> bool:
        """Take `cost` out and return True, or leave it as it is where there is not enough."""
        if self._then is not None:
            self._left = min(self._burst, self._left + self._rate * (now - self._then))
        self._then = now
        if self._left < cost:
            return False
        self._left -= cost
        return True


class Link:
    """One connection. `peer` is its address, `cut` ends it from the director's side; `name` is set by its hello.

    `names` are those that its certificate allows it, None where there is no certificate and any name will do;
    `sequence` is the newest report's.
    """

    __slots__ = ("cut", "heard", "name", "names", "peer", "sequence")

    def __init__(self, peer: str, cut: Callable[[CutOffError], None], names: frozenset[str] | None = None) -> None:
        self.peer = peer
        self.cut = cut
        self.names = names
        self.sequence = 0
        self.name: str | None = None
        self.heard = 0.0
