"""Weight policies: one policy, one file. Pure: `now` is an argument, and nothing here does any I/O."""

from feedback.director.weights.policy import Bound, Member, Policy, Terms, make_policy
from feedback.director.weights.writing import NO_SHARES, bounds

__all__ = ["NO_SHARES", "Bound", "Member", "Policy", "Terms", "bounds", "make_policy"]
