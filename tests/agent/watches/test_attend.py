"""Who looks after a watch, in virtual time."""

import asyncio
from collections.abc import Callable

import pytest

from feedback.agent.acting import Sighting
from feedback.agent.source import SourceError
from feedback.agent.watches.attend import RECHECK_SECONDS, RETRY_SECONDS, attend, look
from feedback.agent.watches.watch import Watch
from feedback.denied import user
from feedback.testing import run_virtual

WELL = Sighting(wrong=False, why="gone")


class ScriptedWatch(Watch):
    """Changes at the times it is told; what a look brings may be an error."""

    def __init__(self, outcome: Callable[[], Sighting], changes: float = 1e9) -> None:
        self.outcome = outcome
        self.changes = changes
        self.failure: Exception | None = None
        self.closed = 0

    def look(self) -> Sighting:
        return self.outcome()

    async def change(self) -> None:
        if self.failure is not None:
            raise self.failure
        await asyncio.sleep(self.changes)

    def close(self) -> None:
        self.closed += 1


def attended(watch: Watch, seconds: float) -> list[tuple[float, Sighting | str]]:
    told: list[tuple[float, Sighting | str]] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(attend(watch, lambda seen: told.append((loop.time(), seen))))
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task])

    run_virtual(story())
    return told


def failing(error: Exception) -> Callable[[], Sighting]:
    def fail() -> Sighting:
        raise error

    return fail


def test_there_is_a_look_after_every_change_and_one_every_while_without() -> None:
    assert attended(ScriptedWatch(lambda: WELL, changes=0.5), 1.2) == [(0, WELL), (0.5, WELL), (1.0, WELL)]
    assert [time for time, _ in attended(ScriptedWatch(lambda: WELL), 5)] == [0, RECHECK_SECONDS, 2 * RECHECK_SECONDS]


def test_what_can_not_be_watched_is_closed_told_and_tried_again() -> None:
    watch = ScriptedWatch(failing(SourceError("no cgroup")))
    assert attended(watch, RETRY_SECONDS + 1) == [(0, "no cgroup"), (RETRY_SECONDS, "no cgroup")]
    assert watch.closed == 3, "at each failure, and at the end"


@pytest.mark.parametrize("failure", [OSError(9, "Bad file descriptor"), SourceError("lost"), ZeroDivisionError("bug")])
def test_a_wait_that_fails_is_told_and_begun_anew(failure: Exception) -> None:
    watch = ScriptedWatch(lambda: WELL)
    watch.failure = failure
    told = attended(watch, 1)
    assert [time for time, _ in told] == [0, 0]
    assert told[0][1] == WELL
    assert str(failure.args[-1]) in str(told[1][1])


def test_any_error_of_a_look_is_words() -> None:
    assert look(ScriptedWatch(failing(SourceError("no cgroup")))) == "no cgroup"
    assert (
        look(ScriptedWatch(failing(PermissionError(13, "Permission denied"))))
        == f"can't be watched: Permission denied to user {user()}"
    )
    assert look(ScriptedWatch(failing(KeyError("x")))) == "KeyError: 'x'"
