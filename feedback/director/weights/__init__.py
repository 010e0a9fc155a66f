"""Weight policies: one policy, one file. Pure: `now` is an argument, and nothing here does any I/O."""

from feedback.director.weights.policy import Member, Policy, make_policy

__all__ = ["Member", "Policy", "make_policy"]
