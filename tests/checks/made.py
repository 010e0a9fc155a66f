"""Checks as a command line makes them: by their names, and with options that are read."""

from feedback.checks.check import Check
from feedback.config import read_arguments
from feedback.registry import CHECKS


def made(name: str, **options: str | bool) -> Check:
    """Return a check with options like `user="monitor"` and `starttls=True`."""
    words = {option: str(value).lower() if isinstance(value, bool) else value for option, value in options.items()}
    return read_arguments(CHECKS.get(name), [f"{option}={word}" for option, word in words.items()])
