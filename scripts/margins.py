"""Prints how far the loop of `equalize` is from swinging: the table in docs/weights.md. Pure.

    L(s) = gain * exp(-s * d) / (T * s * (1 + s * f))

    T: the time constant with which weights follow an error that is news     f: that of the filter of utilization
    d: seconds from what a server does to a report that is acted on          gain: d ln(utilization) / d ln(weight)

Astrom and Murray, Feedback Systems, 2nd edition, section 10.3. `make plots` runs it; a test compares it with the page.
"""

import math
import sys

import msgspec

from feedback.director.weights.equalize import REPORT_LAG_SECONDS
from feedback.director.weights.writing import PACE_SECONDS
from feedback.simulator.scenario import Reports

RESPONSES_SECONDS = (2.0, 5.0, 10.0, 30.0, 120.0)
REPORTED_SECONDS = Reports().interval_seconds
FILTER_SHARE = 8.0
LAGS = 4.0
BISECTIONS = 60

HEAD = """\
| `response` | T | gain | phase | delay | `sh`, `mh`, `lblc`, `lblcr`: T | gain | phase | delay |
|---|---|---|---|---|---|---|---|---|
"""


class Loop(msgspec.Struct, frozen=True, kw_only=True):
    """A loop with an integrator, a first-order lag and dead time. All in seconds, angular frequencies in 1/s."""

    follow_seconds: float
    filter_seconds: float
    delay_seconds: float
    gain: float = 1.0

    def crossover(self) -> float:
        """Return the frequency at which what comes round is as large as what went in: |L| = 1."""
        rate = self.gain / self.follow_seconds
        return rate * math.sqrt(2.0 / (1.0 + math.sqrt(1.0 + (2.0 * self.filter_seconds * rate) ** 2)))

    def turning(self) -> float:
        """Return the frequency at which what comes round is turned by half a turn; infinite where none is."""
        if not self.delay_seconds:
            return math.inf
        low, high = 0.0, math.pi / 2.0 / self.delay_seconds
        for _ in range(BISECTIONS):
            middle = (low + high) / 2.0
            low, high = (middle, high) if self._behind(middle) < math.pi / 2.0 else (low, middle)
        return high

    def gain_margin(self) -> float:
        """Return by how much more strongly servers could answer to weights before it swings."""
        frequency = self.turning()
        return frequency * self.follow_seconds * math.hypot(1.0, frequency * self.filter_seconds) / self.gain

    def phase_margin(self) -> float:
        """Return how far, in radians, it is from half a turn where |L| = 1. Below 0 it swings ever more."""
        return math.pi / 2.0 - self._behind(self.crossover())

    def delay_margin_seconds(self) -> float:
        """Return by how much older reports could be before it swings."""
        return self.phase_margin() / self.crossover()

    def _behind(self, frequency: float) -> float:
        """Return how far dead time and filter turn it; the integrator adds a quarter of a turn."""
        return frequency * self.delay_seconds + math.atan(frequency * self.filter_seconds)


def loop_of(response_seconds: float, pace_seconds: float = 0.0, interval_seconds: float = REPORTED_SECONDS) -> Loop:
    """Return the loop of `equalize` while an error is news.

    Utilization is that of an interval, so it is half an interval old when it is reported. `REPORT_LAG_SECONDS` more may
    pass until it is acted on: what the policy reckons with, at one report a second. Longer intervals make reports older
    by half of what they are longer when they come, and by the other half until the next. Weights that are written every
    `pace_seconds` at most are half of that old on average.
    """
    filter_seconds = response_seconds / FILTER_SHARE
    hold_seconds = REPORT_LAG_SECONDS + pace_seconds / 2.0
    return Loop(
        follow_seconds=max(response_seconds, LAGS * (filter_seconds + hold_seconds)),
        filter_seconds=filter_seconds,
        delay_seconds=REPORTED_SECONDS / 2.0 + hold_seconds + interval_seconds - REPORTED_SECONDS,
    )


def table() -> str:
    """Return the margins as a table in Markdown."""
    return HEAD + "".join(
        f"| {response:g} s | {_cells(loop_of(response))} | {_cells(loop_of(response, PACE_SECONDS))} |\n"
        for response in RESPONSES_SECONDS
    )


def _cells(loop: Loop) -> str:
    degrees = math.degrees(loop.phase_margin())
    return (
        f"{loop.follow_seconds:.3g} s | {loop.gain_margin():.1f} | {degrees:.0f}° | {loop.delay_margin_seconds():.3g} s"
    )


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n")
