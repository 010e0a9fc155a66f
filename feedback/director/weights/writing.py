"""From the weight that a policy wants to the one that is written: as seldom and as coarse as the scheduler needs.

- A written weight stays until the wanted one has moved by more than the tolerance: a balanced cluster gets no writes.
- `wrr` gets the shortest cycle that is true to within the tolerance. The kernel walks from the largest weight down in
  steps of the greatest common divisor, and serves one destination as often in a row as its weight exceeds the next one
  by such steps: 59, 61, 118, 239 give bursts of 121 where 60, 60, 120, 240 give bursts of 2.
- The hash schedulers and those of locality move clients about when a weight changes, so they are told every half minute
  at most and only of larger steps; then of all that has moved.
- Where weights are no shares (all equal under rr, lc and dh; an order of rank under fo and ovf) the base weights stay.
"""

import math
from collections.abc import Mapping, Sequence

import msgspec

from feedback.director.weights.policy import Member

NO_SHARES = frozenset({"rr", "lc", "dh", "fo", "ovf"})
TOLD_SELDOM = frozenset({"sh", "dh", "mh", "lblc", "lblcr"})
PACE_SECONDS = 30.0
TOLERANCE_RATIO = 0.025
SELDOM_TOLERANCE_RATIO = 0.1
MAX_CYCLE = 50


class Wanted(msgspec.Struct, frozen=True):
    """The weight that a policy wants for one member, and the bounds of what may be written."""

    weight: float
    low: int
    high: int


def bounds(base_weight: int, floor: float, ceiling: float) -> tuple[int, int]:
    """Return the lowest and the highest weight: base * floor and base * ceiling, in whole numbers and at least 1."""
    low = max(1, math.ceil(base_weight * floor - 1e-9))
    return low, max(low, math.floor(base_weight * ceiling + 1e-9))


class Writer:
    """Remembers what one service's members were last given.

    tolerance: how far, as a ratio, the wanted weight may move before it is written; 0 writes every whole number.
    """

    def __init__(self, scheduler: str, tolerance: float) -> None:
        self._scheduler = scheduler
        self._in_cycles = scheduler == "wrr" and tolerance > 0
        self._tolerance = tolerance
        self._trigger = max(tolerance, SELDOM_TOLERANCE_RATIO) if tolerance and scheduler in TOLD_SELDOM else tolerance
        self.pace_seconds = PACE_SECONDS if scheduler in TOLD_SELDOM else 0.0
        self._written: dict[str, int] = {}
        self._meant: dict[str, float] = {}  # the wanted weight at the time of writing
        self._grain = 1
        self._changed_at = -math.inf

    def resolution(self, weight: float) -> float:
        """Return the ratio by which the written weight may be off the wanted one."""
        return max(self._trigger, self._grain / max(weight, 1.0))

    def write(self, now: float, members: Mapping[str, Member], wanted: Mapping[str, Wanted]) -> dict[str, int]:
        """Return a weight for every member: within its bounds, 0 for those of base weight 0. `now` never goes back.

        Who comes in is given its weight at once under every scheduler: it moves clients about anyway.
        """
        if self._scheduler in NO_SHARES:
            return {name: member.base_weight for name, member in members.items()}
        newcomers = wanted.keys() - self._written.keys()
        self._remember(members, wanted)
        due = {name for name, want in wanted.items() if self._has_moved(name, want, self._trigger)}
        if due & newcomers or (due and now - self._changed_at >= self.pace_seconds):
            self._changed_at = now
            self._take({name: want for name, want in wanted.items() if self._has_moved(name, want, self._tolerance)})
            if self._in_cycles:
                self._take_cycle(wanted)
        return {name: self._within(name, wanted) for name in members}

    def _remember(self, members: Mapping[str, Member], wanted: Mapping[str, Wanted]) -> None:
        """Forget who has left; of who is new, the weight in the table is what was written."""
        self._written = {name: self._written.get(name, members[name].weight) for name in wanted}
        self._meant = {name: self._meant.get(name, float(members[name].weight)) for name in wanted}

    def _has_moved(self, name: str, want: Wanted, tolerance: float) -> bool:
        """Say whether another weight is due; 0.6 is above 0.5, so that no rounding goes to and fro."""
        moved = abs(want.weight - self._meant[name]) > tolerance * self._meant[name]
        return moved and abs(want.weight - self._written[name]) > 0.6

    def _take(self, wanted: Mapping[str, Wanted]) -> None:
        self._meant.update({name: want.weight for name, want in wanted.items()})
        self._written.update({name: round(want.weight) for name, want in wanted.items()})

    def _take_cycle(self, wanted: Mapping[str, Wanted]) -> None:
        """Write all of them anew: a cycle is theirs together."""
        self._take(wanted)
        cycle, self._grain = shortest_cycle({name: want.weight for name, want in wanted.items()}, self._tolerance)
        self._written.update(cycle)

    def _within(self, name: str, wanted: Mapping[str, Wanted]) -> int:
        if name not in wanted:
            return 0
        return min(max(self._written[name], wanted[name].low), wanted[name].high)


def shortest_cycle(wanted: Mapping[str, float], tolerance: float) -> tuple[dict[str, int], int]:
    """Return weights in the ratios of `wanted`, all multiples of one unit, and their grain.

    The largest is as few units as keep every weight true to within `tolerance`; then the grain is 1. Where no number
    up to `MAX_CYCLE` does, the one that is nearest for the worst is taken, and the grain is its unit.
    """
    weights = sorted(wanted.values())  # small ones are off by most, so what does not fit shows early
    cycles = range(1, max(1, min(MAX_CYCLE, round(weights[-1]))) + 1)
    units = {cycle: max(1, round(weights[-1] / cycle)) for cycle in cycles}
    true = next((it for it in cycles if _worst_error(weights, it, units[it], tolerance) <= tolerance), None)
    cycle = true or _nearest(weights, units)
    written = {name: _in_units(weight, cycle, units[cycle]) for name, weight in wanted.items()}
    return written, 1 if true else units[cycle]


def _nearest(weights: Sequence[float], units: Mapping[int, int]) -> int:
    """Return the cycle whose worst weight is off by least."""
    nearest, found = math.inf, 1
    for cycle, unit in units.items():
        error = _worst_error(weights, cycle, unit, nearest)
        if error < nearest:
            nearest, found = error, cycle
    return found


def _worst_error(weights: Sequence[float], cycle: int, unit: int, enough: float) -> float:
    """Return how far the worst of the weights is off as a ratio. Beyond `enough` it does not matter how far."""
    worst = 0.0
    for weight in weights:
        error = abs(_in_units(weight, cycle, unit) / weight - 1.0)
        if error > worst:
            worst = error
            if worst > enough:
                break
    return worst


def _in_units(weight: float, cycle: int, unit: int) -> int:
    return min(max(1, round(weight / unit)), cycle) * unit
