"""How long to wait before the next attempt to reach a director. Pure: the caller draws the random number.

A thousand agents lose a director at the same moment, and must not all come back at the same moment: each waits
for a random share of a ceiling that doubles with every failure ("full jitter").
"""

FIRST_CEILING_SECONDS = 0.2
LAST_CEILING_SECONDS = 30.0
REFUSED_SECONDS = 15.0
"""A director that refuses needs an administrator, who needs longer than a network does."""


def after_loss(failures: int, draw: float) -> float:
    """Return seconds to wait after `failures` attempts in a row (from 1) that failed; `draw` is from 0 to 1."""
    doublings = min(failures - 1, 16)  # far past the last ceiling, and far below a float's largest exponent
    return draw * min(LAST_CEILING_SECONDS, FIRST_CEILING_SECONDS * 2.0**doublings)


def after_refusal(draw: float) -> float:
    """Return seconds to wait after a refusal: 15 to 30."""
    return REFUSED_SECONDS * (1 + draw)
