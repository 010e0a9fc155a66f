"""The least mean response time: fast servers are busier than slow ones, as they make less of it.

    headroom_i = C_i (1 - rho_i) = kappa sqrt(C_i)       the least sum of x_i / (C_i - x_i), for the same sum of x_i

C_i is what each server can do (`capacity`), x_i what it gets; kappa follows from all that comes in. So each is led to a
utilization of its own instead of the mean, by the same loop as `equalize`, whose level it is taken off. (Square root
assignment: Kleinrock, Queueing Systems II, 5.7; for servers: Tantawi and Towsley, J. ACM 32, 1985.)

Under `wrr` what comes in bursts costs more than what the split gains, and shares are just what is written. There the
cycle that is predicted to be fastest is written as it is (`cycles`), until another one would be faster by 5 %.

Where this is not known it is `equalize`: for two minutes after a start or after somebody has come in, where connections
outlast their requests by much, where many cores share the work, and (but for `wrr`) where hardly anything is left.
"""

import math
from collections.abc import Iterable, Mapping
from statistics import fmean, median_high

import msgspec

from feedback.director.weights.capacity import Capacity
from feedback.director.weights.cycles import WORK, Search, Turns, bursts, least_headroom, mean_seconds
from feedback.director.weights.equalize import EqualizePolicy
from feedback.director.weights.evidence import WARY
from feedback.director.weights.levels import U0
from feedback.director.weights.policy import Member
from feedback.director.weights.track import Track, between
from feedback.director.weights.writing import Wanted

LEARNT_SECONDS = (30.0, 120.0)
LEAST_BURSTS = 0.2
MANY_BURSTS = (3.0, 5.0)
FULL = (0.8, 0.92)
LEAST_SHARE = 0.5  # of the mean of rho: of the slow ones too, something has to come back to learn from
MOST_BUSY = 0.99
AIM_SECONDS = 4.0
LOOK_SECONDS = 10.0
WORTH = 1.05


class LatencyPolicy(EqualizePolicy, name="latency"):
    """Move weights until the mean response time is least."""

    _alarm = WARY

    def __post_init__(self) -> None:
        super().__post_init__()
        self._capacities: dict[str, Capacity] = {}
        self._bursts_of: tuple[Mapping[str, int], Mapping[str, float]] = {}, {}
        self._turns: Turns = {}
        self._looked_at = -math.inf
        self._aimed: Mapping[str, float] = {}
        self._aimed_at = -math.inf

    def _aims(self, step: float, members: Mapping[str, Member], busy: Mapping[str, float]) -> Mapping[str, float]:
        """Return how busy each is to be, in logarithms, as far as capacities are known.

        These are means over minutes: what follows of them is worked out now and then.
        """
        is_same = self._capacities.keys() == busy.keys()
        self._follow(step, members, busy)
        if is_same and self._clock.seconds - self._aimed_at < AIM_SECONDS:
            return self._aimed
        self._aimed_at, self._aimed = self._clock.seconds, {}
        known = self._known(members, busy)
        if known == 0.0 or self._turns.keys() != busy.keys():
            self._turns = {}
        if known > 0.0:
            self._aimed = self._aim(known, busy)
        return self._aimed

    def _aim(self, known: float, busy: Mapping[str, float]) -> dict[str, float]:
        """Work out the aims, as far as `known`, from 0 to 1."""
        others = {name: capacity.other for name, capacity in self._capacities.items()}
        capacities = {name: each.requests_per_second(others[name]) for name, each in self._capacities.items()}
        rate = sum(capacity.rate for capacity in self._capacities.values())
        if self.scheduler == "wrr" and known == 1.0:
            self._look(capacities, rate)
        if not self._turns:
            known *= 1.0 - between(fmean(busy.values()), *FULL)  # where little is left, a little error is all of it
        shares = self._turns or split(capacities, rate)
        total = sum(shares.values())
        aims: dict[str, float] = {}
        for name, other in others.items():
            rho = min(shares[name] / total * rate / capacities[name], MOST_BUSY)
            aims[name] = known * math.log(other + (1.0 - other) * rho + U0)
        return aims

    def _follow(self, step: float, members: Mapping[str, Member], busy: Mapping[str, float]) -> None:
        """Follow what servers do."""
        self._capacities = {name: self._capacities.get(name) or Capacity() for name in busy}
        for name, capacity in self._capacities.items() if step else ():
            said = members[name].utilization
            capacity.follow(step, members[name], busy[name] if said is None else said)

    def _known(self, members: Mapping[str, Member], busy: Mapping[str, float]) -> float:
        """Return from 0 to 1 how far it is known what servers can do."""
        capacities = self._capacities.values()
        if not all(capacity.is_counted for capacity in capacities):
            return 0.0
        # Most servers do no other work: what they have in common is how their requests come
        in_turns = self._in_turns(members, busy) if self.scheduler == "wrr" else {}
        usual = median_high(each.own_bursts / in_turns.get(name, 1.0) for name, each in self._capacities.items())
        likely = min(max(usual, LEAST_BURSTS), 1.0)
        for name, capacity in self._capacities.items():
            capacity.bursts = in_turns.get(name, likely)
        return between(min(c.age for c in capacities), *LEARNT_SECONDS) * (1.0 - between(usual, *MANY_BURSTS))

    def _in_turns(self, members: Mapping[str, Member], names: Iterable[str]) -> Mapping[str, float]:
        """Return B of each by the weights in the table, by which connections are given in turns."""
        weights = {name: members[name].weight for name in names}
        if not all(weights.values()):
            return {}
        if weights != self._bursts_of[0]:
            unit = math.gcd(*weights.values())
            turns = {name: weight // unit for name, weight in weights.items()}
            self._bursts_of = weights, bursts(turns) if sum(turns.values()) <= WORK else {}
        return self._bursts_of[1]

    def _look(self, capacities: Mapping[str, float], rate: float) -> None:
        """See whether another cycle would be faster."""
        if self._turns and self._clock.seconds - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = self._clock.seconds
        best = Search(capacities, rate).best()
        if self._turns and best:
            foretold = mean_seconds(best, capacities, rate)
            if mean_seconds(self._turns, capacities, rate) <= WORTH * foretold:
                return
        self._turns = best

    def _write(
        self, members: Mapping[str, Member], tracks: Mapping[str, Track], wanted: Mapping[str, Wanted]
    ) -> dict[str, int]:
        """Write the cycle where there is one: of all members, for shares are theirs together."""
        if not self._turns or self._turns.keys() != tracks.keys():
            return super()._write(members, tracks, wanted)
        unit = max(1, round(math.exp(fmean(math.log(members[n].base_weight / t) for n, t in self._turns.items()))))
        whole = {
            name: msgspec.structs.replace(wanted[name], weight=turns * unit) for name, turns in self._turns.items()
        }
        weights = dict.fromkeys(members, 0) | self._writer.adopt(whole)
        for name, track in tracks.items():
            track.ratio = weights[name] / members[name].base_weight
        return weights


def split(capacities: Mapping[str, float], rate: float) -> dict[str, float]:
    """Return the rates with the least mean response time, but for the slowest: these get something all the same."""
    rates: dict[str, float] = {}
    least = LEAST_SHARE * rate / sum(capacities.values())
    left = dict(capacities)
    while True:
        kappa = least_headroom(left, rate - sum(rates.values()))
        slow = [name for name, capacity in left.items() if 1.0 - kappa / math.sqrt(capacity) < least]
        if not slow or len(slow) == len(left):
            return rates | {
                name: max(capacity - kappa * math.sqrt(capacity), least * capacity) for name, capacity in left.items()
            }
        rates |= {name: least * left.pop(name) for name in slow}
