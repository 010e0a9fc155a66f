"""Who waits, and for what: the words that the engine's parts and the check runner share.

A stream does its system call, and where the kernel has nothing yet it pauses its owner. Any event of the owner's
descriptors resumes it, and whoever had paused it tries again. So being resumed promises nothing, and every wait is a
loop. An owner may drive a coroutine itself, by `PAUSE`, or be an asyncio task; the streams are the same.
"""

from collections.abc import Awaitable
from typing import Final, Protocol

from feedback.engine.poller import Engine


class Pause:
    """What a coroutine yields that is paused. Whatever else it yields is meant for another driver, asyncio's."""


PAUSE: Final = Pause()

READS_AT_A_STRETCH = 8
"""So often an owner reads before others have their turn: a peer that sends faster must not keep the loop."""


class StaleConnection(BaseException):
    """A kept connection has broken before anything came over it: the run begins again, on fresh ones (RFC 9112, 9.3.1).

    It says nothing of the service, which may end an idle connection when it likes. So it is no `Exception`: a check
    must not take it for an answer.
    """


class Awaited(Protocol):
    """Something that an owner waits for."""

    def lacking(self) -> str:
        """Return what has not come yet, in words that "within 1 s" can follow."""


class Owner(Protocol):
    """Whose coroutine uses the network."""

    engine: Engine
    awaited: Awaited | None

    def pause(self) -> Awaitable[None]:
        """Wait until there may be something new. Ends the coroutine when its owner is over."""

    def resume(self) -> None:
        """Try again: something has happened."""
