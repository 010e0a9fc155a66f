import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.collect import Collector
from feedback.agent.config import MetricConfig
from feedback.agent.source import Source, SourceError
from feedback.agent.sources.disk import DiskSource, Space, block_name, busy_ratio, full_ratio, parse_busy_milliseconds
from feedback.agent.sources.load import LoadSource
from feedback.agent.window import Span

STAT = b"  884628    82495 27198194   617857   226409   322079 17045616   115862        0    98348   758628 17 43 1 2\n"


def test_full_is_when_nothing_is_left_for_others_than_root() -> None:
    assert full_ratio(Space(100, 30, 20), "/") == pytest.approx(70 / 90)
    assert full_ratio(Space(100, 5, 0), "/") == 1


def test_the_fuller_of_space_and_inodes_counts() -> None:
    assert full_ratio(Space(100, 90, 90, 1000, 100, 100), "/") == pytest.approx(0.9)
    assert full_ratio(Space(100, 10, 10, 1000, 900, 900), "/") == pytest.approx(0.9)


def test_a_file_system_without_inodes_has_space_alone() -> None:
    assert full_ratio(Space(100, 90, 90, 0, 0, 0), "/") == pytest.approx(0.1)


def test_a_file_system_without_a_size_is_told_in_words() -> None:
    with pytest.raises(SourceError, match=r"^/proc is on a file system without a size$"):
        full_ratio(Space(0, 0, 0), "/proc")


counts = st.integers(min_value=0, max_value=2**63)


@given(counts, counts, counts, counts, counts, counts)
def test_a_share_is_a_ratio_whatever_a_file_system_says(  # noqa: PLR0917 - six numbers
    blocks: int, free: int, available: int, inodes: int, inodes_free: int, inodes_available: int
) -> None:
    with contextlib.suppress(SourceError):
        assert 0 <= full_ratio(Space(blocks, free, available, inodes, inodes_free, inodes_available), "/") <= 1


def test_busy_is_the_tenth_number() -> None:
    assert parse_busy_milliseconds(STAT, "stat") == 98348


@pytest.mark.parametrize("data", [b"", b"1 2 3\n", b"0 0 0 0 0 0 0 0 0 many 0\n"])
def test_what_are_no_statistics_is_an_error(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"^/sys/block/sda/stat: b'.*' where a .* should be$"):
        parse_busy_milliseconds(data, "/sys/block/sda/stat")


@given(st.binary())
def test_any_bytes_are_a_value_or_one_named_error(data: bytes) -> None:
    with contextlib.suppress(SourceError):
        assert parse_busy_milliseconds(data, "stat") >= 0


@pytest.mark.parametrize(("after", "busy"), [(1500, 0.25), (1000, 0), (900, 0), (3004, 1)])
def test_busy_is_a_share_of_the_time_between(after: int, busy: float) -> None:
    assert busy_ratio(Span(1000, after, 2.0)) == busy


def test_a_disk_is_either_full_or_busy() -> None:
    with pytest.raises(ValueError, match=r"^path: can't stand beside device: one is how full, the other how busy$"):
        DiskSource(path="/", device="sda")


@pytest.mark.parametrize("device", ["", ".", "/"])
def test_what_is_no_device_is_named(device: str) -> None:
    with pytest.raises(SourceError, match=r'" is not a block device, like sda or /dev/sda$'):
        block_name(device)


def test_a_device_may_be_given_by_a_path_with_links(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to("dm-3")
    assert block_name(str(tmp_path / "data")) == "dm-3"
    assert block_name("/dev/sda") == "sda"


def df(path: str) -> list[float]:
    printed = subprocess.run(["df", "--output=pcent,ipcent", path], stdout=subprocess.PIPE, check=True).stdout
    return [int(word.rstrip(b"%")) / 100 for word in printed.splitlines()[1].split() if word != b"-"]


@pytest.fixture
def device() -> str:
    """Return the path of a block device of this host."""
    return f"/dev/{next(path.name for path in Path('/sys/class/block').iterdir())}"


@pytest.mark.loopback
async def test_a_file_system_is_as_full_as_df_says(tmp_path: Path) -> None:
    path = str(tmp_path)
    assert (await DiskSource(path=path).sample()).ratio == pytest.approx(max(df(path)), abs=0.02)
    assert 0 <= (await DiskSource().sample()).ratio <= 1


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nonexistent", "can't ask for the space of /nonexistent: No such file or directory"),
        ("/proc", "/proc is on a file system without a size"),
        ("/a\0b", "can't ask for the space of /a\0b: embedded null byte"),
    ],
)
async def test_what_has_no_space_is_told_in_words(path: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        await DiskSource(path=path).sample()
    assert str(caught.value) == message


@pytest.mark.loopback
async def test_a_real_devices_busy_time_is_measured(device: str) -> None:
    source = DiskSource(device=device)
    assert 0 <= (await source.sample()).ratio <= 1
    assert 0 <= (await source.sample()).ratio <= 1


@pytest.mark.loopback
async def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match=r"^can't read /sys/class/block/sdzz/stat: No such file or directory$"):
        await DiskSource(device="sdzz").sample()


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield a path whose file system does not answer until the end of the test."""
    release = threading.Event()
    really = os.statvfs

    def statvfs(path: str) -> os.statvfs_result:
        if path == "/mnt/hung":
            release.wait()
        return really("/")

    monkeypatch.setattr(os, "statvfs", statvfs)
    yield "/mnt/hung"
    release.set()


async def test_a_file_system_that_hangs_delays_nothing_else(hung: str) -> None:
    def metric(name: str, source: Source) -> MetricConfig:
        return MetricConfig(
            name=name, source=source, interval_seconds=1.0, timeout_seconds=0.05 if name == "hung" else 9.0
        )

    sources = {"hung": DiskSource(path=hung), "disk": DiskSource(), "load": LoadSource()}
    collector = Collector([metric(name, source) for name, source in sources.items()], 1.0, lambda _: None)
    for why in ("no answer within 0.05 s", "/mnt/hung does not answer: a call from before still waits for the kernel"):
        report = await collector.once()
        assert report.failures == {"hung": why}
        assert report.metrics.keys() == {"disk", "load"}
    assert [thread.name for thread in threading.enumerate()].count(hung) == 1
