"""A program with its output in pipes and its end on a pidfd: no thread, no signal handler, no zombie."""

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from feedback.engine.waiting import Owner
from feedback.errors import LocalFault
from feedback.net import Completed

CHUNK_BYTES = 64 * 1024
FLOOD_BYTES = 1024 * 1024
"""A program that prints more than this is stopped: reading it away would cost more than all other checks."""
REAP_SECONDS = 1.0


async def run(owner: Owner, command: Sequence[str], environment: Mapping[str, str], limit: int) -> Completed:
    """Run a program to its end. Nothing that it started in its process group outlives that, or the owner."""
    owner.awaited = program = Program(owner, command, environment, limit)
    try:
        while not program.ended:
            await owner.pause()
            if program.floods:
                raise LocalFault(f"{command[0]} was stopped: it printed more than {FLOOD_BYTES // 1024} KiB")
        return program.completed()
    finally:
        program.end()


class Program:
    """A program that runs in a session and process group of its own."""

    def __init__(self, owner: Owner, command: Sequence[str], environment: Mapping[str, str], limit: int) -> None:
        self.ended = False
        self._name = command[0]
        self._owner = owner
        self._engine = owner.engine
        self._process, self._pidfd, pipes = _start(command, environment)
        self._outputs = [Output(owner, pipe, limit) for pipe in pipes]
        self._engine.dying.add(self)
        self._engine.watch(self._pidfd, select.EPOLLIN, self._exited)

    @property
    def floods(self) -> bool:
        """Whether it prints more than anybody could want."""
        return any(output.floods for output in self._outputs)

    def completed(self) -> Completed:
        """Return how it ended."""
        stdout, stderr = (output.drain() for output in self._outputs)
        return Completed(self._process.returncode, stdout, stderr)

    def end(self) -> None:
        """Kill it where it still runs, and read no more. It is reaped as soon as the kernel says that it is gone."""
        if not self.ended:
            self._kill()
        for output in self._outputs:
            output.close()

    def reap(self) -> None:
        """Wait for the end of a program that was killed: the engine closes and will not hear of it."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the kernel; init inherits it from us
            self._process.wait(REAP_SECONDS)
        self._close_pidfd()

    def lacking(self) -> str:
        """Return what has not come yet, in words."""
        return f"no end of {self._name}"

    def _exited(self, _mask: int) -> None:
        self._kill()  # what it has left behind; until it is reaped, its process group is surely its own
        self._process.poll()
        self._close_pidfd()
        self.ended = True
        self._owner.resume()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: it has changed its user
            os.killpg(self._process.pid, signal.SIGKILL)

    def _close_pidfd(self) -> None:
        self._engine.dying.discard(self)
        self._engine.forget(self._pidfd)
        os.close(self._pidfd)


def _start(
    command: Sequence[str], environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], int, list[IO[bytes]]]:
    """Start a program. Return it with its pidfd, and its output and its errors to read.

    The pipes are made here, for where there are not descriptors enough: Popen has left some open until Python 3.11.4.
    """
    with contextlib.ExitStack() as read, contextlib.ExitStack() as passed:
        try:
            nothing = passed.enter_context(Path(os.devnull).open("rb", buffering=0))
            output, errors = _pipe(read, passed), _pipe(read, passed)
            process = subprocess.Popen(
                command,
                stdin=nothing,
                stdout=output[1],
                stderr=errors[1],
                env={**os.environ, **environment},
                start_new_session=True,
            )
        except OSError as error:
            raise LocalFault(f"{command[0]} can't be started: {error.strerror}") from None
        pidfd = _watch_handle(process)
        read.pop_all()
        return process, pidfd, [output[0], errors[0]]


def _pipe(read: contextlib.ExitStack, written: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """Return the two ends of a new pipe, each to be closed with the others that are used so."""
    ends = os.pipe()
    return (
        read.enter_context(os.fdopen(ends[0], "rb", buffering=0)),
        written.enter_context(os.fdopen(ends[1], "wb", buffering=0)),
    )


def _watch_handle(process: subprocess.Popen[bytes]) -> int:
    try:
        return os.pidfd_open(process.pid)
    except OSError as error:
        process.kill()
        process.wait()
        raise LocalFault(f"programs can't be watched: {error.strerror}") from None


class Output:
    """One pipe: keeps the first `limit` bytes and reads the rest away, so that the program is not held up."""

    def __init__(self, owner: Owner, pipe: IO[bytes], limit: int) -> None:
        self._owner = owner
        self._pipe = pipe
        self._limit = limit
        self._kept = b""
        self._printed = 0
        os.set_blocking(pipe.fileno(), False)
        # Not edge-triggered, and one read for each event: a program that prints without end must not hold the loop.
        owner.engine.watch(pipe.fileno(), select.EPOLLIN, self._happened)

    @property
    def floods(self) -> bool:
        """Whether more has come than anybody could want."""
        return self._printed > FLOOD_BYTES

    def drain(self) -> bytes:
        """Read what is left in the pipe up to the limit, and return all that was kept."""
        with contextlib.suppress(BlockingIOError):
            while not self._pipe.closed and len(self._kept) < self._limit:
                self._read()
        return self._kept

    def close(self) -> None:
        """Read no more."""
        if not self._pipe.closed:
            self._owner.engine.forget(self._pipe.fileno())
            self._pipe.close()

    def _happened(self, _mask: int) -> None:
        if self._pipe.closed:  # by the program's end, which was told of before this
            return
        with contextlib.suppress(BlockingIOError):
            self._read()
        if self.floods:
            self._owner.resume()

    def _read(self) -> None:
        data = os.read(self._pipe.fileno(), CHUNK_BYTES)
        self._printed += len(data)
        self._kept += data[: self._limit - len(self._kept)]
        if not data:
            self.close()
