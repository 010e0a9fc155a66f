"""Text for a terminal: as wide as it is, and no word cut."""

import re
import shutil
import textwrap
from collections.abc import Iterator

MAX_COLUMNS = 120
"""Longer lines are hard to read."""

_BLOCK = re.compile(r"(?:[ ]{4}.*\n|[ ]*\n)+|[ ]{0,3}\S.*\n(?:(?!-[ ])[ ]{0,3}\S.*\n)*")
"""Lines that are meant as they stand, being indented or empty; or else a paragraph, or an item of a list."""


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


def reflow(doc: str, indent: str) -> Iterator[str]:
    """Yield the lines of a docstring as they fit, indented.

    Examples keep their lines; the YAML in one that is too long means the same when it goes on in another.
    """
    for block in _BLOCK.findall(f"{doc}\n" if doc else ""):
        if block[0] in " \n":
            for line in block.splitlines():
                lead = indent + line[: len(line) - len(line.lstrip())]
                yield fill(line.strip(), lead, f"{lead}    ") if line.strip() else ""
        else:
            yield fill(" ".join(block.split()), indent, f"{indent}  " if block.startswith("- ") else indent)
