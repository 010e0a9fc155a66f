import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.source import SourceError
from feedback.agent.sources.pressure import PressureSource, parse_pressure, stalled_ratio
from feedback.agent.window import Span

PRESSURE = b"some avg10=0.12 avg60=0.08 avg300=0.13 total=6056439\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1234\n"


def test_time_lost_is_the_running_total() -> None:
    assert parse_pressure(PRESSURE, "some", "/proc/pressure/io") == 6056439
    assert parse_pressure(PRESSURE, "full", "/proc/pressure/io") == 1234


@pytest.mark.parametrize("data", [b"", b"some avg10=0.12\n", b"\n\n"])
def test_a_missing_line_is_named(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"^/proc/pressure/io: has no some line$"):
        parse_pressure(data, "some", "/proc/pressure/io")


def test_the_resource_with_the_most_pressure_decides() -> None:
    assert stalled_ratio(Span([0, 1_000_000], [100_000, 1_500_000], 2.0)) == 0.25


@given(st.integers(0, 2**60), st.integers(0, 2**60), st.floats(min_value=1e-9, max_value=1e6))
def test_a_share_of_the_time_is_a_share(before: int, after: int, seconds: float) -> None:
    assert 0 <= stalled_ratio(Span([before], [after], seconds)) <= 1


@given(st.binary())
def test_any_bytes_are_a_value_or_one_named_error(data: bytes) -> None:
    with contextlib.suppress(SourceError):
        parse_pressure(data, "some", "f")


HAS_PRESSURE = Path("/proc/pressure/cpu").exists()


@pytest.mark.loopback
async def test_this_hosts_pressure_is_measured_where_the_kernel_has_it() -> None:
    sampling = PressureSource(resource="cpu").sample()
    if HAS_PRESSURE:
        assert 0 <= (await sampling).ratio <= 1
    else:
        with pytest.raises(SourceError, match="can't read /proc/pressure/cpu"):
            await sampling
