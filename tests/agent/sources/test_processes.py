import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent import cgroup
from feedback.agent.pids import pids_by_name
from feedback.agent.source import SourceError
from feedback.agent.sources import processes
from feedback.agent.sources.processes import ProcessesSource, parse_threads
from tests.agent.director_server import until


def test_threads_are_the_second_of_two_numbers() -> None:
    assert parse_threads(b"0.83 0.27 0.45 3/106 12035\n") == 106


@pytest.mark.parametrize("data", [b"", b"0 0 0 3 1\n", b"0 0 0 x/3 1\n", b"0 0 0 3/x 1\n", b"0 0 0 3/106\n"])
def test_what_does_not_count_threads_is_an_error(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"^/proc/loadavg: "):
        parse_threads(data)


@given(st.binary())
def test_any_bytes_are_a_value_or_one_named_error(data: bytes) -> None:
    with contextlib.suppress(SourceError):
        assert parse_threads(data) >= 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"process": "nginx"}, "limit: goes with process, and process with limit"),
        ({"limit": 5}, "limit: goes with process, and process with limit"),
        ({"process": "", "limit": 5}, "process: must name a process, like nginx"),
    ],
)
def test_a_name_goes_with_a_limit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        ProcessesSource(**options)
    assert str(caught.value) == message


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of a host with 200 threads, of 1000 that there may be."""
    for name, text in {
        "LOADAVG": "0 0 0 1/200 5\n",
        "PID_MAX": "4000\n",
        "THREADS_MAX": "1000\n",
    }.items():
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(processes, name, str(tmp_path / name))
    monkeypatch.setattr(cgroup, "ROOT", str(tmp_path))
    return tmp_path


@pytest.mark.loopback
@pytest.mark.parametrize(("most", "ratio"), [(None, 0.2), ("max", 0.2), ("100", 0.3), ("1000", 0.2)])
async def test_the_tightest_limit_decides(host: Path, most: str | None, ratio: float) -> None:
    if most is not None:
        (host / "pids.max").write_text(f"{most}\n")
        (host / "pids.current").write_text("30\n")
    assert (await ProcessesSource().sample()).ratio == ratio


@pytest.mark.loopback
async def test_this_hosts_threads_are_measured() -> None:
    assert 0 < (await ProcessesSource().sample()).ratio < 1


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    program = tmp_path / "counted-thing"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process:
        yield process
        process.kill()


@pytest.mark.loopback
async def test_processes_of_a_name_are_counted(counted: subprocess.Popen[bytes]) -> None:
    source = ProcessesSource(process="counted-thing", limit=4)
    await until(lambda: pids_by_name("counted-thing") == [counted.pid], "the process's name")
    assert (await source.sample()).ratio == 0.25
    counted.kill()
    counted.wait()
    assert (await source.sample()).ratio == 0
