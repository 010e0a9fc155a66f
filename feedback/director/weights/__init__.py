"""Weight policies: one policy, one file. Pure: `now` is an argument, and nothing here does any I/O."""

from feedback.director.weights.policy import Member, Policy, make_policy
from feedback.director.weights.writing import NO_SHARES, bounds

__all__ = ["NO_SHARES", "Member", "Policy", "bounds", "make_policy"]
