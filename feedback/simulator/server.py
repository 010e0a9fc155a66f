"""A realserver that shares itself equally among its requests (processor sharing). Pure."""

import heapq
from typing import Generic, TypeVar

from feedback.simulator.scenario import ServerSpec

Job = TypeVar("Job")

LEAST_SHARE = 0.01
"""Of its speed, that is always left to requests: other work can slow them down, and not stop them."""


class Server(Generic[Job]):
    """One server. Every method that takes `now` expects it never to go back.

    Requests are served in virtual work: each request under way has had `_served` seconds of work since the server was
    idle for the first time, whoever it is; so a request is over when that has grown by its own work, and time passes
    for all of them by one addition.
    """

    def __init__(self, spec: ServerSpec) -> None:
        self.alive = True
        self.version = 0  # changes with every prediction of the next end
        self.held = 0.0  # speed that connections take by being there
        self._speed = spec.speed
        self._cores = spec.cores
        self._background_ratio = spec.background_ratio
        self._jobs: list[tuple[float, int, Job]] = []
        self._count = 0
        self._served = 0.0
        self._rate = 0.0  # work per second that each request gets
        self._used_ratio = 0.0
        self._busy_seconds = 0.0
        self._at = 0.0
        self._share_out()

    @property
    def jobs(self) -> int:
        """How many requests are under way."""
        return len(self._jobs)

    def add(self, now: float, work: float, job: Job) -> None:
        """Begin a request."""
        self._advance(now)
        self._count += 1
        heapq.heappush(self._jobs, (self._served + work, self._count, job))
        self._share_out()

    def next_end(self) -> float:
        """Return when the next request is over, if nothing changes."""
        return self._at + (self._jobs[0][0] - self._served) / self._rate

    def end(self, now: float) -> Job:
        """End the request that is over now."""
        self._advance(now)
        served, _, job = heapq.heappop(self._jobs)
        self._served = served
        self._share_out()
        return job

    def hold(self, now: float, demand: float) -> None:
        """Give a share of the speed to a connection for as long as it lasts, or take it back."""
        self._advance(now)
        self.held += demand
        self._share_out()

    def change(self, now: float, speed: float | None, background_ratio: float | None) -> None:
        """Become faster or slower."""
        self._advance(now)
        if speed is not None:
            self._speed = speed
        if background_ratio is not None:
            self._background_ratio = background_ratio
        self._share_out()

    def crash(self, now: float) -> list[Job]:
        """Lose every request, and return them."""
        self._advance(now)
        self.alive = False
        lost = [job for _, _, job in self._jobs]
        self._jobs = []
        self.held = 0.0
        self._share_out()
        return lost

    def busy_seconds(self, now: float) -> float:
        """Return for how long all of it has been in use since the start: half in use for 2 s is 1 s."""
        self._advance(now)
        return self._busy_seconds

    def _advance(self, now: float) -> None:
        elapsed = now - self._at
        self._served += elapsed * self._rate
        self._busy_seconds += elapsed * self._used_ratio
        self._at = now

    def _share_out(self) -> None:
        """Work out what each request gets from now on."""
        self.version += 1
        fixed = min(self._background_ratio + self.held / self._speed, 1.0) if self.alive else 0.0
        count = len(self._jobs)
        if count:
            free = max(1.0 - fixed, LEAST_SHARE) * self._speed
            self._rate = free / max(count, self._cores)
            fixed = min(1.0, fixed + (1.0 - fixed) * min(1.0, count / self._cores))
        else:
            self._rate = 0.0
        self._used_ratio = fixed
