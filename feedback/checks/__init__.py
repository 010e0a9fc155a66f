"""Checks: one check, one file, named like the check."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feedback.checks.check import Check, Passed

__all__ = ["Check", "Passed"]


def __getattr__(name: str) -> Any:
    """Import the contract when it is asked for: the agent has the codecs below, and no checks."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from feedback.checks import check  # noqa: PLC0415

    return getattr(check, name)
