"""What a service tells systemd, which started it: that it is ready, how it is, and that it goes on. See sd_notify(3).

Without NOTIFY_SOCKET in the environment nothing is told to anybody.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from typing import Self

STATUS_SECONDS = 2.0
"""How often the status is looked at; it is told when it has changed."""

MAX_STATUS_LENGTH = 200
MICROSECONDS = 1_000_000

Send = Callable[[bytes], None]
"""Sends one datagram without waiting. May raise OSError."""


class Notifier:
    """One service's word to systemd, by `send`; without it nothing is said.

    `watchdog_seconds`: without a sign of life for this long systemd ends the service and starts it anew; None: never.
    """

    def __init__(self, send: Send | None = None, watchdog_seconds: float | None = None) -> None:
        self._send = send
        self._beat_seconds = None if watchdog_seconds is None else watchdog_seconds / 2
        self._unsaid: dict[str, str] = {}
        self._status = ""

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str], process_id: int) -> Self:
        """Take what systemd has put into the environment out of it: programs that we start are not the service."""
        named = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
        path, usec, owner = (environment.pop(name, "") for name in named)
        address = socket_address(path)
        ours = owner in {"", str(process_id)} and usec.isascii() and usec.isdigit() and int(usec) > 0
        return cls(partial(send_datagram, address) if address else None, int(usec) / MICROSECONDS if ours else None)

    def ready(self, status: str) -> None:
        """Tell that it has started, or that a reload is over."""
        self._status = one_line(status)
        self._tell(READY="1", STATUS=self._status)

    def reloading(self, now: float) -> None:
        """Tell that a reload begins, at `now` (monotonic seconds); `ready` ends it."""
        self._tell(RELOADING="1", MONOTONIC_USEC=str(int(now * MICROSECONDS)))

    def stopping(self) -> None:
        """Tell that it ends."""
        self._tell(STOPPING="1")

    async def attend(self, status: Callable[[], str], late_seconds: Callable[[], float]) -> None:
        """Tell of a changed status, and twice in the watchdog's time that the work goes on, until cancelled.

        `late_seconds` is for how long the work has been overdue, not positive while it is in time. Work that is later
        than half the watchdog's time hangs, and is not vouched for, though this task still runs.
        """
        if self._send is None:
            return
        loop = asyncio.get_running_loop()
        beat_due = loop.time()
        while True:
            wait_seconds = STATUS_SECONDS
            if self._beat_seconds is not None:
                if loop.time() >= beat_due:
                    beat_due = loop.time() + self._beat_seconds
                    if late_seconds() < self._beat_seconds:
                        self._tell(WATCHDOG="1")
                wait_seconds = min(wait_seconds, beat_due - loop.time())
            if (text := one_line(status())) != self._status:
                self._status = text
                self._tell(STATUS=text)
            await asyncio.sleep(wait_seconds)

    def _tell(self, **assignments: str) -> None:
        """Send. What can't be taken now, as by a full queue, is said with what comes next; systemd heeds the last."""
        if self._send is None:
            return
        for name in assignments:
            self._unsaid.pop(name, None)
        self._unsaid |= assignments
        try:
            self._send(message(self._unsaid))
        except OSError:
            return
        self._unsaid = {}


def message(assignments: Mapping[str, str]) -> bytes:
    """Return the datagram: a line for each assignment."""
    return "\n".join(f"{name}={value}" for name, value in assignments.items()).encode()


def send_datagram(address: str, data: bytes) -> None:
    """Send to a Unix socket, or raise OSError where that would have to wait."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sender:
        sender.sendto(data, address)


def socket_address(text: str) -> str:
    """Return NOTIFY_SOCKET as the kernel takes it: a path, or an abstract name, which begins with @. "" is nobody."""
    return f"\0{text[1:]}" if text.startswith("@") else text if text.startswith("/") else ""


def one_line(status: str) -> str:
    """Return a status that fits into a line."""
    return " ".join(status.split())[:MAX_STATUS_LENGTH]
