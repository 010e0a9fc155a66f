"""Whether tasks wait too long for memory, CPU or disks, told by a trigger in the kernel (PSI)."""

import errno
import os
import select
import time
from collections.abc import Callable
from typing import Literal

from feedback.agent.acting import Sighting
from feedback.agent.source import SourceError
from feedback.agent.watches.attend import readable
from feedback.agent.watches.watch import Watch

WINDOWS = 2
"""The kernel tells at most once in a window: after so many without a word it is over."""


class PressureWatch(Watch):
    """Wrong from a stall of `stall_seconds` within `window_seconds` on, until two windows have passed without one."""

    def __init__(
        self,
        resource: str,
        kind: Literal["some", "full"],
        stall_seconds: float,
        window_seconds: float,
        *,
        directory: str = "/proc/pressure",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resource = resource
        self._trigger = f"{kind} {stall_seconds * 1e6:.0f} {window_seconds * 1e6:.0f}"
        self._why = f"tasks waited for {resource} {stall_seconds * 1e3:.0f} ms and more of {window_seconds:g} s"
        self._quiet_seconds = WINDOWS * window_seconds
        self._path = f"{directory}/{resource}"
        self._now = now
        self._stalled_at: float | None = None
        self._file = -1
        self._poll: select.epoll | None = None

    def look(self) -> Sighting:
        """Set the trigger, if it is not, and say whether it has gone off lately."""
        if self._poll is None:
            self._open()
        stalled = self._stalled_at is not None and self._now() - self._stalled_at < self._quiet_seconds
        return Sighting(stalled, self._why)

    async def change(self) -> None:
        """Wait until the trigger goes off."""
        if self._poll is not None:
            await readable(self._poll.fileno())
            self._stalled_at = self._now()
            self._poll.poll(0)

    def close(self) -> None:
        """Take the trigger back."""
        self._stalled_at = None
        if self._poll is not None:
            self._poll.close()
            self._poll = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> None:
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            os.write(self._file, self._trigger.encode() + b"\0")
        except OSError as error:
            self.close()
            raise SourceError(self._refused(error)) from None
        self._poll = select.epoll()
        self._poll.register(self._file, select.EPOLLPRI)  # asyncio's own knows no POLLPRI

    def _refused(self, error: OSError) -> str:
        sentence = f"the kernel refuses a trigger on {self._path}: {error.strerror}"
        if error.errno in {errno.EINVAL, errno.EPERM, errno.EACCES}:
            return f"{sentence} (without CAP_SYS_RESOURCE it wants Linux 6.5 and a window of 2 s, 4 s, ... 10 s)"
        return sentence
