"""The demo's own processes: started, asked, ended by their process id, and dead when this one dies."""

import asyncio
import contextlib
import os
import signal
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
    """One running Python module. It gets a session of its own: Ctrl-C in the terminal is for the demo alone."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log
        self._asking = asyncio.Lock()

    @classmethod
    async def start(cls, directory: Path, name: str, module: str, *arguments: str, daemon: bool = False) -> "Process":
        """Start `python -m module` in the directory. What it logs goes to a file there, and all a daemon says."""
        log = directory / f"{name}.log"
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "feedback.demo.tied", str(os.getpid()), module, *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=errors if daemon else asyncio.subprocess.PIPE,
                stderr=errors,
                cwd=directory,
                # Another director's address and token are none of the demo's business
                env={name: value for name, value in os.environ.items() if not name.startswith("FEEDBACK_")},
                start_new_session=True,
                limit=LINE_BYTES,
            )
        return cls(name, process, log)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def read(self, kind: type[Answer]) -> Answer:
        """Return the next answer. Raises DemoError when there is none in time."""
        if self._process.stdout is None:
            raise DemoError(f"the {self.name} can't be read from")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                line = await self._process.stdout.readline()
                if line:
                    return msgspec.json.decode(line, type=kind)
        raise DemoError(f"the {self.name} does not answer: {self.last_words()}")

    async def ask(self, question: str, kind: type[Answer]) -> Answer:
        """Send a line and return its answer."""
        async with self._asking:
            if self._process.stdin is not None:
                with contextlib.suppress(ConnectionError):  # it has ended; reading says so, and why
                    self._process.stdin.write(f"{question}\n".encode())
            return await self.read(kind)

    async def output(self, timeout_seconds: float) -> str:
        """Wait for its end and return what it wrote. Raises DemoError unless it succeeds in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                written, _ = await self._process.communicate()
        except TimeoutError:
            await self.kill()
            raise DemoError(f"{self.name} has not ended within {timeout_seconds:g} s: {self.last_words()}") from None
        if self._process.returncode:
            raise DemoError(f"{self.name} failed with status {self._process.returncode}: {self.last_words()}")
        return written.decode(errors="replace").strip()

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        self._signal(signal.SIGKILL)
        await self._gone()

    async def stop(self) -> None:
        """Ask it to end, and see to it that it does."""
        self._signal(signal.SIGTERM)
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
        """Wait for its end and for that of its pipes."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
