"""CPU and memory of a control group with limits, from files as the kernel writes them."""

import os
from pathlib import Path

import pytest

from feedback.agent import cgroup
from feedback.agent.source import SourceError
from feedback.agent.sources.cpu import CpuSource, Quota
from feedback.agent.sources.memory import MemorySource
from feedback.agent.sources.processes import ProcessesSource

pytestmark = pytest.mark.loopback


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the visible root of a container with limits."""
    monkeypatch.setattr(cgroup, "ROOT", str(tmp_path))
    files = {
        "cpu.max": "50000 100000\n",
        "cpu.stat": "usage_usec 1000000\n",
        "memory.max": "1000000\n",
        "memory.current": "900000\n",
        "memory.stat": "inactive_file 300000\nactive_file 100000\nslab_reclaimable 0\n",
        "memory.swap.max": "0\n",
        "memory.swap.current": "0\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


async def test_in_a_container_full_is_its_quota(group: Path) -> None:
    source = CpuSource()
    assert (await source.sample()).ratio == 0
    (group / "cpu.stat").write_text("usage_usec 9000000\n")
    assert (await source.sample()).ratio > 1  # 8 s of CPU time in an instant


async def test_a_container_without_a_quota_may_use_the_whole_host(group: Path) -> None:
    (group / "cpu.max").write_text("max 100000\n")
    assert 0 <= (await CpuSource().sample()).ratio <= 1


async def test_in_a_container_full_is_its_limit_without_the_file_cache(group: Path) -> None:
    assert (await MemorySource().sample()).ratio == pytest.approx(0.5)
    (group / "memory.current").write_text("1000000\n")
    assert (await MemorySource().sample()).ratio == pytest.approx(0.6)


async def test_a_container_without_swap_has_none_to_count(group: Path) -> None:
    assert (group / "memory.swap.max").exists()
    assert (await MemorySource(swap=True).sample()).ratio == pytest.approx(0.5)


@pytest.mark.parametrize("most", ["max", "99999999999999999"])
async def test_a_container_without_a_limit_may_use_the_whole_host(group: Path, most: str) -> None:
    (group / "memory.max").write_text(f"{most}\n")
    whole_host = (await MemorySource().sample()).ratio
    assert whole_host != pytest.approx(0.5, abs=1e-9)


async def test_another_group_can_be_named(group: Path) -> None:
    service = group / "system.slice" / "nginx.service"
    service.mkdir(parents=True)
    (service / "cpu.max").write_text("200000 100000\n")
    (service / "cpu.stat").write_text("usage_usec 5\n")
    (service / "cgroup.controllers").write_text("cpu memory pids\n")
    source = CpuSource(cgroup="/system.slice/nginx.service")
    assert source._read() == {str(service): Quota(5, 2.0), str(group): Quota(1_000_000, 0.5)}


@pytest.fixture
def nested(group: Path) -> Path:
    """Return the directory of a service, in a slice with tighter limits, on a host without any."""
    for name in ("cpu.max", "memory.max", "memory.swap.max"):
        (group / name).unlink()
    service = group / "web.slice" / "nginx.service"
    service.mkdir(parents=True)
    for directory, most, current in ((service.parent, 1000, 900), (service, 2000, 800)):
        files = {
            "cgroup.controllers": "cpu memory pids\n",
            "memory.max": f"{most}\n",
            "memory.current": f"{current}\n",
            "memory.stat": "inactive_file 100\nactive_file 0\nslab_reclaimable 0\n",
            "pids.max": f"{most}\n",
            "pids.current": f"{current}\n",
            "cpu.max": f"{most * 100} 100000\n",
            "cpu.stat": "usage_usec 5\n",
        }
        for name, text in files.items():
            (directory / name).write_text(text)
    return service


async def test_the_tightest_limit_around_a_group_decides(nested: Path) -> None:
    name = "/web.slice/nginx.service"
    assert (await MemorySource(cgroup=name).sample()).ratio == pytest.approx(0.8)
    assert (await ProcessesSource(cgroup=name).sample()).ratio == pytest.approx(0.9)
    (nested / "memory.current").write_text("1900\n")
    (nested / "pids.current").write_text("1900\n")
    assert (await MemorySource(cgroup=name).sample()).ratio == pytest.approx(0.9)
    assert (await ProcessesSource(cgroup=name).sample()).ratio == pytest.approx(0.95)


async def test_a_level_without_a_controller_has_no_limit(nested: Path) -> None:
    (nested.parent / "memory.max").unlink()
    assert (await MemorySource(cgroup="/web.slice/nginx.service").sample()).ratio == pytest.approx(0.35)


async def test_a_group_that_is_not_there_is_named_until_its_service_starts(nested: Path) -> None:
    sources = [source(cgroup="/web.slice/php.service") for source in (CpuSource, MemorySource, ProcessesSource)]
    for source in sources:
        with pytest.raises(SourceError) as caught:
            await source.sample()
        why = f"there is no control group /web.slice/php.service of version 2 at {nested.parent}/php.service"
        assert str(caught.value) == why
    os.rename(nested, nested.parent / "php.service")  # noqa: PTH104 - asyncio's own rule is against pathlib here
    for source in sources:
        await source.sample()


async def test_what_a_limit_lacks_is_named(nested: Path) -> None:
    (nested / "memory.current").unlink()
    with pytest.raises(SourceError, match=r"^memory\.current: is empty$"):
        await MemorySource(cgroup="/web.slice/nginx.service").sample()
