"""The demo's realserver has one worker and a queue in front of it. Pure."""

import math


class Worker:
    """Serves requests one after the other, each for `service_seconds`. `now` in monotonic seconds.

    It knows each request's end when the request comes, so its queue is exact however late timers are.
    """

    def __init__(self, service_seconds: float) -> None:
        self.service_seconds = service_seconds
        self._free_at = 0.0
        self._taken_seconds = 0.0

    def take(self, now: float) -> float:
        """Queue a request and return when it will be done."""
        self._free_at = max(now, self._free_at) + self.service_seconds
        self._taken_seconds += self.service_seconds
        return self._free_at

    def busy_seconds(self, now: float) -> float:
        """Return for how long the worker has worked since its start."""
        return self._taken_seconds - self._backlog_seconds(now)

    def depth(self, now: float) -> int:
        """Return how many requests are not done, the one at work included."""
        return math.ceil(self._backlog_seconds(now) / self.service_seconds - 1e-9)

    def _backlog_seconds(self, now: float) -> float:
        return max(0.0, self._free_at - now)
