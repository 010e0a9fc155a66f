"""Run a program to its end, with its output bounded, and leave nothing of it behind.

The program gets a process group of its own, and whatever happens the whole group is killed at the end: children it
left, or itself when it hangs, prints too much or is no longer wanted.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import IO

import msgspec

from feedback.agent.source import SourceError
from feedback.denied import why

MAX_OUTPUT_BYTES = 64 * 1024
REAP_TIMEOUT_SECONDS = 1.0


class Finished(msgspec.Struct, frozen=True):
    """A program that ended: its exit status (negative: the signal that killed it) and what it printed."""

    status: int
    stdout: bytes
    stderr: bytes


async def run(command: Sequence[str]) -> Finished:
    """Run a program. Raises SourceError when it can't be started or prints more than 64 kB."""
    with contextlib.ExitStack() as read:
        process, ended, pipes = _start(command, read)
        stdout, stderr = await _attend(process, ended, [_Output(pipe) for pipe in pipes])
    return Finished(process.returncode, stdout, stderr)


def _start(command: Sequence[str], read: contextlib.ExitStack) -> tuple[subprocess.Popen[bytes], int, list[IO[bytes]]]:
    """Start a program. Return it with its pidfd, and its output and its errors to read, which `read` closes.

    The pipes are made here, for where there are not descriptors enough: Popen has left some open until Python 3.11.4.
    """
    with contextlib.ExitStack() as passed:
        try:
            output, errors = _pipe(read, passed), _pipe(read, passed)
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output[1], stderr=errors[1], start_new_session=True
            )
        except (OSError, ValueError) as error:
            raise SourceError(f"can't run {command[0]}: {why(error)}") from None
    return process, _watch(process), [output[0], errors[0]]


def _pipe(read: contextlib.ExitStack, written: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """Return the two ends of a new pipe, each to be closed with the others that are used so."""
    ends = os.pipe()
    return (
        read.enter_context(os.fdopen(ends[0], "rb", buffering=0)),
        written.enter_context(os.fdopen(ends[1], "wb", buffering=0)),
    )


def _watch(process: subprocess.Popen[bytes]) -> int:
    """Return the pidfd of a program that has just been started; kill it where there can be none."""
    try:
        return os.pidfd_open(process.pid)
    except OSError as error:
        process.kill()
        process.wait()
        raise SourceError(f"programs can't be watched: {error.strerror}") from None


async def _attend(process: subprocess.Popen[bytes], ended: int, outputs: list["_Output"]) -> list[bytes]:
    """Read what the program prints until it ends; return that."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    try:
        loop.add_reader(ended, _finish, over)
        for output in outputs:
            loop.add_reader(output.descriptor, _drain, output, over)
        await over
        for output in outputs:
            output.read_rest()
    finally:
        for output in outputs:
            loop.remove_reader(output.descriptor)
        loop.remove_reader(ended)
        await _reap(process, ended)
    return [bytes(output.data) for output in outputs]


class _Output:
    """One pipe of the program, and what has come out of it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.descriptor = pipe.fileno()
        self.data = bytearray()
        os.set_blocking(self.descriptor, False)

    def read(self) -> bool:
        """Take what is there; tell whether there may be more. Raises SourceError when it is too much."""
        try:
            part = os.read(self.descriptor, MAX_OUTPUT_BYTES)
        except BlockingIOError:
            return False
        self.data += part
        if len(self.data) > MAX_OUTPUT_BYTES:
            raise SourceError(f"the program printed more than {MAX_OUTPUT_BYTES} bytes")
        return bool(part)

    def read_rest(self) -> None:
        """Take what the program left in the pipe. A child that holds the pipe open is not waited for."""
        while self.read():
            pass


def _drain(output: _Output, over: asyncio.Future[None]) -> None:
    try:
        if not output.read():
            asyncio.get_running_loop().remove_reader(output.descriptor)
    except SourceError as error:
        if not over.done():
            over.set_exception(error)


def _finish(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)


async def _reap(process: subprocess.Popen[bytes], ended: int) -> None:
    """Kill the group, and take the leader's exit status, so that no zombie stays.

    Until its status is taken the leader's process id, and so the group's, can't be another's. So a
    cancellation waits for it.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    loop = asyncio.get_running_loop()
    gone = loop.create_future()
    loop.add_reader(ended, _finish, gone)
    cancelled: asyncio.CancelledError | None = None
    deadline = loop.time() + REAP_TIMEOUT_SECONDS
    while not gone.done() and loop.time() < deadline:
        try:
            await asyncio.wait({gone}, timeout=deadline - loop.time())
        except asyncio.CancelledError as error:
            cancelled = error
    loop.remove_reader(ended)
    os.close(ended)
    if gone.done():
        process.wait()
    if cancelled is not None:
        raise cancelled
    if not gone.done():
        raise SourceError(f"process {process.pid} can't be killed: it waits for the kernel")
