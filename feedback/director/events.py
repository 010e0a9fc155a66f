"""The event log: every change and its reason, kept in a ring and told to whoever listens."""

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

log = logging.getLogger("feedback.events")

MAX_EVENTS = 1000
MAX_WAITING = 256
"""Events that wait for one listener. A listener that is slower loses the oldest, and is told how many."""
MAX_MESSAGE_LENGTH = 1000


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that changed. `at` is Unix time for display; `sequence` orders events and only grows."""

    sequence: int
    at: float
    kind: str  # added removed weight quiesced health admin agent config table ...
    message: str
    service: str | None = None
    destination: str | None = None


class Subscription:
    """One listener's queue."""

    def __init__(self) -> None:
        self._waiting: deque[Event] = deque()
        self._missed = 0
        self._wake = asyncio.Event()

    async def next(self) -> tuple[tuple[Event, ...], int]:
        """Wait for events. Return all that wait, in order, and how many before them were lost to this listener."""
        await self._wake.wait()
        self._wake.clear()
        events, missed = tuple(self._waiting), self._missed
        self._waiting.clear()
        self._missed = 0
        return events, missed

    def put(self, event: Event) -> None:
        """Queue an event, in place of the oldest one where the listener is behind."""
        if len(self._waiting) == MAX_WAITING:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(event)
        self._wake.set()


class EventLog:
    """A bounded ring of events. `now` returns Unix time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._ring: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._sequence = 0
        self._subscriptions: set[Subscription] = set()

    def record(self, kind: str, message: str, service: str | None = None, destination: str | None = None) -> None:
        """Keep an event, write its line to the log and tell every listener."""
        self._sequence += 1
        event = Event(
            sequence=self._sequence,
            at=self._now(),
            kind=kind,
            message=one_line(message),
            service=service,
            destination=destination,
        )
        self._ring.append(event)
        log.info("%s", log_line(event))
        for subscription in self._subscriptions:
            subscription.put(event)

    def events(self, after: int = 0) -> tuple[Event, ...]:
        """Return the kept events whose sequence is above `after`, oldest first.

        A number that was not given out yet comes from before a restart: then all of them.
        """
        if after > self._sequence:
            after = 0
        return tuple(event for event in self._ring if event.sequence > after)

    @property
    def sequence(self) -> int:
        """The newest event's sequence, 0 before the first: how many there have been."""
        return self._sequence

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._subscriptions)

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Listen to what is recorded from now on, until the end of the block."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)


def one_line(text: str) -> str:
    """Return `text` as one printable line of bounded length: what servers and agents say may end on a terminal."""
    cut = text if len(text) <= MAX_MESSAGE_LENGTH else f"{text[: MAX_MESSAGE_LENGTH - 1]}…"
    if cut.isprintable():
        return cut
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in cut
    )


def log_line(event: Event) -> str:
    """Return an event as key=value pairs: `event=removed service=web destination=rs2 message="…"`."""
    pairs = [f"event={event.kind}"]
    if event.service is not None:
        pairs.append(f"service={event.service}")
    if event.destination is not None:
        pairs.append(f"destination={event.destination}")
    pairs.append(f"message={json.dumps(event.message, ensure_ascii=False)}")
    return " ".join(pairs)
