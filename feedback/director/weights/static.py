"""The base weights, whatever the load."""

from collections.abc import Mapping

from feedback.director.weights.policy import Member, Policy
from feedback.director.weights.slow_start import ramp
from feedback.director.weights.track import Clock
from feedback.director.weights.writing import Wanted, Writer


class StaticPolicy(Policy, name="static"):
    """Give every destination its base weight."""

    def __post_init__(self) -> None:
        self._clock = Clock()
        self._writer = Writer(self.scheduler, in_cycles=False)

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return base weight * slow start."""
        self._clock.advance(now)
        wanted = {name: self._weigh(member) for name, member in members.items() if member.base_weight > 0}
        return self._writer.write(self._clock.seconds, members, wanted)

    def _weigh(self, member: Member) -> Wanted:
        base, share = member.base_weight, ramp(member.usable_seconds, self.slow_start)
        return Wanted(base * share, base if share == 1.0 else 1, base, tolerance=0.0)
