"""From what checks that passed say of the weight to the share of its base weight that a destination gets. Pure.

A check's newest hint holds until its next PASS, which brings another or takes it back; a check that falls has no say
any more. Of several checks' hints the lowest decides, as of several resources the one that runs out first does. Those
that give no hint have no say.

An exact hint (an exit status, a word, a 404) is taken as it is, at once. A response time is noise around what it means,
so hints that come of one are filtered, and move the weight only in steps that mean something:

    level += (1 - exp(-step / T)) * (hint - level)        T = max(20 s, 8 intervals); no hint counts as 1
    ratio  = level, whenever the two are more than a tenth apart; and no hint again within a fiftieth of 1
"""

from collections.abc import Mapping

import msgspec

from feedback.director.config import CheckConfig
from feedback.director.weights.track import lag
from feedback.model import CheckResult

FILTER_SECONDS = 20.0
FILTER_INTERVALS = 8
DEADBAND_RATIO = 0.1
NEAR_RATIO = 0.02
MAX_WEIGHT = 65535


class Hint(msgspec.Struct, frozen=True):
    """What one check says of a destination's weight.

    ratio: how much of the base weight it asks for, None for nothing in particular. detail: the result's. level: the
    filter's, of hints that are filtered.
    """

    ratio: float | None
    detail: str = ""
    level: float = 1.0


class Wish(msgspec.Struct, frozen=True):
    """The hint that decides, and the name of the check that gave it."""

    check: str
    ratio: float
    detail: str = ""

    @property
    def drains(self) -> bool:
        """Whether it wants no new connections."""
        return self.ratio == 0

    def __str__(self) -> str:
        if self.drains:
            return f"drained by its {self.check} check{f': {self.detail}' if self.detail else ''}"
        return f"its {self.check} check asks for {self.ratio:.3g} of it{f' ({self.detail})' if self.detail else ''}"


def filter_seconds(config: CheckConfig) -> float:
    """Return the time constant with which a check's hints are filtered: 0 for those that are exact."""
    if config.check.slow is None:
        return 0.0
    return max(FILTER_SECONDS, FILTER_INTERVALS * config.cadence.interval_seconds)


def follow(before: Hint | None, result: CheckResult, step_seconds: float, constant_seconds: float) -> Hint | None:
    """Return the hint after a PASS that came `step_seconds` after the check's last result."""
    said = result.weight_ratio
    if not constant_seconds or said == 0:
        return None if said is None else Hint(said, result.detail, said)
    if said is None:
        said = 1.0
    if before is None or not before.level:
        return Hint(None if said == 1.0 else said, result.detail, said)
    level = before.level + lag(step_seconds, constant_seconds) * (said - before.level)
    return Hint(_settle(before.ratio, level), result.detail, level)


def _settle(ratio: float | None, level: float) -> float | None:
    """Return the ratio that holds: the one before, unless the level has left it."""
    applied = 1.0 if ratio is None else ratio
    if abs(level - 1.0) <= NEAR_RATIO:
        return None
    return level if abs(level - applied) > DEADBAND_RATIO * applied else ratio


def lowest(hints: Mapping[str, Hint | None]) -> Wish | None:
    """Return the hint that decides, of those that the checks of one destination have given by their names."""
    wishes = [
        Wish(name, hint.ratio, hint.detail)
        for name, hint in hints.items()
        if hint is not None and hint.ratio is not None
    ]
    return min(wishes, key=lambda wish: wish.ratio, default=None)


def scale(base_weight: int, wish: Wish | None) -> int:
    """Return what a destination's base weight is by a hint: 0 only by one of 0, and never more than a weight can be."""
    if wish is None:
        return base_weight
    if not base_weight or wish.drains:
        return 0
    return min(max(1, round(base_weight * wish.ratio)), MAX_WEIGHT)
