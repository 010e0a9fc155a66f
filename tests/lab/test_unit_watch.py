"""A systemd unit's control group, in the lab's kernel, where anybody may make one."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback.agent.watches.unit import UnitWatch
from tests.lab.cluster import run, wait_until

UNIT = "web.service"


@pytest.fixture
def hierarchy(tmp_path: Path) -> Iterator[Path]:
    """Mount a version 2 hierarchy with a group for the unit."""
    run("mount", "-t", "cgroup2", "none", str(tmp_path))
    group = group_in(tmp_path)
    group.mkdir(parents=True)
    try:
        yield tmp_path
    finally:
        group.rmdir()
        group.parent.rmdir()
        run("umount", str(tmp_path))


def group_in(hierarchy: Path) -> Path:
    return hierarchy / "system.slice" / UNIT


def process_in(group: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(["sleep", "60"])
    (group / "cgroup.procs").write_text(str(process.pid))
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def is_empty(group: Path) -> bool:
    return "populated 0" in (group / "cgroup.events").read_text()


def test_the_end_of_the_last_process_is_told_and_a_new_one_is_found(hierarchy: Path) -> None:
    async def change(watch: UnitWatch, process: subprocess.Popen[bytes]) -> None:
        waiting = asyncio.ensure_future(watch.change())
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
        end(process)
        await asyncio.wait_for(waiting, 20)

    watch = UnitWatch(UNIT, str(hierarchy))
    assert watch.look().wrong
    for _ in range(2):
        first, last = process_in(group_in(hierarchy)), process_in(group_in(hierarchy))
        assert not watch.look().wrong
        end(first)
        assert not watch.look().wrong
        asyncio.run(change(watch, last))
        assert watch.look().wrong
        assert watch.look().why == "web.service does not run"
    watch.close()


def test_a_group_that_is_taken_away_does_not_run_and_its_follower_is_another(hierarchy: Path) -> None:
    group = group_in(hierarchy)
    process = process_in(group)
    watch = UnitWatch(UNIT, str(hierarchy))
    assert not watch.look().wrong
    end(process)
    wait_until(lambda: is_empty(group))
    group.rmdir()
    assert watch.look().wrong
    group.mkdir()
    assert watch.look().wrong
    process = process_in(group)
    assert not watch.look().wrong
    end(process)
    wait_until(lambda: is_empty(group))
    watch.close()


def test_a_unit_that_has_just_been_stopped_and_taken_away_is_not_an_error(hierarchy: Path) -> None:
    """The file of a group that is gone is open still, and can't be read any more."""
    group = group_in(hierarchy)
    process = process_in(group)
    watch = UnitWatch(UNIT, str(hierarchy))
    assert not watch.look().wrong
    end(process)
    wait_until(lambda: is_empty(group))
    group.rmdir()
    with pytest.raises(OSError, match="No such device"):
        os.pread(watch._events, 100, 0)
    assert watch.look().wrong
    group.mkdir()
    watch.close()
