"""Text for a terminal: as wide as it is, and no word cut."""

import shutil
import textwrap

MAX_COLUMNS = 120
"""Longer lines are hard to read."""


def columns() -> int:
    """Return how many there are; 80 where the output is no terminal."""
    return min(shutil.get_terminal_size().columns, MAX_COLUMNS)


def fill(text: str, first: str = "", rest: str = "") -> str:
    """Return a text in lines that fit, which begin with `first` and then with `rest`."""
    return textwrap.fill(
        text,
        max(columns(), len(first) + 20),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
