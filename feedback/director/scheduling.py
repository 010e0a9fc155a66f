"""The kernel's schedulers: which destination gets the next connection. Pure.

The arithmetic is that of ip_vs_rr, ip_vs_wrr, ip_vs_lc, ip_vs_wlc, ip_vs_sed, ip_vs_nq, ip_vs_sh and ip_vs_mh, in whole
numbers, so that the same table and the same connections give the same choices; only mh's hashes are not the kernel's.
A destination of weight 0 is never chosen. Destinations are walked in the order in which they are given; the kernel's
own list has the one added last in front.
"""

import functools
import hashlib
import ipaddress
import math
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Generic, Protocol, TypeVar

Key = TypeVar("Key", bound=Hashable)
Cost = Callable[[int, int], int]
"""What a destination's active and inactive connections count for."""
CostOf = Callable[[Key], int]
"""A destination's cost at this moment, by its key."""


def overhead(active_connections: int, inactive_connections: int) -> int:
    """Return the cost that lc and wlc compare: a connection that is active counts as 256 that are not."""
    return active_connections * 256 + inactive_connections


def expected_delay(active_connections: int, inactive_connections: int) -> int:  # noqa: ARG001 - each cost takes both
    """Return the cost that sed and nq compare: the active connections, the next one included."""
    return active_connections + 1


class Scheduler(Protocol[Key]):
    """One service's scheduler. It keeps its place in the list between the choices."""

    cost: Cost

    def update(self, weights: Mapping[Key, int]) -> None:
        """Take the service's destinations and their weights, in the table's order, whenever they have changed."""

    def choose(self, cost_of: CostOf[Key], client: int) -> Key | None:
        """Return the destination of the next connection; None while there is none above weight 0.

        cost_of: the scheduler's own `cost` of a destination. client: the client's address as a number.
        """


class RoundRobin(Generic[Key]):
    """rr: one after the other, whatever their weights above 0."""

    def __init__(self) -> None:
        self.cost: Cost = overhead
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

    def choose(self, cost_of: CostOf[Key], client: int) -> Key | None:  # noqa: ARG002 - every scheduler is asked alike
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
        self.cost: Cost = overhead
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

    def choose(self, cost_of: CostOf[Key], client: int) -> Key | None:  # noqa: ARG002 - every scheduler is asked alike
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
    """lc: the least cost, whatever the weights above 0; the first of equals."""

    def __init__(self) -> None:
        self.cost: Cost = overhead
        self._keys: list[Key] = []

    def update(self, weights: Mapping[Key, int]) -> None:
        """Keep those that may be chosen."""
        self._keys = [key for key, weight in weights.items() if weight > 0]

    def choose(self, cost_of: CostOf[Key], client: int) -> Key | None:  # noqa: ARG002 - every scheduler is asked alike
        """Return the one with the least cost."""
        return min(self._keys, key=cost_of, default=None)


class WeightedLeastConnection(Generic[Key]):
    """wlc, sed and nq: the least cost for its weight; the first of equals. `idle_first` takes nq's short cut."""

    def __init__(self, cost: Cost, *, idle_first: bool = False) -> None:
        self.cost = cost
        self._idle_first = idle_first
        self._weights: list[tuple[Key, int]] = []

    def update(self, weights: Mapping[Key, int]) -> None:
        """Keep those that may be chosen."""
        self._weights = [(key, weight) for key, weight in weights.items() if weight > 0]

    def choose(self, cost_of: CostOf[Key], client: int) -> Key | None:  # noqa: ARG002 - every scheduler is asked alike
        """Return the one with the least cost / weight, compared as products: no division, no rounding."""
        least: Key | None = None
        least_cost, least_weight = 1, 0  # infinitely much
        for key, weight in self._weights:
            its_cost = cost_of(key)
            if self._idle_first and its_cost == expected_delay(0, 0):
                return key
            if least_cost * weight > its_cost * least_weight:
                least, least_weight, least_cost = key, weight, its_cost
        return least


SH_PLACES = 256
"""The size of sh's table (CONFIG_IP_VS_SH_TAB_BITS 8, as distributions build it)."""
GOLDEN_RATIO_32 = 0x61C88647
"""The factor of the kernel's hash_32."""


class SourceHashing(Generic[Key]):
    """sh: a table of 256 places, filled from the list, one place for each unit of weight; the client's address decides.

    A destination of weight 0 keeps one place, and whoever falls on it is refused.
    """

    def __init__(self) -> None:
        self.cost: Cost = overhead
        self._weights: Mapping[Key, int] = {}
        self._places: list[Key] = []

    def update(self, weights: Mapping[Key, int]) -> None:
        """Fill the table, from the list's front again and again."""
        self._weights = dict(weights)
        turn = [key for key, weight in weights.items() for _ in range(min(max(1, weight), SH_PLACES))]
        self._places = [turn[place % len(turn)] for place in range(SH_PLACES)] if turn else []

    def choose(self, cost_of: CostOf[Key], client: int) -> Key | None:  # noqa: ARG002 - every scheduler is asked alike
        """Return the one whose place the client's address falls on."""
        if not self._places:
            return None
        key = self._places[(_fold(client) * GOLDEN_RATIO_32 & 0xFFFFFFFF) >> 24]
        return key if self._weights[key] > 0 else None


def _fold(address: int) -> int:
    """Return the exclusive or of an address's four 32-bit words; an IPv4 address is one."""
    return (address ^ address >> 32 ^ address >> 64 ^ address >> 96) & 0xFFFFFFFF


MH_PLACES = 4093
MH_WEIGHT_BITS = 6
"""The size of mh's table, and how many bits of weight it tells apart (CONFIG_IP_VS_MH_TAB_INDEX 12)."""


class MaglevHashing(Generic[Key]):
    """mh: a table of 4,093 places, of which each destination takes its favourites in turns as long as its weight.

    (Eisenbud and others, Maglev, NSDI 2016.) A change of weight moves few clients but those that have to move. A
    destination of weight 0 keeps the places it had, and whoever falls on them is refused.
    """

    def __init__(self) -> None:
        self.cost: Cost = overhead
        self._weights: Mapping[Key, int] = {}
        self._last: dict[Key, int] = {}  # the last weight above 0
        self._places: list[Key] = []

    def update(self, weights: Mapping[Key, int]) -> None:
        """Fill the table."""
        before = self._last
        self._last = {key: weight or self._last.get(key, 0) for key, weight in weights.items()}
        if self._last != before:
            self._places = _maglev(self._turns())
        self._weights = dict(weights)

    def _turns(self) -> dict[Key, int]:
        """Return how many places each takes in a round."""
        divisor = math.gcd(*self._last.values()) or 1
        shift = max(0, (max(self._last.values(), default=0) // divisor).bit_length() - MH_WEIGHT_BITS)
        return {key: max(1, weight // divisor >> shift) for key, weight in self._last.items() if weight}

    def choose(self, cost_of: CostOf[Key], client: int) -> Key | None:  # noqa: ARG002 - every scheduler is asked alike
        """Return the one whose place the client's address falls on."""
        if not self._places:
            return None
        key = self._places[_hash(client, 0) % MH_PLACES]
        return key if self._weights[key] > 0 else None


def _maglev(turns: Mapping[Key, int]) -> list[Key]:
    """Return the table: each in turn takes the first place on its own walk that is still free."""
    places: list[Key | None] = [None] * MH_PLACES
    walks = {key: (_hash(key, 1) % MH_PLACES, _hash(key, 2) % (MH_PLACES - 1) + 1) for key in turns}
    taken = 0
    while turns:
        for key, count in turns.items():
            place, skip = walks[key]
            for _ in range(count):
                while places[place] is not None:
                    place = (place + skip) % MH_PLACES
                places[place] = key
                taken += 1
                if taken == MH_PLACES:
                    return [owner for owner in places if owner is not None]
            walks[key] = place, skip
    return []


def _hash(value: Hashable, number: int) -> int:
    """Return one of several hashes of a value, the same in every process."""
    return int.from_bytes(hashlib.blake2b(f"{number} {value}".encode(), digest_size=8).digest())


SCHEDULERS: Mapping[str, Callable[[], Scheduler[Any]]] = {
    "rr": RoundRobin,
    "wrr": WeightedRoundRobin,
    "lc": LeastConnection,
    "wlc": functools.partial(WeightedLeastConnection, overhead),
    "sed": functools.partial(WeightedLeastConnection, expected_delay),
    "nq": functools.partial(WeightedLeastConnection, expected_delay, idle_first=True),
    "sh": SourceHashing,
    "mh": MaglevHashing,
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
