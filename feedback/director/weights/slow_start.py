"""Slow start: a destination that has just become usable is let in by and by, whatever the policy."""

START_SHARE = 0.1


def ramp(usable_seconds: float, slow_start_seconds: float) -> float:
    """Return the share of its weight that a member gets: from a tenth, in a straight line, to all of it.

    1 where there is no slow start, and for a destination that has been usable for longer, as all are whose director
    has just been restarted.
    """
    if usable_seconds >= slow_start_seconds:
        return 1.0
    return max(START_SHARE, usable_seconds / slow_start_seconds)
