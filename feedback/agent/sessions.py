"""Clients that a server has, as a share of those it takes: it is asked as one of them, and says so when it is full."""

from collections.abc import Awaitable, Callable

from feedback.agent.limit import ratio_of
from feedback.agent.place import Place
from feedback.agent.source import Sample, SourceError
from feedback.agent.stream import Stream, connected


class FullError(SourceError):
    """The server takes no more clients."""


async def share_of_sessions(
    place: Place, ask: Callable[[Stream], Awaitable[tuple[int, int]]], limit: float | None
) -> Sample:
    """Connect, and ask how many there are and how many may be: the share of that, or of `limit`; 1 where it is full."""
    async with connected(place) as stream:
        try:
            used, most = await ask(stream)
        except FullError:
            return Sample(1.0)
        return Sample(used / limit if limit else ratio_of(used, most, "connections"))
