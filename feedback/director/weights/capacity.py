"""What a server can do, learned from how busy it is and how many connections it has at a time. Pure.

A server that shares itself among its requests, and does other work besides, is busy for the ratio u and has n requests
at a time on the mean, of x that come each second:

    n = rho + B rho^2 / (1 - rho)      rho: busy with requests, of what other work leaves   (M/G/1, processor sharing)
    b = (u - rho) / (1 - rho)          busy with other work
    C = x (1 - b) / (u - b)            requests per second that it could do

B says how much requests come in bursts: 1 by chance, less where a scheduler spreads them. Where connections last beyond
their request, or several cores work at a time, n says more than there is, and B comes out large: nothing is to be built
on that. u alone does not tell b, and n is chance: b is a mean over minutes.
"""

import math

from feedback.director.weights.policy import Member
from feedback.director.weights.track import between, lag

MEAN_SECONDS = 600.0
NEW_SECONDS = 30.0
MOST_OTHER = 0.9  # of what a server is busy, other work
EVIDENT = (1.0, 3.0)  # standard deviations of b: those of n, which has the variance n (n + 1), in b
LEAST_BUSY, MOST_BUSY = 0.01, 0.99
LEAST_RATE = 0.01
CHANGED = 0.35  # of the logarithm of C: less may be other clients
SURE = 5.0  # standard deviations
DISPERSION = 3.0  # of the work of a request, and of their number


class Capacity:
    """That of one server.

    seconds: that the means are over: since the last change. age: since the first step. bursts: B, for whoever knows.
    """

    __slots__ = ("age", "bursts", "connections", "newest_rate", "newest_utilization", "rate", "seconds", "utilization")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.age = 0.0
        self.bursts = 1.0
        self.connections = 0.0
        self.rate = self.newest_rate = 0.0
        self.utilization = self.newest_utilization = 0.0

    def follow(self, step: float, member: Member, utilization: float) -> None:
        """Take one step's counters and report."""
        self.age += step
        self.seconds = min(self.seconds + step, MEAN_SECONDS)
        way = lag(step, self.seconds)
        new = way if self.seconds < NEW_SECONDS else lag(step, NEW_SECONDS)
        rate = member.new_connections / step
        self.newest_rate += new * (rate - self.newest_rate)
        self.newest_utilization += new * (utilization - self.newest_utilization)
        self.connections += way * (member.active_connections - self.connections)
        self.rate += way * (rate - self.rate)
        self.utilization += way * (utilization - self.utilization)
        if self.seconds > 2.0 * NEW_SECONDS and self._has_changed():
            self.seconds = NEW_SECONDS
            self.rate, self.utilization = self.newest_rate, self.newest_utilization

    def _has_changed(self) -> bool:
        """Say whether the newest requests cost more or less than those before, and not by chance."""
        other = self.other
        still_other = min(other, MOST_OTHER * self.newest_utilization)
        newest = self.newest_rate / max(self.newest_utilization - still_other, LEAST_BUSY)
        before = self.rate / max(self.utilization - other, LEAST_BUSY)
        change = abs(math.log((newest + LEAST_RATE) / (before + LEAST_RATE)))
        if change <= CHANGED:
            return False
        return change > SURE * math.sqrt(DISPERSION / NEW_SECONDS / max(self.newest_rate, LEAST_RATE))

    @property
    def is_counted(self) -> bool:
        """Whether requests come, and are counted."""
        return self.rate >= LEAST_RATE and self.connections > 0.0

    @property
    def own_bursts(self) -> float:
        """B as it would be if the server did no other work."""
        busy = min(max(self.utilization, LEAST_BUSY), MOST_BUSY)
        return (self.connections - busy) * (1.0 - busy) / busy**2

    @property
    def other(self) -> float:
        """Return b, as far as it is sure: n has a spread of its own, and the more so the less time there was."""
        busy = self._with_requests
        other = min((self.utilization - busy) / (1.0 - busy), MOST_OTHER * self.utilization)
        if other <= 0.0:
            return 0.0
        likely = math.sqrt(busy / max(self.seconds, 1.0))
        return other * between(other / (likely + 1e-6), *EVIDENT)

    def requests_per_second(self, other: float) -> float:
        """Return C, where b is this."""
        return self.rate * (1.0 - other) / max(self.utilization - other, LEAST_BUSY)

    @property
    def _with_requests(self) -> float:
        """Return rho: the root of n (1 - rho) = rho (1 - rho) + B rho^2, with (1 - n)^2 + 4 B n under the root."""
        one, more = 1.0 + self.connections, self.bursts - 1.0
        return 2.0 * self.connections / (one + math.sqrt(one * one + 4.0 * more * self.connections))
