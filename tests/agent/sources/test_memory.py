import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.source import SourceError
from feedback.agent.sources.memory import (
    Memory,
    MemorySource,
    parse_meminfo,
    parse_reclaimable,
    used_ratio,
    whole,
)

MEMINFO = (
    b"MemTotal:        1000000 kB\nMemFree:          100000 kB\nMemAvailable:     600000 kB\n"
    b"Cached:           450000 kB\nSwapTotal:        500000 kB\nSwapFree:         300000 kB\nHugePages_Total:       0\n"
)
MEMORY_STAT = b"anon 500\nfile 900\nshmem 300\ninactive_file 400\nactive_file 200\nslab_reclaimable 50\nslab 70\n"


def test_memory_is_available_and_not_only_free() -> None:
    memory = parse_meminfo(MEMINFO, swap=True)
    assert memory == Memory(1_024_000_000, 614_400_000, 512_000_000, 307_200_000)
    assert used_ratio(memory, swap=False) == pytest.approx(0.4)


def test_swap_counts_where_it_is_asked_for() -> None:
    assert used_ratio(parse_meminfo(MEMINFO, swap=True), swap=True) == pytest.approx(0.4)
    full = Memory(total=100, available=50, swap_total=100, swap_free=0)
    assert used_ratio(full, swap=False) == 0.5
    assert used_ratio(full, swap=True) == 0.75


def test_a_host_without_swap_has_none() -> None:
    memory = parse_meminfo(b"MemTotal: 100 kB\nMemAvailable: 50 kB\n", swap=True)
    assert used_ratio(memory, swap=True) == used_ratio(memory, swap=False) == 0.5


def test_a_kernel_without_available_memory_is_told_in_words() -> None:
    with pytest.raises(SourceError, match=r"^/proc/meminfo: has no MemAvailable$"):
        parse_meminfo(b"MemTotal: 100 kB\nMemFree: 50 kB\n", swap=False)


def test_file_cache_can_be_taken_back_and_shared_memory_can_not() -> None:
    assert parse_reclaimable(MEMORY_STAT) == 650


def test_a_file_of_one_number_holds_one() -> None:
    assert whole(b"4096\n", "memory.current") == 4096
    with pytest.raises(SourceError, match=r"^memory\.current: max where a number should be$"):
        whole(b"max\n", "memory.current")


def test_no_memory_at_all_is_told_in_words() -> None:
    with pytest.raises(SourceError, match="its total is 0"):
        used_ratio(Memory(0, 0), swap=False)


bytes_counts = st.integers(min_value=-(2**50), max_value=2**50)


@given(st.integers(min_value=1, max_value=2**50), bytes_counts, bytes_counts, st.booleans())
def test_the_share_in_use_is_a_share(total: int, available: int, swap_free: int, swap: bool) -> None:
    assert 0 <= used_ratio(Memory(total, available, 2**40, swap_free), swap=swap) <= 1


@given(st.binary())
def test_any_bytes_are_values_or_one_named_error(data: bytes) -> None:
    with contextlib.suppress(SourceError):
        parse_meminfo(data, swap=True)
    with contextlib.suppress(SourceError):
        parse_reclaimable(data)
    with contextlib.suppress(SourceError):
        whole(data, "memory.current")


@pytest.mark.loopback
async def test_this_hosts_memory_is_measured() -> None:
    assert 0 < (await MemorySource().sample()).ratio < 1
    assert 0 < (await MemorySource(swap=True).sample()).ratio < 1
