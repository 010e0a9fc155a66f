"""The base weights, whatever the load."""

from collections.abc import Mapping

from feedback.director.weights.policy import Member, Policy, Terms
from feedback.director.weights.slow_start import ramp
from feedback.director.weights.track import Clock
from feedback.director.weights.writing import Wanted, Writer


class StaticPolicy(Policy, name="static"):
    """Give every destination its base weight."""

    def __post_init__(self) -> None:
        self._clock = Clock()
        self._writer = Writer(self.scheduler, in_cycles=False)
        self._members: Mapping[str, Member] = {}

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return base weight * slow start."""
        self._clock.advance(now)
        self._members = members
        wanted = {name: self._weigh(member) for name, member in members.items() if member.base_weight > 0}
        return self._writer.write(self._clock.seconds, members, wanted)

    def terms(self) -> dict[str, Terms]:
        """Return what the last step's weights are made of."""
        return {
            name: self._writer.explain(name, "slow_start" if member.usable_seconds < self.slow_start else "")
            for name, member in self._members.items()
            if member.base_weight > 0
        }

    def _weigh(self, member: Member) -> Wanted:
        base, share = member.base_weight, ramp(member.usable_seconds, self.slow_start)
        return Wanted(base * share, base if share == 1.0 else 1, base, tolerance=0.0)
