"""The demo's own processes: started, asked, ended by their process id, and dead when this one dies."""

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import msgspec

from feedback.demo.questions import LINE_BYTES
from feedback.errors import FeedbackError

START_TIMEOUT_SECONDS = 20.0
ANSWER_TIMEOUT_SECONDS = 10.0
STOP_TIMEOUT_SECONDS = 3.0

Answer = TypeVar("Answer")


class DemoError(FeedbackError):
    """The demo could not go on, or did not do what it says."""


class Process:
    """One Python module that runs. It gets a session of its own: Ctrl-C in the terminal is for the demo alone.

    It is started when it is made, without an await in between: no process runs that nobody knows, whenever the demo
    is interrupted. Its end is waited for on a pidfd, so no thread waits for it, nor outlives the event loop.
    """

    def __init__(self, directory: Path, name: str, module: str, *arguments: str, answers: bool = False) -> None:
        """Start `python -m module` in the directory. What it says goes to a file there, but for its `answers`."""
        self.name = name
        self._log = directory / f"{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "feedback.demo.tied", str(os.getpid()), module, *arguments],
                stdin=subprocess.PIPE if answers else subprocess.DEVNULL,
                stdout=subprocess.PIPE if answers else log,
                stderr=log,
                bufsize=0,
                cwd=directory,
                # Another director's address and token are none of the demo's business
                env={name: value for name, value in os.environ.items() if not name.startswith("FEEDBACK_")},
                start_new_session=True,
            )
        self._unread = b""
        self._awaited = 0
        self._asking = asyncio.Lock()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    async def read(self, kind: type[Answer]) -> Answer:
        """Return the next answer. Raises DemoError when there is none in time."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                return msgspec.json.decode(await self._line(), type=kind)
        except (TimeoutError, EOFError):
            raise DemoError(f"the {self.name} does not answer: {self.last_words()}") from None

    async def ask(self, question: str, kind: type[Answer]) -> Answer:
        """Send a line and return its answer."""
        async with self._asking:
            self._tell(question)
            self._awaited += 1
            while self._awaited:  # an asker before this one may have gone without its answer
                answer = await self.read(kind)
                self._awaited -= 1
            return answer

    async def succeed(self, timeout_seconds: float) -> None:
        """Wait for its end. Raises DemoError unless it succeeds in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._gone()
        except TimeoutError:
            await self.kill()
            raise DemoError(f"{self.name} has not ended within {timeout_seconds:g} s: {self.last_words()}") from None
        if self._process.returncode:
            raise DemoError(f"{self.name} failed with status {self._process.returncode}: {self.last_words()}")

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        self._process.kill()
        await self._gone()

    async def stop(self) -> None:
        """Ask it to end, and see to it that it does."""
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
                await self._gone()
        except TimeoutError:
            await self.kill()

    def last_words(self) -> str:
        """Return the last line of its log."""
        lines = self._log.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    async def _gone(self) -> None:
        """Wait for its end, and close its pipes."""
        if self.running:
            handle = os.pidfd_open(self._process.pid)  # not reaped yet, so the number is surely its own
            try:
                await _readable(handle)
            finally:
                os.close(handle)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _tell(self, line: str) -> None:
        pipe = self._process.stdin
        if pipe is not None and not pipe.closed:
            with contextlib.suppress(BrokenPipeError):  # it has ended; reading says so, and why
                pipe.write(f"{line}\n".encode())

    async def _line(self) -> bytes:
        """Return the next line that it says. Raises EOFError when it says nothing any more."""
        pipe = self._process.stdout
        while b"\n" not in self._unread:
            if pipe is None or pipe.closed:
                raise EOFError
            await _readable(pipe.fileno())
            said = pipe.read(LINE_BYTES)
            if not said:
                raise EOFError
            self._unread += said
        line, _, self._unread = self._unread.partition(b"\n")
        return line


async def _readable(descriptor: int) -> None:
    """Wait until something can be read there: of a pipe a line or its end, of a pidfd the end of its process."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
