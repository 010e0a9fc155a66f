import asyncio
import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.collect import Collector
from feedback.agent.config import MetricConfig
from feedback.agent.source import SourceError
from feedback.agent.sources.file import FileSource, check_age, parse_number
from feedback.report import Report
from tests.agent.director_server import until


@pytest.mark.parametrize(("data", "number"), [(b"5", 5), (b" 2.5 \nof 100\n", 2.5), (b"1e3\r\n", 1000), (b"0", 0)])
def test_a_number_stands_in_the_first_line(data: bytes, number: float) -> None:
    assert parse_number(data, "/run/jobs") == number


@pytest.mark.parametrize("data", [b"", b"\n5\n", b"many\n", b"-1\n", b"nan", b"inf", b"5 jobs\n", b"\xff\xfe5\n"])
def test_what_is_no_number_is_shown(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"^/run/jobs: b'.*' where a number from 0 should be$"):
        parse_number(data, "/run/jobs")


@given(st.binary())
def test_any_bytes_are_a_value_or_one_named_error(data: bytes) -> None:
    with contextlib.suppress(SourceError):
        assert parse_number(data, "/run/jobs") >= 0


def test_a_file_that_nobody_writes_any_more_says_nothing() -> None:
    check_age(60.0, 60.0, "/run/jobs")
    with pytest.raises(SourceError, match=r"^/run/jobs was written 61 s ago, 60 s are allowed$"):
        check_age(61.2, 60.0, "/run/jobs")


@pytest.mark.parametrize("path", ["", "jobs", "/run/jobs/"])
def test_a_path_must_be_a_files_and_absolute(path: str) -> None:
    with pytest.raises(ValueError, match=r"^path: must be the absolute path of a file, like /run/jobs/waiting$"):
        FileSource(path=path)


@pytest.mark.loopback
async def test_a_number_is_a_share_of_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "jobs"
    source = FileSource(path=str(file), limit=100, max_age=60.0)
    file.write_text("25\n")
    assert (await source.sample()).ratio == 0.25
    os.utime(file, (0, 0))
    with pytest.raises(SourceError, match=r"/jobs was written [0-9]+ s ago, 60 s are allowed$"):
        await source.sample()


@pytest.mark.loopback
async def test_what_is_no_such_file_is_told_in_words_and_never_hangs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "big").write_bytes(b"1" * 5000)
    for path, why in {
        "/nonexistent": "can't read /nonexistent: No such file or directory",
        str(tmp_path): f"{tmp_path} is not a plain file",
        f"{tmp_path}/fifo": f"{tmp_path}/fifo is not a plain file",
        f"{tmp_path}/big": f"{tmp_path}/big has more than 4096 bytes",
    }.items():
        with pytest.raises(SourceError) as caught:
            await FileSource(path=path).sample()
        assert str(caught.value) == why


@pytest.mark.loopback
async def test_a_file_that_changes_is_read_at_once(tmp_path: Path) -> None:
    file, other = tmp_path / "jobs", tmp_path / "other"
    file.write_text("10")
    metric = MetricConfig(
        name="jobs", source=FileSource(path=str(file), limit=100), interval_seconds=3600.0, timeout_seconds=2.0
    )
    reports: list[Report] = []
    collector = Collector([metric], 0.05, reports.append)
    collecting = asyncio.create_task(collector.run())
    await until(lambda: bool(reports) and reports[-1].metrics == {"jobs": 0.1}, "the first value")
    other.write_text("60")
    other.rename(file)
    await until(lambda: reports[-1].metrics == {"jobs": 0.6}, "the value of the file that took its place")
    file.write_text("30")
    await until(lambda: reports[-1].metrics == {"jobs": 0.3}, "the value that was written")
    file.unlink()
    await until(lambda: "jobs" in reports[-1].failures, "the end of the file")
    collecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await collecting


@pytest.mark.loopback
async def test_other_files_of_the_directory_wake_nobody(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("10")
    source = FileSource(path=f"{tmp_path}/jobs")
    changing = asyncio.create_task(source.change())
    await asyncio.sleep(0)
    for number in range(10):
        (tmp_path / "other").write_text(f"{number}")
        await asyncio.sleep(0)
    assert source._directory is not None
    await until(lambda: source._directory is not None and not source._directory.read(), "the events")
    assert not changing.done()
    (tmp_path / "jobs").write_text("20")
    await changing


@pytest.mark.loopback
async def test_a_directory_that_can_not_be_watched_is_read_at_the_interval(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    source = FileSource(path=f"{directory}/jobs", limit=100)
    metric = MetricConfig(name="jobs", source=source, interval_seconds=0.05, timeout_seconds=2.0)
    reports: list[Report] = []
    collecting = asyncio.create_task(Collector([metric], 0.05, reports.append).run())
    await until(lambda: bool(reports) and "No such file" in reports[-1].failures.get("jobs", ""), "the failure")
    directory.mkdir()
    (directory / "jobs").write_text("10")
    await until(lambda: reports[-1].metrics == {"jobs": 0.1}, "the first value")
    collecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await collecting
