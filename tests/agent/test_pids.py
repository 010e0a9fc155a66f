import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback.agent import cgroup
from feedback.agent.pids import pid_in_file, pids_by_name, pids_in_group
from feedback.agent.source import SourceError
from tests.agent.director_server import until

pytestmark = pytest.mark.loopback


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[int]]:
    """Yield two processes whose name is longer than the kernel keeps it."""
    program = tmp_path / "a-name-of-20-letters"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as one, subprocess.Popen([program, "60"]) as other:
        yield sorted([one.pid, other.pid])
        one.kill()
        other.kill()


async def test_processes_are_found_by_their_name(two: list[int]) -> None:
    await until(lambda: sorted(pids_by_name("a-name-of-20-letters")) == two, "the two processes' names")
    assert pids_by_name("a-name") == []


def test_a_file_says_which_process_is_meant(tmp_path: Path) -> None:
    file = tmp_path / "server.pid"
    file.write_text(f"{os.getpid()}\n/var/lib/postgresql\n")  # PostgreSQL writes more lines
    assert pid_in_file(str(file)) == os.getpid()


@pytest.mark.parametrize("text", ["", "\n", "nginx\n", "-1\n", "0\n", "12345678901\n"])
def test_what_is_no_process_id_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "server.pid"
    file.write_text(text)
    with pytest.raises(SourceError, match=r"^/.*/server\.pid: b'.*' where a process id should be$"):
        pid_in_file(str(file))


def test_a_groups_processes_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "ROOT", str(tmp_path))
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "cgroup.procs").write_text("12\n345\n")
    assert pids_in_group("/web") == [12, 345]
    with pytest.raises(SourceError, match=r"^can't read /.*/none/cgroup\.procs: No such file or directory$"):
        pids_in_group("/none")
