"""What a cycle of `wrr` costs in response time, and which one costs least. Pure.

The kernel serves a cycle in turns: from the largest weight down, whoever still has one gets a connection at each level.
So who has many more turns than the others gets several in a row, and then none for long. For a server that shares
itself among its requests, with the capacity C in requests per second, at the rate x:

    mean response time = 1/C * (1 + rho / (1 - rho) * (ca2 + 1) / 2)       rho = x / C
    ca2 = (mean(k) + var(k)) / mean(k)^2                                   k: turns from one of its own to the next

ca2 is the squared coefficient of variation of the times between its arrivals, of which each is a sum of k exponential
ones; (ca2 + 1) / 2 is Kingman's correction (Proc. Cambridge Phil. Soc. 57, 1961), and without it the formula is exact
for processor sharing (Kleinrock, Queueing Systems II, 4.4). Simulated clusters are within a tenth of it.
"""

import math
from collections.abc import Iterator, Mapping

Turns = Mapping[str, int]

FULL_RATIO = 0.98
MOST_TURNS = 24
FEW_SERVERS = 20
WORK = 10_000  # what may be looked at, in turns
AS_GOOD = 1.02  # times the least: what is known of capacities is no better, and of such the shortest is taken
BETTER = 0.9999
STEPS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def mean_seconds(turns: Turns, capacities: Mapping[str, float], rate: float) -> float:
    """Return the mean response time of all requests; infinite where a server is full."""
    total, mean = sum(turns.values()), 0.0
    burst = bursts(turns)
    for name, count in turns.items():
        share, capacity = count / total, capacities[name]
        busy = share * rate / capacity
        if busy >= FULL_RATIO:
            return math.inf
        mean += share / capacity * (1.0 + busy / (1.0 - busy) * burst[name])
    return mean


def bursts(turns: Turns) -> dict[str, float]:
    """Return (ca2 + 1) / 2 of each server."""
    total = sum(turns.values())
    burst: dict[str, float] = {}
    for name, square in gap_squares(turns).items():
        share, count = turns[name] / total, turns[name]
        burst[name] = (share + square * share * share / count) / 2.0  # 1 / mean(k) + mean(k^2) / mean(k)^2
    return burst


def gap_squares(turns: Turns) -> dict[str, int]:
    """Return the sum of the squares of each server's gaps in a cycle, as the kernel serves it."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    squares = dict.fromkeys(turns, 0)
    for place, name in enumerate(served(turns)):
        if name in last:
            squares[name] += (place - last[name]) ** 2
        else:
            first[name] = place
        last[name] = place
    total = sum(turns.values())
    return {name: square + (first[name] + total - last[name]) ** 2 for name, square in squares.items()}


def served(turns: Turns) -> Iterator[str]:
    """Yield who is served one after the other in a cycle (ip_vs_wrr_schedule)."""
    for level in range(max(turns.values()), 0, -1):
        for name, count in turns.items():
            if count >= level:
                yield name


def least_headroom(capacities: Mapping[str, float], rate: float) -> float:
    """Return kappa of the split with the least mean response time: everyone's headroom is kappa * sqrt(capacity)."""
    return max(0.0, sum(capacities.values()) - rate) / sum(map(math.sqrt, capacities.values()))


class Search:
    """The search for the cycle with the least mean response time."""

    def __init__(self, capacities: Mapping[str, float], rate: float) -> None:
        self._capacities = capacities
        self._rate = rate
        self._most = max(1, min(MOST_TURNS, math.isqrt(WORK // len(capacities))))
        self._tried: dict[tuple[int, ...], tuple[float, Turns]] = {}

    def best(self) -> Turns:
        """Return the shortest of the best cycles; none where all leave some server full."""
        for turns in self._rounded():
            self._try(turns)
        seconds, turns = min(self._tried.values(), key=lambda tried: tried[0])
        if math.isinf(seconds):
            return {}
        if len(turns) <= FEW_SERVERS:
            seconds = self._climb(seconds, turns)
        good = [turns for tried, turns in self._tried.values() if tried <= AS_GOOD * seconds]
        return min(good, key=lambda turns: sum(turns.values()))

    def _rounded(self) -> Iterator[Turns]:
        """Yield cycles of every length between shares by capacity and those that are best without any bursts."""
        kappa = least_headroom(self._capacities, self._rate)
        for step in STEPS:
            shares = {
                name: max(capacity - step * kappa * math.sqrt(capacity), capacity / 1000.0)
                for name, capacity in self._capacities.items()
            }
            largest = max(shares.values())
            for most in range(1, self._most + 1):
                yield {name: max(1, round(share * most / largest)) for name, share in shares.items()}

    def _climb(self, seconds: float, turns: Turns) -> float:
        """Go on from a cycle to the best of its neighbours until there is no better one; return its time."""
        while True:
            near = [
                {**turns, name: count + more}
                for name, count in turns.items()
                for more in (1, -1)
                if 1 <= count + more <= self._most
            ]
            least, better = min(((self._try(each), each) for each in near), key=lambda tried: tried[0])
            if least >= BETTER * seconds:
                return seconds
            seconds, turns = least, better

    def _try(self, turns: Turns) -> float:
        key = tuple(turns.values())
        if key not in self._tried:
            self._tried[key] = mean_seconds(turns, self._capacities, self._rate), turns
        return self._tried[key][0]
