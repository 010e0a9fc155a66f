import contextlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.cgroup import cgroup_directory, lineage
from feedback.agent.source import SourceError
from feedback.agent.sources.cpu import (
    CpuSource,
    CpuTime,
    Quota,
    busy_ratio,
    parse_quota,
    parse_stat,
    parse_used,
    quota_ratio,
)
from feedback.agent.window import Span

STAT = b"cpu  100 20 30 1000 50 5 6 7 40 3\ncpu0 50 10 15 500 25 2 3 3 20 1\nintr 12345\n"
CPU_STAT = b"usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 0\n"

Reading = Span[CpuTime | Mapping[str, Quota]]
counts = st.integers(min_value=0, max_value=2**40)


def test_idle_time_is_idle_and_waiting_for_disks() -> None:
    assert parse_stat(STAT) == CpuTime(idle=1050, total=1218)


def test_guests_are_counted_once_within_user_time() -> None:
    without = parse_stat(b"cpu  100 20 30 1000 50 5 6 7\n")
    assert without == parse_stat(STAT)


@pytest.mark.parametrize("data", [b"", b"cpu 1 2 3\n", b"cpu0 1 2 3 4 5 6 7 8\n", b"cpu  1 2 3 x 5 6 7 8 9\n"])
def test_what_is_not_proc_stat_is_an_error(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"^/proc/stat: "):
        parse_stat(data)


def test_a_quota_is_a_number_of_cores() -> None:
    assert parse_quota(b"150000 100000\n") == 1.5
    assert parse_quota(b"max 100000\n") is None


@pytest.mark.parametrize("data", [b"", b"max\n", b"0 100000\n", b"100000 0\n", b"1 2 3\n", b"-1 100000\n"])
def test_what_is_not_a_quota_is_an_error(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"^cpu\.max: "):
        parse_quota(data)


def test_a_groups_use_is_read_in_microseconds() -> None:
    assert parse_used(CPU_STAT) == 2_500_000
    with pytest.raises(SourceError, match=r"^cpu\.stat: has no usage_usec$"):
        parse_used(b"user_usec 5\n")


@pytest.mark.parametrize(
    ("idle", "total", "busy"), [(0, 100, 1.0), (100, 100, 0.0), (25, 100, 0.75), (0, 0, 0.0), (-5, 100, 1.0)]
)
def test_busy_is_what_is_not_idle(idle: int, total: int, busy: float) -> None:
    before = CpuTime(idle=1000, total=5000)
    span: Reading = Span(before, CpuTime(before.idle + idle, before.total + total), 1.0)
    assert busy_ratio(span) == busy


def test_within_a_quota_full_is_the_quota() -> None:
    assert quota_ratio(Quota(1_000_000, 1.5), Quota(4_000_000, 1.5), 2.0) == 1.0


def test_a_quota_that_was_raised_counts_at_once() -> None:
    assert quota_ratio(Quota(1_000_000, 1.5), Quota(4_000_000, 3.0), 2.0) == 0.5


def test_between_a_host_and_a_quota_there_is_no_rate() -> None:
    host, limited, elsewhere = CpuTime(1, 2), {"/web": Quota(4, 3.0)}, {"/mail": Quota(4, 3.0)}
    spans: list[Reading] = [Span(host, limited, 2.0), Span(limited, host, 2.0), Span(limited, elsewhere, 2.0)]
    for span in spans:
        with pytest.raises(SourceError, match="a CPU quota was set or lifted just now"):
            busy_ratio(span)


def test_of_several_quotas_the_tightest_decides() -> None:
    before = {"/web": Quota(0, 4.0), "/web/nginx": Quota(0, 2.0), "/new": Quota(0, 0.1)}
    after = {"/web": Quota(3_000_000, 4.0), "/web/nginx": Quota(1_000_000, 2.0)}
    span: Reading = Span(before, after, 1.0)
    assert busy_ratio(span) == 0.75


@given(counts, counts, counts, counts, st.floats(min_value=1e-9, max_value=1e6))
def test_busy_is_never_negative_whatever_the_counters_do(a: int, b: int, c: int, d: int, seconds: float) -> None:
    host: Reading = Span(CpuTime(a, a + b), CpuTime(c, c + d), seconds)
    assert 0 <= busy_ratio(host) <= 1
    assert quota_ratio(Quota(a, 2.0), Quota(c, 2.0), seconds) >= 0


@given(st.binary())
def test_any_bytes_are_values_or_one_named_error(data: bytes) -> None:
    for parse in (parse_stat, parse_quota, parse_used):
        with contextlib.suppress(SourceError):
            parse(data)


def test_a_group_is_named_by_its_path() -> None:
    assert cgroup_directory(None) == "/sys/fs/cgroup"
    assert cgroup_directory("/system.slice/nginx.service") == "/sys/fs/cgroup/system.slice/nginx.service"


def test_the_limits_of_a_group_are_its_own_and_those_of_all_around_it() -> None:
    assert lineage(None) == lineage("/") == ("/sys/fs/cgroup",)
    assert lineage("/a.slice/b/") == ("/sys/fs/cgroup/a.slice/b", "/sys/fs/cgroup/a.slice", "/sys/fs/cgroup")


@pytest.mark.loopback
async def test_this_hosts_cpu_time_is_measured() -> None:
    source = CpuSource()
    first, second = await source.sample(), await source.sample()
    assert 0 <= first.ratio <= 1
    assert 0 <= second.ratio <= 1
