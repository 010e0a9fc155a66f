"""A trigger in the kernel that goes off when tasks wait too long."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from feedback.agent.source import SourceError
from feedback.agent.watches.attend import look
from feedback.agent.watches.pressure import PressureWatch

pytestmark = pytest.mark.loopback


def test_the_trigger_goes_off_under_pressure_where_the_kernel_takes_it() -> None:
    """Twice as many busy loops as processors: some task waits for a processor most of the time."""

    async def story() -> None:
        watch = PressureWatch("cpu", "some", 0.001, 2.0)
        seen = look(watch)
        if isinstance(seen, str):  # a kernel before 6.5, without privileges; or without PSI
            assert seen.startswith("the kernel refuses a trigger on /proc/pressure/cpu: ")
            return
        assert not seen.wrong
        busy = [
            await asyncio.create_subprocess_exec("sh", "-c", "while :; do :; done")
            for _ in range(2 * (os.cpu_count() or 1))
        ]
        try:
            await asyncio.wait_for(watch.change(), 40)
        finally:
            for process in busy:
                process.kill()
                await process.wait()
        assert watch.look().wrong
        assert watch.look().why == "tasks waited for cpu 1 ms and more of 2 s"
        watch.close()

    asyncio.run(story())


def test_it_is_over_when_two_windows_have_passed_without_a_word() -> None:
    clock = [100.0]
    watch = PressureWatch("memory", "full", 0.3, 2.0, now=lambda: clock[0])
    watch.look()
    watch._stalled_at = 100.0
    clock[0] = 103.9
    assert watch.look().wrong
    clock[0] = 104.0
    assert not watch.look().wrong
    watch.close()
    assert not watch.look().wrong
    watch.close()


def test_a_refusal_says_what_the_kernel_wants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = PressureWatch("memory", "some", 0.3, 1.0, directory=str(tmp_path))
    with pytest.raises(
        SourceError, match=f"^the kernel refuses a trigger on {tmp_path}/memory: No such file or directory$"
    ):
        watch.look()

    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    (tmp_path / "memory").touch()
    monkeypatch.setattr("feedback.agent.watches.pressure.os.write", refuse)
    with pytest.raises(SourceError) as caught:
        watch.look()
    assert str(caught.value) == (
        f"the kernel refuses a trigger on {tmp_path}/memory: Invalid argument "
        "(without CAP_SYS_RESOURCE it wants Linux 6.5 and a window of 2 s, 4 s, ... 10 s)"
    )
