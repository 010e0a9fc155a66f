import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from feedback.demo.process import DemoError, Process

pytestmark = pytest.mark.loopback

PARENT = """
import asyncio, pathlib, sys
from feedback.demo.process import Process
from feedback.demo.realserver import Totals

async def main():
    directory = sys.argv[1]
    child = Process(
        pathlib.Path(directory), "rs1", "feedback.demo.realserver", "rs1", "1", "0", directory, answers=True
    )
    await child.read(dict)
    print(child._process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def make_realserver(directory: Path, speed: str) -> Process:
    arguments = ("rs1", speed, "0", str(directory))
    return Process(directory, "rs1", "feedback.demo.realserver", *arguments, answers=True)


async def start_realserver(directory: Path) -> Process:
    process = make_realserver(directory, "1")
    await process.read(dict)
    return process


def state_of(pid: int) -> str:
    """Return the letter that ps has for it; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


async def until_state(pid: int, states: str) -> None:
    async with asyncio.timeout(10):
        while state_of(pid) not in states:  # noqa: ASYNC110 - another process has no event
            await asyncio.sleep(0.01)


async def stop_its_time(process: Process) -> None:
    """Let it take notice of nothing any more but SIGKILL."""
    os.kill(process._process.pid, signal.SIGSTOP)
    await until_state(process._process.pid, "T")


async def test_a_process_dies_with_its_parent_even_when_the_parent_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert state_of(pid) in {"R", "S"}
    parent.kill()
    await parent.wait()
    await until_state(pid, "Z")  # or gone


async def test_a_module_is_not_run_for_a_parent_that_is_gone(tmp_path: Path) -> None:
    tied = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "feedback.demo.tied", "1", "feedback.demo.realserver"),
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    _, errors = await tied.communicate()
    assert (tied.returncode, errors) == (1, b"the parent is gone\n")


async def test_stopping_ends_a_process(tmp_path: Path) -> None:
    process = await start_realserver(tmp_path)
    assert process.running
    await process.stop()
    assert not process.running


async def test_a_process_that_does_not_want_to_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feedback.demo.process.STOP_TIMEOUT_SECONDS", 0.2)
    process = await start_realserver(tmp_path)
    await stop_its_time(process)
    await process.stop()
    assert process._process.returncode == -signal.SIGKILL


async def test_a_process_that_has_ended_does_not_answer_and_its_last_words_say_why(tmp_path: Path) -> None:
    process = make_realserver(tmp_path, "fast")
    with pytest.raises(DemoError, match=r"^the rs1 does not answer: .* argument speed: invalid float value: 'fast'$"):
        await process.ask("", dict)
    await process.stop()


async def test_a_command_that_succeeds_is_waited_for(tmp_path: Path) -> None:
    process = Process(tmp_path, "feedback --version", "feedback", "--version")
    await process.succeed(10.0)
    assert not process.running
    assert process.last_words().startswith("feedback ")


async def test_a_command_that_fails_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    process = Process(tmp_path, "feedback nothing", "feedback", "nothing")
    with pytest.raises(DemoError, match=r"^feedback nothing failed with status 2: .*nothing"):
        await process.succeed(10.0)


async def test_a_command_that_does_not_end_is_killed(tmp_path: Path) -> None:
    process = await start_realserver(tmp_path)
    await stop_its_time(process)
    with pytest.raises(DemoError, match=r"^rs1 has not ended within 0.1 s: it said nothing$"):
        await process.succeed(0.1)
    assert process._process.returncode == -signal.SIGKILL
