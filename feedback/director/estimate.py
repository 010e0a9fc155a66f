"""How long a load report says something of now. Pure."""

STALE_AFTER_INTERVALS = 3
STALE_AFTER_SECONDS = 3.0


def fresh(arrived: float, now: float, interval_seconds: float) -> bool:
    """Say whether a report that arrived at `arrived` may still be used at `now`, both in monotonic seconds.

    Two lost reports in a row are forgiven, and three seconds always: an agent on a busy host is late, not gone.
    """
    return now - arrived <= max(STALE_AFTER_INTERVALS * interval_seconds, STALE_AFTER_SECONDS)
