import asyncio
import os
import resource
import sys
from pathlib import Path

import pytest

from feedback.agent.process import Finished
from feedback.agent.source import SourceError
from feedback.agent.sources.exec import ExecSource, interpret, ratio
from feedback.perfdata import Performance
from tests.agent.director_server import until


def test_a_value_is_a_share_of_its_limit() -> None:
    assert ratio(Performance("jobs", 50), limit=100) == 0.5
    assert ratio(Performance("jobs", 50, maximum=200), limit=100) == 0.5


def test_without_a_limit_the_programs_maximum_counts_or_per_cent_or_the_value_itself() -> None:
    assert ratio(Performance("jobs", 50, maximum=200), limit=None) == 0.25
    assert ratio(Performance("used", 75, "%"), limit=None) == 0.75
    assert ratio(Performance("", 0.5), limit=None) == 0.5


@pytest.mark.parametrize("status", [0, 1, 2])
def test_a_plugins_warning_and_critical_are_good_measurements(status: int) -> None:
    assert interpret(Finished(status, b"WARNING | a=5", b""), None) == Performance("a", 5)


@pytest.mark.parametrize(
    ("finished", "message"),
    [
        (Finished(3, b"UNKNOWN | a=5", b""), "the program ended with status 3: UNKNOWN | a=5"),
        (Finished(1, b"5\n", b"no such queue\nhint\n"), "the program ended with status 1: no such queue"),
        (Finished(0, b"fine\n", b""), "the program printed 'fine' where a number should be"),
        (Finished(127, b"", b""), "the program ended with status 127: silent"),
        (Finished(-11, b"5\n", b""), "the program was killed by signal 11"),
    ],
)
def test_a_program_that_fails_is_told_in_words(finished: Finished, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        interpret(finished, None)
    assert str(caught.value) == message


def test_a_command_must_name_a_program() -> None:
    with pytest.raises(ValueError, match=r"^command: must name a program$"):
        ExecSource(command=())


def shell(script: str, limit: float | None = None) -> ExecSource:
    return ExecSource(command=("sh", "-c", script), limit=limit)


@pytest.mark.loopback
async def test_a_program_is_run_and_its_number_read() -> None:
    assert (await shell("echo 30", limit=100).sample()).ratio == 0.3


@pytest.mark.loopback
async def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match=r"^can't run /nonexistent: No such file or directory$"):
        await ExecSource(command=("/nonexistent",)).sample()


@pytest.mark.loopback
async def test_a_program_that_prints_without_end_is_killed() -> None:
    with pytest.raises(SourceError, match=r"^the program printed more than 65536 bytes$"):
        await ExecSource(command=("yes",)).sample()


@pytest.mark.loopback
async def test_output_up_to_the_limit_is_read_to_the_end() -> None:
    script = f"{sys.executable} -c 'print(7); print(\"x\" * 60000)'"
    assert (await shell(script).sample()).ratio == 7


@pytest.mark.loopback
async def test_a_program_that_hangs_is_killed_with_its_whole_group_and_leaves_no_zombie(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    source = shell(f"echo $$ > {pids}; sleep 600 & echo $! >> {pids}; echo ready >> {pids}; wait")
    sampling = asyncio.create_task(source.sample())
    await until(lambda: pids.exists() and pids.read_text().endswith("ready\n"), "the program's start")
    started = [int(line) for line in pids.read_text().split()[:2]]
    assert all(is_there(pid) for pid in started)
    sampling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sampling
    assert not is_there(started[0])  # no zombie: its status was taken
    await until(lambda: not is_running(started[1]), "the end of its child")


@pytest.mark.loopback
async def test_children_that_a_program_leaves_behind_are_killed_and_not_waited_for(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    source = shell(f"sleep 600 & echo $! > {pids}; echo 5", limit=10)
    async with asyncio.timeout(20):
        assert (await source.sample()).ratio == 0.5
    await until(lambda: not is_running(int(pids.read_text())), "the end of the child")


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def is_running(pid: int) -> bool:
    """Tell whether a process lives; an orphan's zombie waits for whoever adopted it, and does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.loopback
async def test_a_program_for_which_descriptors_run_out_leaves_nothing_open() -> None:
    def descriptors() -> set[str]:
        return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - what is listed is names of descriptors

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    await ExecSource(command=("echo", "1")).sample()
    before = descriptors()
    spare = os.open("/dev/null", os.O_RDONLY)
    os.close(spare)
    failures: list[str] = []
    try:
        for free in range(12):  # from the first pipe to the handle of the process
            resource.setrlimit(resource.RLIMIT_NOFILE, (spare + free, limits[1]))
            try:
                await ExecSource(command=("echo", "1")).sample()
            except SourceError as error:
                failures.append(str(error))
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            assert descriptors() == before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert 5 <= len(failures) < 12
    assert all("Too many open files" in failure for failure in failures)


@pytest.mark.loopback
async def test_a_run_that_is_cancelled_while_it_waits_for_the_end_of_a_program_leaves_no_zombie(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed: list[int] = []

    def kill_and_cancel(group: int, number: int) -> None:
        killed.append(group)
        running.cancel()
        kill(group, number)

    kill = os.killpg
    monkeypatch.setattr(os, "killpg", kill_and_cancel)
    running = asyncio.create_task(shell("true").sample())
    await asyncio.wait({running})
    assert running.cancelled()
    assert not is_there(killed[0])
