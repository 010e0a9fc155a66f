"""Whether a file is there, told by inotify(7) when it comes or goes."""

import contextlib
import ctypes  # imported with this module, which only an agent that watches a file has
import os

from feedback.agent.acting import Sighting
from feedback.agent.source import SourceError
from feedback.agent.watches.attend import readable
from feedback.agent.watches.watch import Watch

IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x40, 0x80, 0x100, 0x200
EVENTS = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
EVENT_BYTES = 64 * 1024


class FlagWatch(Watch):
    """Wrong while the file `path` is there. Its directory must be there always."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._directory = os.path.dirname(path)  # noqa: PTH120 - pathlib costs the agent memory
        self._inotify = -1

    def look(self) -> Sighting:
        """Say whether the file is there. The directory may be another than last time, and is watched anew."""
        library = ctypes.CDLL(None, use_errno=True)
        if self._inotify < 0:
            self._inotify = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._inotify < 0 or library.inotify_add_watch(self._inotify, os.fsencode(self._directory), EVENTS) < 0:
            raise SourceError(f"can't watch {self._directory}: {os.strerror(ctypes.get_errno())}")
        return Sighting(os.path.lexists(self._path), f"{self._path} is there")

    async def change(self) -> None:
        """Wait until a file has come or gone in the directory."""
        await readable(self._inotify)
        with contextlib.suppress(BlockingIOError):
            os.read(self._inotify, EVENT_BYTES)

    def close(self) -> None:
        """Watch no more."""
        if self._inotify >= 0:
            os.close(self._inotify)
            self._inotify = -1
