"""The contract of a watch: look, and wait until it is worth looking again."""

import abc

from feedback.agent.acting import Sighting


class Watch(abc.ABC):
    """Base of all watches. `feedback.agent.watches.attend` looks after it: events only bring the next look forward.

    Both methods raise SourceError or OSError when the thing can't be watched; then `close` is called, and after a
    while everything begins anew.
    """

    @abc.abstractmethod
    def look(self) -> Sighting:
        """Say how things are now, without waiting. From here on `change` misses nothing."""

    @abc.abstractmethod
    async def change(self) -> None:
        """Wait until something may have changed since the last look."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of what is open."""
