"""Runs a program once as the agent does, and sees what it leaves behind."""

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from feedback.agent.process import Finished, run
from feedback.agent.source import SourceError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH}
"""What a service has of its environment."""

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
END_SECONDS = 1.0
"""How long what was killed may take to be gone."""

_LOOK_SECONDS = 0.01


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a program.

    finished: how it ended; None where it did not in time, or where `fault` says why it was not run to its end.
    left: the names of the processes that it left running in its group. escaped: of those in other groups.
    """

    finished: Finished | None = None
    fault: str = ""
    seconds: float = 0.0
    left: tuple[str, ...] = ()
    escaped: tuple[str, ...] = ()


class Process(msgspec.Struct, frozen=True):
    """A child of this process, as /proc has it."""

    pid: int
    name: str
    state: str
    group: int

    @property
    def ended(self) -> bool:
        """Whether it has, and nobody has asked how."""
        return self.state == "Z"


def try_program(
    command: Sequence[str], timeout_seconds: float, directory: str | Path, environment: Mapping[str, str]
) -> Trial:
    """Run a program in a directory and an environment, and kill whatever is left of it."""
    others = {process.pid for process in children()}
    with _adopting(), _placed(directory, environment):
        try:
            trial, group = asyncio.run(_run(command, timeout_seconds, others))
        except KeyboardInterrupt:
            _clear(others, 0)
            raise
        left, escaped = _clear(others, group)
    if trial.finished is None:  # its group was killed because it hangs
        left = ()
    return msgspec.structs.replace(trial, left=left, escaped=escaped)


async def _run(command: Sequence[str], timeout_seconds: float, others: set[int]) -> tuple[Trial, int]:
    """Return what came of a program, and its process group."""
    start = time.monotonic()
    task = asyncio.create_task(run(command), name="program")
    await asyncio.sleep(0)  # until then it is started
    group = next((process.pid for process in children() if process.pid not in others), 0)
    try:
        async with asyncio.timeout(timeout_seconds):
            finished = await task
    except TimeoutError:
        return Trial(seconds=time.monotonic() - start), group
    except SourceError as error:
        return Trial(fault=str(error), seconds=time.monotonic() - start), group
    return Trial(finished=finished, seconds=time.monotonic() - start), group


def _clear(others: set[int], group: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Kill what a program has left, and return the names of what was in its group and of what was not.

    What a program starts in the background ends before it, or is left. The group has been killed by now.
    """
    left: dict[int, str] = {}
    escaped: dict[int, str] = {}
    deadline = time.monotonic() + END_SECONDS
    while (found := [one for one in children() if one.pid not in others]) and time.monotonic() < deadline:
        for process in found:
            if process.ended:
                killed = os.waitpid(process.pid, os.WNOHANG)[1] == signal.SIGKILL
            else:
                killed = True
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process.pid, signal.SIGKILL)
            if killed and process.pid not in left | escaped:
                (left if process.group == group else escaped)[process.pid] = process.name
        time.sleep(_LOOK_SECONDS)
    return tuple(left.values()), tuple(escaped.values())


def children() -> list[Process]:
    """Return the children of this process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            head, _, rest = path.read_text("utf-8", "replace").rpartition(")")
            state, parent, group = rest.split()[:3]
            if int(parent) == os.getpid():
                found.append(Process(int(path.parent.name), head.partition("(")[2], state, int(group)))
    return found


@contextlib.contextmanager
def _adopting() -> Iterator[None]:
    """Be the parent of all that a program starts and leaves, for a while."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0)


@contextlib.contextmanager
def _placed(directory: str | Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Be in a directory, with nothing else in the environment, for a while."""
    before = dict(os.environ)
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(environment)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.fchdir(here)
        os.close(here)
