"""The engine: one epoll descriptor for every socket and program of every check, and their deadlines.

An epoll descriptor can itself be polled, so the asyncio (or uvloop) loop watches this one alone. The engine knows
descriptors, callbacks and deadlines; what a callback means is the business of streams, datagrams and programs.
"""

import asyncio
import logging
import math
import select
import time
from collections.abc import Callable
from typing import Protocol

from feedback.engine.deadlines import Deadlines

log = logging.getLogger(__name__)

EVENTS_PER_POLL = 64
"""So many events are handled before the loop's other work has its turn: some 2 ms."""


class Expiring(Protocol):
    """Something with a deadline."""

    def expire(self) -> None:
        """Act: the deadline has passed."""

    def cancel(self) -> None:
        """Give up: the engine closes."""


class Dying(Protocol):
    """A program that was killed and not yet reaped."""

    def reap(self) -> None:
        """Wait for its end, which is near."""


class Engine:
    """Watches from the day it is made until `close`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.dying: set[Dying] = set()
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self.forget: Callable[[int], None] = self._callbacks.__delitem__
        """Watches a descriptor no more. It must be closed next: the kernel's registration ends by that."""
        self.deadlines: Deadlines[Expiring] = Deadlines(earlier=self._arm)
        self._timer: asyncio.TimerHandle | None = None
        self.loop.add_reader(self._epoll.fileno(), self._poll)

    def close(self) -> None:
        """Cancel everything that is under way and close every descriptor. Nobody is called back any more."""
        for item in self.deadlines.take_all():
            item.cancel()
        for program in tuple(self.dying):
            program.reap()
        if self._timer is not None:
            self._timer.cancel()
        if not self._epoll.closed:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def watch(self, descriptor: int, events: int, callback: Callable[[int], None]) -> None:
        """Call back with the mask of what has happened to a descriptor, which may be once after `forget`."""
        self._epoll.register(descriptor, events)
        self._callbacks[descriptor] = callback

    def release(self, descriptor: int) -> None:
        """Watch a descriptor no more that stays open."""
        self._epoll.unregister(descriptor)
        self.forget(descriptor)

    def _poll(self) -> None:
        """Hand out what has happened.

        Who is meant is looked up before anybody is called: a descriptor that one of them closes may be another's when
        its event is handed out, and a new connection would take the old one's event for its own.
        """
        callbacks = self._callbacks
        events = self._epoll.poll(0, EVENTS_PER_POLL)
        for callback, mask in [(callbacks[descriptor], mask) for descriptor, mask in events if descriptor in callbacks]:
            try:
                callback(mask)
            except Exception:
                log.exception("a fault in the engine; its other work goes on")

    def _arm(self) -> None:
        """Set the one timer to the next slot that has ever held a deadline: a timer for each would cost more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        seconds = self.deadlines.next_due() - time.monotonic()
        if seconds < math.inf:
            self._timer = self.loop.call_later(max(seconds, 0.001), self._expire)

    def _expire(self) -> None:
        for item in self.deadlines.take(time.monotonic()):
            try:
                item.expire()
            except Exception:
                log.exception("a fault in the engine; its other work goes on")
        self._arm()
