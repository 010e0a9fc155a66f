"""When a certificate should be made anew. Pure."""

RENEW_RATIO = 1 / 3
"""With so much of its lifetime left: a director may be away for a month of three, and nobody notices."""


def is_due(begins: float, ends: float, now: float) -> bool:
    """Tell whether a certificate should be renewed. Times are Unix seconds."""
    return ends - now < (ends - begins) * RENEW_RATIO
