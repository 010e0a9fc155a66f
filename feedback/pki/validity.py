"""When a certificate should be made anew. Pure."""

RENEW_RATIO = 1 / 3
"""With so much of its lifetime left: a director may be away for a month of three, and nobody notices."""

WARN_RATIO = 1 / 10
"""With so much left, somebody should look: a year of an authority's ten, nine days of ninety that were not renewed."""


def ends_soon(begins: float, ends: float, now: float) -> bool:
    """Tell whether an operator should be told of a certificate's end. Times are Unix seconds."""
    return ends - now < (ends - begins) * WARN_RATIO


def is_due(begins: float, ends: float, now: float) -> bool:
    """Tell whether a certificate should be renewed. Times are Unix seconds."""
    return ends - now < (ends - begins) * RENEW_RATIO
