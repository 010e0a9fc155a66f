import pytest

from feedback.agent.window import FIRST_WINDOW_SECONDS, Window
from feedback.testing import run_virtual


def test_each_span_begins_where_the_one_before_ended() -> None:
    readings = iter([10, 13, 20])

    async def main() -> list[tuple[int, int]]:
        counter = Window(lambda: next(readings))
        spans = [await counter.span(), await counter.span()]
        return [(span.before, span.after) for span in spans]

    assert run_virtual(main()) == [(10, 13), (13, 20)]


def test_a_span_knows_how_long_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 100.1, 103.1, 103.1])
    monkeypatch.setattr("feedback.agent.window.time.monotonic", lambda: next(times))
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("asyncio.sleep", note)

    async def main() -> list[float]:
        counter = Window(lambda: 0)
        return [(await counter.span()).seconds for _ in range(3)]

    seconds = run_virtual(main())
    assert seconds[:2] == pytest.approx([0.1, 3.0])
    assert seconds[2] > 0  # never a division by zero
    assert waited == [FIRST_WINDOW_SECONDS]


def test_a_reading_that_fails_leaves_the_last_one_as_it_was() -> None:
    readings = iter([1, 2, 5])
    fail = False

    def read() -> int:
        if fail:
            raise OSError("gone")
        return next(readings)

    async def main() -> tuple[int, int]:
        nonlocal fail
        counter = Window(read)
        await counter.span()
        fail = True
        with pytest.raises(OSError, match="gone"):
            await counter.span()
        fail = False
        span = await counter.span()
        return span.before, span.after

    assert run_virtual(main()) == (2, 5)


def test_a_span_that_needs_no_waiting_is_there_after_the_first_reading() -> None:
    readings = iter([10, 13, 20])
    counter = Window(lambda: next(readings))
    assert counter.next() is None

    async def main() -> int:
        return (await counter.span()).after

    assert run_virtual(main()) == 13
    span = counter.next()
    assert span is not None
    assert (span.before, span.after) == (13, 20)
