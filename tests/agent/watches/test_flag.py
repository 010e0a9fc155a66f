"""A file that comes and goes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from feedback.agent.source import SourceError
from feedback.agent.watches.flag import FlagWatch

pytestmark = pytest.mark.loopback


def appear(flag: Path) -> None:
    flag.touch()


def disappear(flag: Path) -> None:
    flag.unlink()


def move_in(flag: Path) -> None:
    (flag.parent / "other").touch()
    (flag.parent / "other").rename(flag)


def move_away(flag: Path) -> None:
    flag.rename(flag.parent / "other")


@pytest.mark.parametrize(("come", "go"), [(appear, disappear), (move_in, move_away)])
def test_a_file_is_seen_when_it_comes_and_when_it_goes(
    tmp_path: Path, come: Callable[[Path], None], go: Callable[[Path], None]
) -> None:
    flag = tmp_path / "maintenance"

    async def story() -> None:
        watch = FlagWatch(str(flag))
        assert not watch.look().wrong
        for change, wrong in ((come, True), (go, False)):
            waiting = asyncio.ensure_future(watch.change())
            done, _ = await asyncio.wait([waiting], timeout=0.05)
            assert not done
            change(flag)
            await asyncio.wait_for(waiting, 20)
            assert watch.look().wrong is wrong
        watch.close()

    asyncio.run(story())


def test_the_reason_names_the_file_and_a_dead_link_is_there_too(tmp_path: Path) -> None:
    flag = tmp_path / "maintenance"
    flag.symlink_to("nowhere")
    watch = FlagWatch(str(flag))
    assert watch.look().wrong
    assert watch.look().why == f"{flag} is there"
    watch.close()


def test_a_directory_that_is_not_there_is_said_and_found_once_it_is(tmp_path: Path) -> None:
    watch = FlagWatch(str(tmp_path / "later" / "maintenance"))
    with pytest.raises(SourceError, match=f"can't watch {tmp_path}/later: No such file or directory"):
        watch.look()
    (tmp_path / "later").mkdir()
    assert not watch.look().wrong
    watch.close()
    watch.close()
