"""Sources that only read files of the kernel: looked at without a task, they say what they say when asked."""

from pathlib import Path

import pytest

from feedback.agent.source import Source
from feedback.agent.sources.cpu import CpuSource
from feedback.agent.sources.load import LoadSource
from feedback.agent.sources.memory import MemorySource
from feedback.agent.sources.network import NetworkSource
from feedback.agent.sources.pressure import PressureSource

pytestmark = pytest.mark.loopback

HAS_PRESSURE = Path("/proc/pressure/cpu").exists()
RATES: list[Source] = [CpuSource(), NetworkSource(interface="lo", capacity=1e9)]
RATES += [PressureSource()] if HAS_PRESSURE else []


@pytest.mark.parametrize("source", [LoadSource(), MemorySource()], ids=lambda source: source.name)
async def test_what_needs_one_reading_is_there_at_once(source: Source) -> None:
    seen = source.look()
    assert seen is not None
    assert seen.ratio == pytest.approx((await source.sample()).ratio, abs=0.5)


@pytest.mark.parametrize("source", RATES, ids=lambda source: source.name)
async def test_what_needs_two_readings_is_there_once_it_was_sampled(source: Source) -> None:
    assert source.look() is None
    await source.sample()
    seen = source.look()
    assert seen is not None
    assert 0 <= seen.ratio <= 1
