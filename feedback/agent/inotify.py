"""What happens in a directory, told by inotify(7)."""

import contextlib
import ctypes  # imported with this module, which only an agent that watches files has
import os
import struct
from collections.abc import Iterator

from feedback.agent.source import SourceError
from feedback.denied import why

IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
EVENT = struct.Struct("=iIII")  # watch, what happened, cookie, length of the name behind it
EVENT_BYTES = 64 * 1024


class Directory:
    """One directory, and what happens to the names in it. It may be another one each time that it is watched."""

    def __init__(self, path: str, events: int) -> None:
        self.path = path
        self.descriptor = -1
        self._events = events

    def watch(self) -> None:
        """Begin, or begin anew: from here on no event is missed. Raises SourceError."""
        library = ctypes.CDLL(None, use_errno=True)
        if self.descriptor < 0:
            self.descriptor = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0 or library.inotify_add_watch(self.descriptor, os.fsencode(self.path), self._events) < 0:
            number = ctypes.get_errno()
            raise SourceError(f"can't watch {self.path}: {why(OSError(number, os.strerror(number)))}")

    def read(self) -> bytes:
        """Return the events that have come, empty where there are none."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.descriptor, EVENT_BYTES)
        return b""

    def close(self) -> None:
        """Watch no more."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def names_in(events: bytes) -> Iterator[bytes]:
    """Yield the names that events are about; an empty one is the directory, or that events were lost."""
    offset = 0
    while offset + EVENT.size <= len(events):
        _, _, _, length = EVENT.unpack_from(events, offset)
        yield events[offset + EVENT.size : offset + EVENT.size + length].rstrip(b"\0")
        offset += EVENT.size + length
