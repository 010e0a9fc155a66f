import asyncio
import threading

import pytest

from feedback.agent.aside import Aside
from feedback.agent.source import SourceError


def thread_of(what: str) -> threading.Thread:
    return next(thread for thread in threading.enumerate() if thread.name == what)


async def test_a_call_returns_what_the_function_does() -> None:
    assert await Aside(lambda: 42, "/mnt").call() == 42


async def test_a_call_may_follow_at_once() -> None:
    aside = Aside(lambda: 42, "/mnt")
    assert [await aside.call() for _ in range(100)] == [42] * 100


async def test_what_the_function_raises_is_raised() -> None:
    def fail() -> int:
        raise SourceError("gone")

    with pytest.raises(SourceError, match=r"^gone$"):
        await Aside(fail, "/mnt").call()


async def test_a_call_that_hangs_is_abandoned_and_no_other_begun_until_it_ends() -> None:
    release = threading.Event()
    calls = []

    def hang() -> int:
        calls.append(1)
        release.wait()
        return 7

    aside = Aside(hang, "/mnt")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await aside.call()
    for _ in range(3):
        with pytest.raises(SourceError, match=r"^/mnt does not answer: a call from before still waits for the kernel$"):
            await aside.call()
    assert len(calls) == 1
    thread = thread_of("/mnt")
    assert thread.daemon  # the agent ends in spite of it
    release.set()
    thread.join()
    assert await aside.call() == 7


@pytest.mark.parametrize("raises", [False, True])
def test_an_answer_after_the_end_of_the_loop_harms_nobody(*, raises: bool) -> None:
    release = threading.Event()

    def hang() -> int:
        release.wait()
        if raises:
            raise SourceError("gone")
        return 7

    aside = Aside(hang, "/mnt")

    async def abandon() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await aside.call()

    asyncio.run(abandon())
    thread = thread_of("/mnt")
    release.set()
    thread.join()


@pytest.mark.parametrize("raises", [False, True])
async def test_an_answer_that_comes_too_late_is_dropped(*, raises: bool) -> None:
    release = threading.Event()

    def hang() -> int:
        release.wait()
        if raises:
            raise SourceError("gone")
        return 7

    aside = Aside(hang, "/mnt")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await aside.call()
    thread = thread_of("/mnt")
    release.set()
    thread.join()
    await asyncio.sleep(0)
