import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent import cgroup
from feedback.agent.source import SourceError
from feedback.agent.sources import filedescriptors
from feedback.agent.sources.filedescriptors import (
    Descriptors,
    FiledescriptorsSource,
    fullest,
    parse_file_nr,
    parse_most,
)

LIMITS = (
    b"Limit                     Soft Limit           Hard Limit           Units     \n"
    b"Max core file size        0                    unlimited            bytes     \n"
    b"Max open files            1024                 524288               files     \n"
)


def test_the_hosts_files_are_a_share_of_its_maximum() -> None:
    assert parse_file_nr(b"500\t0\t2000\n") == 0.25


@pytest.mark.parametrize("data", [b"", b"1 0\n", b"1 0 0\n", b"1 0 00\n", b"a 0 9\n", b"1 0 b\n"])
def test_what_is_not_file_nr_is_an_error(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"^/proc/sys/fs/file-nr: "):
        parse_file_nr(data)


def test_a_processes_soft_limit_is_read() -> None:
    assert parse_most(LIMITS) == 1024
    assert parse_most(b"Max open files            unlimited            unlimited            files     \n") is None


@pytest.mark.parametrize("data", [b"", b"Max open files\n", b"Max open files  many  1 files\n"])
def test_what_has_no_limit_is_an_error(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"^limits: "):
        parse_most(data)


@given(st.binary())
def test_any_bytes_are_a_value_or_one_named_error(data: bytes) -> None:
    for parse in (parse_file_nr, parse_most):
        with contextlib.suppress(SourceError):
            parse(data)


def test_the_fullest_process_counts() -> None:
    assert fullest([Descriptors(5, 10), Descriptors(900, 1000), Descriptors(99, None)], "called web") == 0.9
    assert fullest([Descriptors(5, None)], "called web") == 0


def test_no_process_is_told_in_words() -> None:
    with pytest.raises(SourceError, match=r"^there is no process called web$"):
        fullest([], "called web")


def test_processes_are_told_in_one_way() -> None:
    with pytest.raises(ValueError, match=r"^process: must be alone: give one of process, pid_file and cgroup$"):
        FiledescriptorsSource(process="web", cgroup="/web")


@pytest.mark.loopback
async def test_this_hosts_files_are_measured() -> None:
    assert 0 <= (await FiledescriptorsSource().sample()).ratio < 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[int]:
    """Yield the process id of one that has a limit of 20 files, and 10 open."""
    program = tmp_path / "files-open"
    program.symlink_to("/bin/bash")
    script = "exec 3</dev/null 4<&3 5<&3 6<&3 7<&3 8<&3 9<&3; echo ready; read"
    with subprocess.Popen(
        ["bash", "-c", f"ulimit -n 20; exec {program} -c '{script}'"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


@pytest.mark.loopback
async def test_a_processes_files_are_a_share_of_its_own_limit(
    server: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup, "ROOT", str(tmp_path))
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "cgroup.procs").write_text(f"{server}\n999999999\n")  # one has ended
    (tmp_path / "pid").write_text(f"{server}\n")
    for source in (
        FiledescriptorsSource(process="files-open"),
        FiledescriptorsSource(pid_file=str(tmp_path / "pid")),
        FiledescriptorsSource(cgroup="/web"),
    ):
        assert (await source.sample()).ratio == 0.5


@pytest.mark.loopback
async def test_files_of_an_older_kernel_are_counted_one_by_one(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.stat

    def stat(path: str) -> os.stat_result:
        return os.stat_result([0 if place == 6 else number for place, number in enumerate(really(path))])

    monkeypatch.setattr(os, "stat", stat)
    assert filedescriptors._count(f"/proc/{server}/fd") == 10


@pytest.mark.loopback
async def test_who_may_not_count_them_is_told_so(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(filedescriptors, "_count", refuse)
    with pytest.raises(SourceError, match=f"^may not count the files of process {server}: Linux before 6.2 tells only"):
        await FiledescriptorsSource(process="files-open").sample()


@pytest.mark.loopback
@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("running", [True, False])
async def test_a_process_that_ends_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch, *, running: bool) -> None:
    def refuse(path: str, _limit_bytes: int) -> bytes:
        raise SourceError(f"can't read {path}: it is odd")

    monkeypatch.setattr(filedescriptors, "read_plain", refuse)
    monkeypatch.setattr(os.path, "exists", lambda _: running)
    why = "it is odd" if running else "there is no process called files-open"
    with pytest.raises(SourceError, match=why):
        await FiledescriptorsSource(process="files-open").sample()
