"""The demo as a user runs it: one command, real processes, and what is left when it has ended."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from feedback.demo.cluster import SPEEDS
from feedback.demo.figures import FINISH, PHASE_SHARES, Figures
from feedback.demo.process import DemoError
from feedback.demo.run import Demo
from feedback.director.snapshot import ServiceView
from feedback.errors import FeedbackError
from feedback.model import Endpoint
from tests.places import own_address

pytestmark = [pytest.mark.loopback, pytest.mark.timeout(150)]

PROCESSES = 1 + 2 * len(SPEEDS) + 1  # a director, realservers with agents, a client


class Running:
    """A demo that runs as its own process, with a directory of its own for temporary files."""

    def __init__(self, process: asyncio.subprocess.Process, temporary: Path) -> None:
        self.process = process
        self.temporary = temporary

    def children(self) -> list[int]:
        """Return the process ids of its children."""
        return [
            int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if _parent(stat) == self.process.pid
        ]

    def child(self, words: bytes) -> int:
        """Return the process id of the first child with these words in its command line."""
        lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") for pid in self.children()}
        return next(pid for pid, line in lines.items() if words in line)

    async def line_with(self, words: str) -> str:
        """Return the next line with these words that it prints."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while words not in (line := (await self.process.stdout.readline()).decode()):
                assert line, f"the demo has ended without a word of {words!r}"
        return line


def _parent(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def files_in(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def two_places() -> tuple[Endpoint, Endpoint]:
    """Return where the director and the service may listen."""
    address = own_address()
    return Endpoint(address, 8600), Endpoint(address, 8080)


@contextlib.asynccontextmanager
async def running(temporary: Path, *options: str) -> AsyncIterator[Running]:
    """Run the demo where nothing can be written, except for temporary files."""
    listen, vip = two_places()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "feedback", "demo", *options),
        *("--listen", str(listen), "--vip", str(vip)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd="/proc",
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    try:
        yield Running(process, temporary)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def until_gone(pids: list[int]) -> None:
    async with asyncio.timeout(10):
        while any(map(is_running, pids)):  # noqa: ASYNC110 - other processes have no event
            await asyncio.sleep(0.02)


async def test_the_whole_story_is_told_in_the_time_that_is_given_and_does_what_it_says(tmp_path: Path) -> None:
    async with running(tmp_path, "--for", "30s", "--json") as demo:
        output, story = await demo.process.communicate()
    assert demo.process.returncode == 0, story.decode()
    assert output.count(b"\n") == 1
    told = msgspec.json.decode(output, type=Figures)
    phases = {phase.name: phase for phase in told.phases}
    assert list(phases) == [*PHASE_SHARES, FINISH]
    assert sum(phase.requests for phase in told.phases) == told.requests
    assert min(phases[name].requests for name in PHASE_SHARES) > 100
    # Requests fail while a killed realserver is still in the table, and at no other time
    assert {phase.name for phase in told.phases if phase.failures} <= {"kill"}
    assert (told.drained_requests_left, told.drained_requests_new, told.drained_requests_lost) == (0, 0, 0)
    # At equal weights the slow ones are full; then the load evens out
    assert phases["equal_weights"].utilization["rs1"] > 0.9
    assert phases["equal_weights"].utilization["rs4"] < 0.5
    assert told.max_over_avg_after < told.max_over_avg_before
    # The plugin's metric is over its limit while the jobs wait, and is not afterwards; the weight follows both ways
    metric = told.plugin_metric
    ratios = [step.ratio for step in metric.steps]
    assert (ratios[0], max(ratio or 0.0 for ratio in ratios), ratios[-1]) == (0.0, 2.0, 0.0)
    assert metric.weight_full < min(metric.weight_before, metric.weight_after)
    assert metric.steps[0].seconds < metric.emptied_seconds < metric.steps[-1].seconds
    assert phases["drain"].utilization["rs2"] < phases["even_load"].utilization["rs2"] / 2
    assert files_in(tmp_path) == []


async def test_it_ends_quietly_with_all_its_processes_when_it_is_interrupted(tmp_path: Path) -> None:
    async with running(tmp_path) as demo:
        await demo.line_with("Every realserver has weight")
        children = demo.children()
        assert len(children) == PROCESSES
        demo.process.send_signal(signal.SIGINT)
        _, errors = await demo.process.communicate()
    assert (demo.process.returncode, errors) == (0, b"")
    assert not any(map(is_running, children))
    assert files_in(tmp_path) == []


async def test_its_processes_end_even_when_it_is_killed(tmp_path: Path) -> None:
    async with running(tmp_path) as demo:
        await demo.line_with("Every realserver has weight")
        children = demo.children()
        assert len(children) == PROCESSES
        demo.process.kill()
        await until_gone(children)


async def test_a_story_that_is_interrupted_has_failed(tmp_path: Path) -> None:
    async with running(tmp_path, "--for", "30s") as demo:
        await demo.line_with("Starting")
        demo.process.send_signal(signal.SIGTERM)
        _, errors = await demo.process.communicate()
    assert (demo.process.returncode, errors) == (1, b"feedback demo: interrupted before its end\n")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("count", range(1, PROCESSES + 1))
async def test_interrupted_after_any_of_its_starts_it_ends_what_it_has_started(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start_and_interrupt(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **options))
        if len(started) == count:
            os.kill(os.getpid(), signal.SIGTERM)
        return started[-1]

    def look() -> ServiceView:
        raise FeedbackError("nobody answers")

    monkeypatch.setattr(subprocess, "Popen", start_and_interrupt)
    listen, vip = two_places()
    with pytest.raises(DemoError, match=r"^interrupted before its end$"):
        await Demo(look, vip=vip, listen=listen, seconds=30.0).run()
    assert count <= len(started) <= PROCESSES
    assert [process.pid for process in started if process.returncode is None] == []


@pytest.mark.parametrize(("words", "name"), [(b" director ", b"the director"), (b" agent ", b"the agent of rs")])
async def test_a_process_that_ends_is_the_end_of_the_demo(tmp_path: Path, words: bytes, name: bytes) -> None:
    async with running(tmp_path) as demo:
        await demo.line_with("Every realserver has weight")
        os.kill(demo.child(words), signal.SIGKILL)
        _, errors = await demo.process.communicate()
    assert demo.process.returncode == 1
    assert errors.startswith(b"feedback demo: " + name)
    assert b"has ended: " in errors
    assert errors.count(b"\n") == 1
    assert files_in(tmp_path) == []
