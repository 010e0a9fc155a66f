"""Reading the kernel's text files: bytes in, numbers out, or a SourceError that names the file. Pure."""

from collections.abc import Sequence

from feedback.agent.source import SourceError


def number(word: bytes, path: str) -> int:
    """Return a count that the kernel wrote: decimal digits and nothing else."""
    if not word.isdigit() or len(word) > 20:
        raise SourceError(f"{path}: {word[:40]!r} where a number should be")
    return int(word)


def numbers(words: Sequence[bytes], path: str) -> list[int]:
    """Return what `number` does of each word."""
    if not b"".join(words).isdigit() or max(map(len, words)) > 20:
        return [number(word, path) for word in words]  # which names the one that is none
    return list(map(int, words))


def value(data: bytes, name: bytes, path: str) -> int:
    """Return the number after a name at the start of a line: `usage_usec 17`, or `MemFree:  17 kB`."""
    found = optional_value(data, name)
    if found is None:
        raise SourceError(f"{path}: has no {name.decode()}")
    return found


def optional_value(data: bytes, name: bytes) -> int | None:
    """Return what `value` does, None where the name is not there. Faster than splitting lines that nobody wants."""
    place = -1
    while (place := data.find(name, place + 1)) >= 0:
        if place == 0 or data.startswith(b"\n", place - 1):
            end = data.find(b"\n", place)
            line = data[place + len(name) : end if end >= 0 else len(data)].removeprefix(b":")
            words = line.split(None, 1)
            if words and line[:1].isspace() and words[0].isdigit() and len(words[0]) <= 20:
                return int(words[0])
    return None


def limit(data: bytes, path: str) -> int | None:
    """Return a cgroup limit in its own unit, None for `max`."""
    words = data.split()
    if not words:
        raise SourceError(f"{path}: is empty")
    return None if words[0] == b"max" else number(words[0], path)
