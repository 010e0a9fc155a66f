"""Reading the kernel's text files: bytes in, numbers out, or a SourceError that names the file. Pure."""

import re

from feedback.agent.source import SourceError


def number(word: bytes, path: str) -> int:
    """Return a count that the kernel wrote: decimal digits and nothing else."""
    if not word.isdigit() or len(word) > 20:
        raise SourceError(f"{path}: {word[:40]!r} where a number should be")
    return int(word)


def value(data: bytes, name: bytes, path: str) -> int:
    """Return the number after a name at the start of a line: `usage_usec 17`, or `MemFree:  17 kB`."""
    found = optional_value(data, name)
    if found is None:
        raise SourceError(f"{path}: has no {name.decode()}")
    return found


def optional_value(data: bytes, name: bytes) -> int | None:
    """Return what `value` does, None where the name is not there. Faster than splitting lines that nobody wants."""
    found = re.search(rb"^%b:?[ \t]+([0-9]{1,20})\b" % re.escape(name), data, re.MULTILINE)
    return int(found[1]) if found else None


def limit(data: bytes, path: str) -> int | None:
    """Return a cgroup limit in its own unit, None for `max`."""
    words = data.split()
    if not words:
        raise SourceError(f"{path}: is empty")
    return None if words[0] == b"max" else number(words[0], path)
