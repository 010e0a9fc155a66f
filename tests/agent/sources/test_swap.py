from pathlib import Path

import pytest

from feedback.agent import cgroup
from feedback.agent.sources import swap
from feedback.agent.sources.swap import SwapSource, used_ratio


def test_swap_is_full_when_all_of_it_is_in_use() -> None:
    assert used_ratio(25, 100) == 0.25
    assert used_ratio(100, 100) == 1


def test_without_swap_none_of_it_is_in_use() -> None:
    assert used_ratio(0, 0) == 0


@pytest.mark.parametrize(("used", "ratio"), [(-5, 0), (105, 1)])
def test_readings_that_do_not_fit_together_stay_in_bounds(used: int, ratio: float) -> None:
    assert used_ratio(used, 100) == ratio


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of a host with 1000 kB of swap, 300 of them in use."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 100 kB\nMemAvailable: 50 kB\nSwapTotal: 1000 kB\nSwapFree: 700 kB\n")
    monkeypatch.setattr(swap, "MEMINFO", str(meminfo))
    monkeypatch.setattr(cgroup, "ROOT", str(tmp_path))
    return tmp_path


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("most", "current", "ratio"), [(None, 0, 0.3), ("max", 0, 0.3), ("204800", 51200, 0.25), ("99999999999", 0, 0.3)]
)
async def test_a_groups_limit_counts_where_it_is_the_lower_one(
    host: Path, most: str | None, current: int, ratio: float
) -> None:
    if most is not None:
        (host / "memory.swap.max").write_text(f"{most}\n")
        (host / "memory.swap.current").write_text(f"{current}\n")
    assert (await SwapSource().sample()).ratio == pytest.approx(ratio)


@pytest.mark.loopback
async def test_this_hosts_swap_is_measured() -> None:
    assert 0 <= (await SwapSource().sample()).ratio <= 1
