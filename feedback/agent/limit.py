"""The limit that makes a count a ratio. Pure."""

from typing import Annotated

import msgspec

from feedback.agent.source import SourceError

Limit = Annotated[float, msgspec.Meta(gt=0)]
"""What is full: a number above 0."""

ENOUGH = 10
"""How many times its limit a queue is counted up to: how much more it has is told to nobody, and costs as much."""


def ratio_of(value: float, limit: float, what: str) -> float:
    """Return a share of a server's own limit. Raises SourceError where that is none to divide by."""
    if limit <= 0:
        raise SourceError(f"the server has no limit for its {what}: set limit")
    return value / limit
