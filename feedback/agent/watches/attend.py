"""Looks after one watch for as long as the agent runs: an event is a reason to look, and so is a while without one."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from feedback.agent.acting import Sighting
from feedback.agent.source import SourceError
from feedback.agent.watches.watch import Watch
from feedback.denied import why

log = logging.getLogger(__name__)

RECHECK_SECONDS = 2.0
"""An event that was lost is made up for within this time."""

RETRY_SECONDS = 5.0
"""A thing that can't be watched is tried again after this time."""


def look(watch: Watch) -> Sighting | str:
    """Look once; return what was seen, or in words why nothing could be."""
    try:
        return watch.look()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return words_of(error)


async def attend(watch: Watch, notice: Callable[[Sighting | str], None]) -> None:
    """Tell of every look, at once after every change, until cancelled."""
    try:
        while True:
            seen = look(watch)
            notice(seen)
            if isinstance(seen, str) or not await _changed(watch, notice):
                watch.close()
                await asyncio.sleep(RETRY_SECONDS)
    finally:
        watch.close()


async def _changed(watch: Watch, notice: Callable[[Sighting | str], None]) -> bool:
    """Wait for a change, or for a while. Return whether the watch still works."""
    deadline = asyncio.timeout(RECHECK_SECONDS)
    try:
        with contextlib.suppress(TimeoutError):
            async with deadline:
                await watch.change()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        notice(words_of(error))
        return False
    return True


def words_of(error: Exception) -> str:
    """Return why a thing can't be watched."""
    if isinstance(error, SourceError):
        return str(error)
    if isinstance(error, OSError):
        return f"can't be watched: {why(error)}"
    log.debug("watch raised", exc_info=error)
    return f"{type(error).__name__}: {error}"


async def readable(descriptor: int) -> None:
    """Wait until there is something to read."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(descriptor, _finish, ready)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


def _finish(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
