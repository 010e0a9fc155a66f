"""Counting the messages in a mail server's spool: directory entries, and no file is opened."""

import os
from collections.abc import Callable, Iterator, Sequence

from feedback.agent.source import SourceError
from feedback.agent.stream import DeniedError

MAX_ENTRIES = 1_000_000
"""A bound of one count's time, whatever has come into a spool."""


def count_files(
    directories: Sequence[str], is_message: Callable[[str], bool], depth: int, enough: float, hint: str
) -> int:
    """Return how many files there are whose name stands for a message, in directories and in those below them.

    `depth`: how far below. It stops counting at `enough`. Raises SourceError, with the hint where access is denied.
    What is moved or delivered meanwhile is counted or not: a queue is never still.
    """
    count = seen = 0
    waiting = [(path, 0) for path in directories]
    while waiting:
        path, level = waiting.pop()
        for name, is_directory in _entries(path, level, hint):
            seen += 1
            if count >= enough or seen > MAX_ENTRIES:
                return count
            if is_directory:
                if level < depth:
                    waiting.append((f"{path}/{name}", level + 1))
            else:
                count += is_message(name)
    return count


def _entries(path: str, level: int, hint: str) -> Iterator[tuple[str, bool]]:
    """Yield names, and whether they are directories' one by one: a directory may be larger than memory should be."""
    try:
        with os.scandir(path) as entries:  # its type comes with each entry: nothing more is asked of the file system
            for entry in entries:
                yield entry.name, entry.is_dir(follow_symlinks=False)
    except PermissionError:
        raise DeniedError(f"can't read {path}: Permission denied: {hint}") from None
    except OSError as error:
        if level and isinstance(error, FileNotFoundError):
            return  # a directory of one message, which has just been delivered
        raise SourceError(f"can't read {path}: {error.strerror or error}") from None
