"""CPU and memory of a control group with limits, from files as the kernel writes them."""

from pathlib import Path

import pytest

from feedback.agent import cgroup
from feedback.agent.sources.cpu import CpuSource, Quota
from feedback.agent.sources.memory import MemorySource

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
    source = CpuSource(cgroup="/system.slice/nginx.service")
    assert source._read() == Quota(5, 2.0)
