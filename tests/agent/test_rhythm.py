"""Intervals in virtual time."""

import asyncio
import math
from collections.abc import Sequence

import msgspec
import pytest

from feedback.agent.rhythm import Rhythm, following
from feedback.testing import run_virtual


class Every(msgspec.Struct, frozen=True):
    interval_seconds: float


def run(*intervals: float, seconds: float) -> list[tuple[float, list[float]]]:
    """Run a rhythm for a while; return its calls with their times."""
    calls: list[tuple[float, list[float]]] = []

    def act(due: Sequence[Every], now: float) -> None:
        assert now == asyncio.get_running_loop().time()
        calls.append((now, [every.interval_seconds for every in due]))

    async def main() -> None:
        running = asyncio.create_task(Rhythm([Every(interval) for interval in intervals], act).run())
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        before = len(calls)
        await asyncio.sleep(100)
        assert len(calls) == before, "nothing is called any more"

    run_virtual(main())
    return calls


def test_what_falls_together_is_one_call() -> None:
    assert run(1.0, 2.5, seconds=5.5) == [(1, [1]), (2, [1]), (2.5, [2.5]), (3, [1]), (4, [1]), (5, [1, 2.5])]


def test_what_nearly_falls_together_is_one_call_too() -> None:
    assert run(1.0, 1.004, seconds=1.5) == [(1, [1, 1.004])]


def test_what_is_late_by_more_than_an_interval_skips_what_it_missed() -> None:
    assert following(10.0, 1.0, now=10.002) == 11.0
    assert following(10.0, 1.0, now=17.5) == 18.5


def test_a_call_that_fails_ends_the_rhythm() -> None:
    def fail(_due: Sequence[Every], _now: float) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_virtual(Rhythm([Every(1.0)], fail).run())


def test_it_tells_for_how_long_something_is_due() -> None:
    async def main() -> list[float]:
        rhythm = Rhythm([Every(2.0), Every(5.0)], lambda *_: None)
        before = rhythm.late_seconds(100)
        running = asyncio.create_task(rhythm.run())
        await asyncio.sleep(3)
        running.cancel()
        return [before, rhythm.late_seconds(3), rhythm.late_seconds(7)]

    assert run_virtual(main()) == [-math.inf, -1, 3]
