"""A weight policy of one's own: half of the base weight for whoever is busy."""

from collections.abc import Mapping

from feedback.director.weights import NO_SHARES, Member, Policy, bounds

BUSY, IDLE = 0.8, 0.6
"""One who is above the first is busy, until he is below the second: between them nothing goes to and fro."""

FORGET_SECONDS = 60.0


class TwoSpeedsPolicy(Policy, name="two_speeds"):
    """Give a busy destination half of its base weight, until it is idle again."""

    def __post_init__(self) -> None:
        self._busy: dict[str, float] = {}  # since when nothing else has been heard of them

    def step(self, now: float, members: Mapping[str, Member]) -> dict[str, int]:
        """Return a weight for each member."""
        for name, member in members.items():
            self._judge(now, name, member.utilization)
        return {name: self._weigh(member, busy=name in self._busy) for name, member in members.items()}

    def _judge(self, now: float, name: str, utilization: float | None) -> None:
        """Note who is busy. Of one who does not say it goes on to count for a minute."""
        if utilization is None:
            if now - self._busy.get(name, now) > FORGET_SECONDS:
                del self._busy[name]
        elif utilization > BUSY or (name in self._busy and utilization > IDLE):
            self._busy[name] = now
        else:
            self._busy.pop(name, None)

    def _weigh(self, member: Member, *, busy: bool) -> int:
        base = member.base_weight
        if base == 0 or self.scheduler in NO_SHARES:
            return base
        low, high = bounds(base, self.floor, self.ceiling)
        return min(max(base // 2 if busy else base, low), high)
