"""What a source does to the process it runs in: how long it holds the event loop, and what it leaves behind."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

BEAT_SECONDS = 0.01


class Heart:
    """Beats on the loop: a beat that comes late tells that something has held it."""

    def __init__(self) -> None:
        self._gap_seconds = 0.0

    async def beat(self) -> None:
        """Beat until cancelled."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)
            self._gap_seconds = max(self._gap_seconds, time.monotonic() - before - BEAT_SECONDS)

    async def longest_gap(self, act: Callable[[], Awaitable[object]]) -> float:
        """Return for how long at most something holds the loop at a time."""
        await asyncio.sleep(2 * BEAT_SECONDS)
        self._gap_seconds = 0.0
        await act()
        await asyncio.sleep(2 * BEAT_SECONDS)
        return self._gap_seconds


def open_files() -> Counter[str]:
    """Return what this process has open, by name."""
    names: Counter[str] = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            name = str(descriptor.readlink())
        except OSError:
            continue  # that of the listing itself
        names[name.partition(":[")[0] if name.startswith("socket:") else name] += 1
    return names


def children() -> frozenset[int]:
    """Return the programs that this process has started and that are there, those that have ended unheeded too."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue  # it has just ended
        if int(text.rpartition(")")[2].split()[1]) == os.getpid():
            found.add(int(path.parent.name))
    return frozenset(found)
