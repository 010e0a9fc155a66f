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

MAX_OUTPUT_BYTES = 64 * 1024
REAP_TIMEOUT_SECONDS = 1.0


class Finished(msgspec.Struct, frozen=True):
    """A program that ended: its exit status (negative: the signal that killed it) and what it printed."""

    status: int
    stdout: bytes
    stderr: bytes


async def run(command: Sequence[str]) -> Finished:
    """Run a program. Raises SourceError when it can't be started or prints more than 64 kB."""
    try:
        process = subprocess.Popen(  # noqa: ASYNC220 - the start itself is quick, and the end is awaited below
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise SourceError(f"can't run {command[0]}: {why}") from None
    with contextlib.ExitStack() as stack:
        pipes = [stack.enter_context(pipe) for pipe in (process.stdout, process.stderr) if pipe is not None]
        stdout, stderr = await _attend(process, [_Output(pipe) for pipe in pipes])
    return Finished(process.returncode, stdout, stderr)


async def _attend(process: subprocess.Popen[bytes], outputs: list["_Output"]) -> list[bytes]:
    """Read what the program prints until it ends; return that."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    ended = os.pidfd_open(process.pid)
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

    Until its status is taken the leader's process id, and so the group's, can't be another's.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    loop = asyncio.get_running_loop()
    gone = loop.create_future()
    loop.add_reader(ended, _finish, gone)
    try:
        async with asyncio.timeout(REAP_TIMEOUT_SECONDS):
            await gone
    except TimeoutError:
        raise SourceError(f"process {process.pid} can't be killed: it waits for the kernel") from None
    finally:
        loop.remove_reader(ended)
        os.close(ended)
    process.wait()
