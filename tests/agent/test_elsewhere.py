"""psutil says on Linux, too, what /proc says: the sources are made to ask it, and must come to the same."""

import builtins
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from feedback.agent import elsewhere
from feedback.agent.source import Source, SourceError
from feedback.agent.sources import cpu, disk, load, memory, network

pytestmark = pytest.mark.loopback


@pytest.fixture
def without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the sources ask psutil."""
    for module in (cpu, disk, load, memory, network):
        monkeypatch.setattr(module, "has_proc", lambda: False)


async def sampled(source: Source) -> float:
    return (await source.sample()).ratio


@pytest.mark.usefixtures("without_proc")
async def test_memory_swap_and_load_come_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [await sampled(source) for source in (memory.MemorySource(), load.LoadSource())]
    monkeypatch.undo()
    said = [await sampled(source) for source in (memory.MemorySource(), load.LoadSource())]
    assert found[0] == pytest.approx(said[0], abs=0.05)
    assert found[1] == pytest.approx(said[1], abs=0.5)


def test_cpu_time_is_what_proc_stat_says() -> None:
    before = cpu.parse_stat(Path("/proc/stat").read_bytes())
    found = elsewhere.cpu_time()
    after = cpu.parse_stat(Path("/proc/stat").read_bytes())
    assert before.total - 8 <= found.total <= after.total + 8  # each kind of time is rounded
    assert before.idle - 2 <= found.idle <= after.idle + 2


@pytest.mark.usefixtures("without_proc")
async def test_busy_cores_are_measured() -> None:
    assert 0 <= await sampled(cpu.CpuSource()) <= 1


def test_traffic_is_what_proc_net_dev_says() -> None:
    before = network.parse_dev(Path("/proc/net/dev").read_bytes())
    found = elsewhere.traffic()
    after = network.parse_dev(Path("/proc/net/dev").read_bytes())
    assert found.keys() == before.keys()
    assert before["lo"].received <= found["lo"].received <= after["lo"].received


@pytest.mark.usefixtures("without_proc")
async def test_the_busiest_interface_counts_where_there_is_no_table_of_routes() -> None:
    assert await sampled(network.NetworkSource(interface="lo", capacity=1e9)) >= 0
    with pytest.raises(SourceError, match=r"^the speed of lo is not known: give its capacity, like `capacity: 1Gbit`$"):
        await sampled(network.NetworkSource(interface="lo"))


def test_a_links_speed_is_in_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = psutil.net_if_stats()["lo"]._replace(speed=1000)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: {"em0": fast})
    assert elsewhere.bits_per_second("em0") == 1e9


@pytest.mark.usefixtures("without_proc")
async def test_a_disks_busy_time_is_told_where_the_system_does(monkeypatch: pytest.MonkeyPatch) -> None:
    device = next(iter(psutil.disk_io_counters(perdisk=True)))
    assert 0 <= await sampled(disk.DiskSource(device=device)) <= 1
    monkeypatch.setattr(psutil, "disk_io_counters", lambda *, perdisk: {device: (1, 2)} if perdisk else {})
    with pytest.raises(SourceError, match=f"^this system does not tell how busy {device} is$"):
        await sampled(disk.DiskSource(device=device))


@pytest.mark.usefixtures("without_proc")
async def test_without_psutil_a_metric_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    really = builtins.__import__

    def refuse(
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> object:
        if name == "psutil":
            raise ModuleNotFoundError("No module named 'psutil'", name="psutil")
        return really(name, globals, locals, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(SourceError) as caught:
        await sampled(memory.MemorySource())
    assert str(caught.value) == "a system without /proc needs the psutil extra: pip install 'lvs-feedback[psutil]'"
