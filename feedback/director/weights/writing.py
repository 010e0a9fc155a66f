"""From the weight that a policy wants to the one that is written: as seldom and as coarse as the scheduler needs.

- A written weight stays as long as it is true to the wanted one within its tolerance.
- `wrr` gets the shortest cycle that is true to within the tolerances, and another one when a weight is off by 1.6 times
  its own. The kernel walks from the largest weight down in steps of the greatest common divisor, and serves one
  destination as often in a row as its weight exceeds the next one by such steps: 59, 61, 118, 239 give bursts of 121
  where 60, 60, 120, 240 give bursts of 2.
- The hash schedulers and those of locality move clients about when a weight changes, so they are told every half minute
  at most and only of larger steps; then of all that has moved.
- Where weights are no shares (all equal under rr, lc and dh; an order of rank under fo and ovf) the base weights stay.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from feedback.director.weights.policy import Bound, Member, Terms

NO_SHARES = frozenset({"rr", "lc", "dh", "fo", "ovf"})
TOLD_SELDOM = frozenset({"sh", "dh", "mh", "lblc", "lblcr"})
PACE_SECONDS = 30.0
TOLERANCE_RATIO = 0.025
FINEST_RATIO = 0.002  # as fine as weights are of use, however large they are
SELDOM_TOLERANCE_RATIO = 0.1
MAX_CYCLE = 50
SCALE_RATIO = 0.04  # by which all weights may be off together
TRIGGER = 1.6  # times the tolerance, of what is written anew in a cycle
FEW = 32  # members whose cycle is always written whole
ROUNDED_OFF = 0.6  # of a whole number: above a half, so that nothing is rounded to and fro


class Wanted(msgspec.Struct, frozen=True):
    """The weight that a policy wants for one member, and the bounds of what may be written.

    tolerance: how far, as a ratio, the written weight may be off. 0 writes every whole number.
    """

    weight: float
    low: int
    high: int
    tolerance: float = TOLERANCE_RATIO


@lru_cache(maxsize=1024)
def bounds(base_weight: int, floor: float, ceiling: float) -> tuple[int, int]:
    """Return the lowest and the highest weight: base * floor and base * ceiling, in whole numbers and at least 1."""
    low = max(1, math.ceil(base_weight * floor - 1e-9))
    return low, max(low, math.floor(base_weight * ceiling + 1e-9))


class Cycle(msgspec.Struct, frozen=True):
    """Weights in whole multiples of one unit.

    scale: of all of them, to those wanted: only ratios count. worst_ratio: how far the worst one is off, apart from
    that. coarse_ratio: the same where that is more than it should be, else 0.
    """

    weights: dict[str, int] = {}
    unit: int = 1
    scale: float = 1.0
    worst_ratio: float = 0.0
    coarse_ratio: float = 0.0


class Writer:
    """Remembers what one service's members were last given.

    in_cycles: whether `wrr` gets short cycles, or whatever is wanted.
    """

    def __init__(self, scheduler: str, *, in_cycles: bool = True) -> None:
        self._scheduler = scheduler
        self._in_cycles = in_cycles and scheduler == "wrr"
        self._least_trigger = SELDOM_TOLERANCE_RATIO if scheduler in TOLD_SELDOM else 0.0
        self._finest_ratio = self._least_trigger or FINEST_RATIO
        self.pace_seconds = PACE_SECONDS if scheduler in TOLD_SELDOM else 0.0
        self._written: dict[str, int] = {}
        self._wanted: Mapping[str, Wanted] = {}
        self._cycle = Cycle()
        self._changed_at = -math.inf

    def resolution(self, weight: float) -> float:
        """Return the ratio by which a written weight may have to be off, for want of finer ones or of permission."""
        coarse = max(self._coarse(weight), self._finest_ratio) if self._cycle.coarse_ratio else self._finest_ratio
        rounded_off = 0.5 / weight if weight > 1.0 else 0.5
        if rounded_off > coarse:
            return rounded_off
        return coarse

    def write(self, now: float, members: Mapping[str, Member], wanted: Mapping[str, Wanted]) -> dict[str, int]:
        """Return a weight for every member: within its bounds, 0 for those of base weight 0. `now` never goes back.

        Who comes in is given its weight at once under every scheduler: it moves clients about anyway.
        """
        self._wanted = wanted
        if self._scheduler in NO_SHARES:
            return {name: member.base_weight for name, member in members.items()}
        newcomers = wanted.keys() - self._written.keys()
        if newcomers or len(wanted) < len(self._written):
            self._written = {name: self._written.get(name, members[name].weight) for name in wanted}
        off = self._off_in_cycle(wanted) if self._in_cycles else self._off(wanted)
        moved = {name for name, ratio in off.items() if ratio > wanted[name].tolerance}
        due = {name for name in moved if off[name] > self._least_trigger}
        if due & newcomers or (due and now - self._changed_at >= self.pace_seconds):
            self._changed_at = now
            if self._in_cycles:
                self._cycle = mended(self._cycle, wanted, due) or shortest_cycle(wanted)
                self._written.update(self._cycle.weights)
            else:
                self._written |= {name: round(wanted[name].weight) for name in moved}
        return dict.fromkeys(members, 0) | self._within(wanted)

    def adopt(self, wanted: Mapping[str, Wanted]) -> dict[str, int]:
        """Return weights that are wanted just as they are, within their bounds."""
        self._wanted, self._cycle = wanted, Cycle()
        self._written = {name: round(want.weight) for name, want in wanted.items()}
        return self._within(wanted)

    def explain(self, name: str, limit: Bound, **known: Any) -> Terms:
        """Return a member's terms as of the last `write`. `limit`: what already bounds what is wanted."""
        want = self._wanted[name]
        tolerance = max(want.tolerance, self._least_trigger)
        if self._in_cycles:
            tolerance = TRIGGER * tolerance + self._coarse(want.weight)
        bound = self._bound(name, limit, tolerance)
        return Terms(wanted_weight=want.weight, tolerance_ratio=tolerance, bound=bound, **known)

    def _bound(self, name: str, limit: Bound, tolerance: float) -> Bound:
        if self._scheduler in NO_SHARES:
            return "scheduler"
        want = self._wanted[name]
        whole, written = round(want.weight), within(self._written[name], want)
        if limit or whole == written:
            return limit
        if whole < want.low:
            return "floor"
        off = abs(want.weight - written)
        return "tolerance" if off <= max(ROUNDED_OFF, tolerance * want.weight) else "scheduler"

    def _coarse(self, weight: float) -> float:
        """Return by how much a cycle can't help to be off at a weight: half a unit, or what a whole one is too much."""
        coarse = self._cycle.coarse_ratio
        if not coarse:
            return 0.0
        units = self._cycle.unit / max(weight * self._cycle.scale, 1e-9)
        return min(coarse, max(units / 2.0, units - 1.0))

    def _off(self, wanted: Mapping[str, Wanted]) -> dict[str, float]:
        """Return the ratio by which each written weight is off, where some whole number is much nearer."""
        return {
            name: abs(want.weight / (written or 1) - 1.0)
            for name, want in wanted.items()
            if abs(want.weight - (written := self._written[name])) > ROUNDED_OFF
        }

    def _off_in_cycle(self, wanted: Mapping[str, Wanted]) -> dict[str, float]:
        """Return the ratio by which each written share is off, beyond what a cycle can't mend."""
        scale = self._cycle.scale
        return {
            name: (abs(self._written[name] / (want.weight * scale) - 1.0) - self._coarse(want.weight)) / TRIGGER
            for name, want in wanted.items()
        }

    def _within(self, wanted: Mapping[str, Wanted]) -> dict[str, int]:
        """Return what is written, within the bounds of this step."""
        return {name: within(self._written[name], want) for name, want in wanted.items()}


def within(weight: int, want: Wanted) -> int:
    """Return the weight within the bounds that is next to this one."""
    if weight < want.low:
        return want.low
    if weight > want.high:
        return want.high
    return weight


def shortest_cycle(wanted: Mapping[str, Wanted]) -> Cycle:
    """Return the shortest cycle that keeps every weight true to within its tolerance.

    The largest weight is as few units as that needs; `MAX_CYCLE` at the most, and then the truest one is taken.
    """
    most = max(want.weight for want in wanted.values())
    # Small ones are off by most, so what does not fit shows early.
    weights = sorted((want.weight, max(want.tolerance, 1e-6)) for want in wanted.values())
    (unit, scale), least = (1, 1.0), math.inf
    for each in _units(most):
        excess = _excess(weights, each[0] / each[1], least)
        if excess < least:
            (unit, scale), least = each, excess
        if least <= 1.0:
            break
    turns = {name: max(1, round(want.weight * scale / unit)) for name, want in wanted.items()}
    worst_ratio = max(abs(turns[name] * unit / scale / want.weight - 1.0) for name, want in wanted.items())
    return Cycle(
        weights={name: turn * unit for name, turn in turns.items()},
        unit=unit,
        scale=scale,
        worst_ratio=worst_ratio,
        coarse_ratio=worst_ratio if least > 1.0 else 0.0,
    )


def _units(most: float) -> Iterator[tuple[int, float]]:
    """Yield units, so that the largest weight is ever more of them, and scales of all weights, the nearest to 1 first.

    Only ratios count, but a weight that moves with the scale alone is one more to wonder at.
    """
    longest = max(1, min(MAX_CYCLE, round(most)))
    units = {max(1, side(most / turns)) for turns in range(1, longest + 1) for side in (math.floor, math.ceil)}
    found: list[tuple[int, float, int, float]] = []
    for unit in units:
        for turns in {most / unit, max(1, math.floor(most / unit)), math.ceil(most / unit)}:
            scale = turns * unit / most
            if round(turns) <= longest and (abs(scale - 1.0) <= SCALE_RATIO or unit == 1):
                found.append((max(1, round(turns)), abs(scale - 1.0), unit, scale))
    for _, _, unit, scale in sorted(found):
        yield unit, scale


def mended(cycle: Cycle, wanted: Mapping[str, Wanted], due: Iterable[str]) -> Cycle | None:
    """Return the cycle with other turns for those that are due, as the others need not be written for them.

    None where there is none: somebody is new, or the unit is too coarse for one that is due, or too fine; and where few
    share the cycle, as then the shortest one is worth all the writes.
    """
    if len(wanted) <= FEW or not wanted.keys() <= cycle.weights.keys():
        return None
    weights = {name: cycle.weights[name] for name in wanted}
    for name in due:
        true, most = wanted[name].weight * cycle.scale, max(wanted[name].tolerance, cycle.worst_ratio)
        turns = max(1, round(true / cycle.unit))
        if turns > MAX_CYCLE or abs(turns * cycle.unit / true - 1.0) > most:
            return None
        weights[name] = turns * cycle.unit
    return msgspec.structs.replace(cycle, weights=weights)


def _excess(weights: Sequence[tuple[float, float]], unit: float, enough: float) -> float:
    """Return how many times its tolerance the worst weight is off. Beyond `enough` it does not matter how far."""
    worst = 0.0
    for weight, tolerance in weights:
        excess = abs(max(1, round(weight / unit)) * unit / weight - 1.0) / tolerance
        if excess > worst:
            worst = excess
            if worst > enough:
                break
    return worst
