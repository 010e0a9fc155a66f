"""The kernel's schedulers rr, wrr, lc and wlc: which destination gets the next connection. Pure.

The arithmetic is that of ip_vs_rr, ip_vs_wrr, ip_vs_lc and ip_vs_wlc, in whole numbers, so that the same table and the
same connections give the same choices. A destination of weight 0 is never chosen. Destinations are walked in the order
in which they are given; the kernel's own list has the one added last in front.
"""

import ipaddress
import math
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Generic, Protocol, TypeVar

Key = TypeVar("Key", bound=Hashable)
Overhead = Callable[[Key], int]
"""A destination's `overhead` at this moment, by its key."""


def overhead(active_connections: int, inactive_connections: int) -> int:
    """Return the cost that lc and wlc compare: a connection that is active counts as 256 that are not."""
    return active_connections * 256 + inactive_connections


class Scheduler(Protocol[Key]):
    """One service's scheduler. It keeps its place in the list between the choices."""

    def update(self, weights: Mapping[Key, int]) -> None:
        """Take the service's destinations and their weights, in the table's order, whenever they have changed."""

    def choose(self, overhead_of: Overhead[Key]) -> Key | None:
        """Return the destination of the next connection; None while there is none above weight 0."""


class RoundRobin(Generic[Key]):
    """rr: one after the other, whatever their weights above 0."""

    def __init__(self) -> None:
        self._weights: dict[Key, int] = {}
        self._order: list[Key] = []
        self._last: Key | None = None

    def update(self, weights: Mapping[Key, int]) -> None:
        """Go on behind the last chosen one; where that is gone, behind the one before it."""
        while self._last is not None and self._last not in weights:
            place = self._order.index(self._last)
            self._last = self._order[place - 1] if place else None
        self._weights = dict(weights)
        self._order = list(weights)

    def choose(self, overhead_of: Overhead[Key]) -> Key | None:  # noqa: ARG002 - every scheduler is asked alike
        """Return the next one in the list."""
        start = 0 if self._last is None else self._order.index(self._last) + 1
        for key in self._order[start:] + self._order[:start]:
            if self._weights[key] > 0:
                self._last = key
                return key
        return None


class WeightedRoundRobin(Generic[Key]):
    """wrr: walks the list again and again, each time with a lower bar for the weight that is let through.

    The bar starts at the maximum weight and falls by the weights' greatest common divisor, so one full cycle gives
    every destination weight / gcd connections. Weights like 1000 and 990 have a gcd of 10 and go in long bursts.
    """

    def __init__(self) -> None:
        self._weights: list[tuple[Key, int]] = []
        self._place = 0
        self._step = 1
        self._top = 0
        self._bar = 0

    def update(self, weights: Mapping[Key, int]) -> None:
        """Go back to the list's front and, where the bar does not fit the new weights, to their maximum."""
        self._weights = list(weights.items())
        self._place = 0
        self._step = math.gcd(*(weight for weight in weights.values() if weight > 0)) or 1
        # The lowest bar must be 1, not the step: the kernel's way to catch a weight that is lowered meanwhile
        self._top = max(weights.values(), default=0) - (self._step - 1)
        if self._bar > self._top or self._bar == 0:
            self._bar = self._top
        elif self._step > 1:
            self._bar = self._bar // self._step * self._step + 1

    def choose(self, overhead_of: Overhead[Key]) -> Key | None:  # noqa: ARG002 - every scheduler is asked alike
        """Return the next one whose weight reaches the bar."""
        if self._top == 0:
            return None
        while True:  # the maximum weight reaches every bar, so the second walk ends at the latest
            for place in range(self._place, len(self._weights)):
                key, weight = self._weights[place]
                if weight >= self._bar:
                    self._place = place + 1
                    return key
            self._place = 0
            self._bar -= self._step
            if self._bar <= 0:
                self._bar = self._top


class LeastConnection(Generic[Key]):
    """lc: the least overhead, whatever the weights above 0; the first of equals."""

    def __init__(self) -> None:
        self._keys: list[Key] = []

    def update(self, weights: Mapping[Key, int]) -> None:
        """Keep those that may be chosen."""
        self._keys = [key for key, weight in weights.items() if weight > 0]

    def choose(self, overhead_of: Overhead[Key]) -> Key | None:
        """Return the one with the least overhead."""
        return min(self._keys, key=overhead_of, default=None)


class WeightedLeastConnection(Generic[Key]):
    """wlc: the least overhead for its weight; the first of equals."""

    def __init__(self) -> None:
        self._weights: list[tuple[Key, int]] = []

    def update(self, weights: Mapping[Key, int]) -> None:
        """Keep those that may be chosen."""
        self._weights = [(key, weight) for key, weight in weights.items() if weight > 0]

    def choose(self, overhead_of: Overhead[Key]) -> Key | None:
        """Return the one with the least overhead / weight, compared as products: no division, no rounding."""
        if not self._weights:
            return None
        least, least_weight = self._weights[0]
        least_overhead = overhead_of(least)
        for key, weight in self._weights[1:]:
            its_overhead = overhead_of(key)
            if least_overhead * weight > its_overhead * least_weight:
                least, least_weight, least_overhead = key, weight, its_overhead
        return least


SCHEDULERS: Mapping[str, type[Scheduler[Any]]] = {
    "rr": RoundRobin,
    "wrr": WeightedRoundRobin,
    "lc": LeastConnection,
    "wlc": WeightedLeastConnection,
}
"""The schedulers by the kernel's names."""


class Lingering:
    """Connections that have ended, which the kernel counts as inactive until their TIME_WAIT is over.

    They decide among destinations with equally many active ones, and so matter most for short connections. They are
    kept by the second, so that their number costs nothing.
    """

    SECONDS = 120

    def __init__(self) -> None:
        self._ended: deque[tuple[int, int]] = deque()  # (second, how many ended in it)
        self._total = 0

    def add(self, now: float) -> None:
        """Count a connection that ends at `now`."""
        second = int(now)
        count = self._ended.pop()[1] if self._ended and self._ended[-1][0] == second else 0
        self._ended.append((second, count + 1))
        self._total += 1

    def count(self, now: float) -> int:
        """Return how many linger at `now`."""
        while self._ended and self._ended[0][0] <= now - self.SECONDS:
            self._total -= self._ended.popleft()[1]
        return self._total


class Templates(Generic[Key]):
    """Persistence: where each client, or each client network, was sent last, for as long as that holds.

    `prefix` is the network's length (None: each address by itself).
    """

    MAX_CLIENTS = 65536

    def __init__(self, seconds: float, prefix: int | None) -> None:
        self._seconds = seconds
        self._prefix = prefix
        self._templates: dict[str, tuple[Key, float]] = {}  # client -> (destination, expiry), soonest expiry first

    def find(self, now: float, client: str) -> Key | None:
        """Return the destination that a client's address belongs to."""
        key, expiry = self._templates.get(self._network(client), (None, 0.0))
        return key if expiry > now else None

    def remember(self, now: float, client: str, key: Key) -> None:
        """Send the client there again from now on; the oldest is forgotten where there are too many."""
        network = self._network(client)
        self._templates.pop(network, None)
        self._templates[network] = (key, now + self._seconds)
        oldest = next(iter(self._templates))
        if len(self._templates) > self.MAX_CLIENTS or self._templates[oldest][1] <= now:
            del self._templates[oldest]

    def _network(self, client: str) -> str:
        if self._prefix is None:
            return client
        return str(ipaddress.ip_network((client, self._prefix), strict=False))
