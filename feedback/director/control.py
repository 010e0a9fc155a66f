"""What the API may ask of the running director."""

from typing import Protocol

from feedback.director.events import EventLog
from feedback.director.snapshot import Snapshot
from feedback.errors import FeedbackError
from feedback.model import Admin


class UnknownNameError(FeedbackError):
    """There is no service or destination of that name. The message names those there are."""


class Control(Protocol):
    """The director as its API sees it."""

    @property
    def events(self) -> EventLog:
        """The log of everything that changed, and why."""

    def snapshot(self) -> Snapshot:
        """Return everything as of the last tick."""

    def trouble(self) -> str:
        """Return what keeps the director from its work, in a sentence; "" when it ticks and the table answers."""

    async def set_admin(self, service: str, destination: str, state: Admin) -> None:
        """Set a destination's admin state; the table follows before this returns. Raises UnknownNameError."""

    async def reload(self) -> None:
        """Read the configuration file again. Raises ConfigError, and then nothing has changed."""
