import os
from pathlib import Path

import pytest

from feedback.agent.source import SourceError
from feedback.agent.spool import count_files
from feedback.agent.stream import DeniedError


def made(root: Path, *files: str) -> str:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return str(root)


def count(path: str, depth: int = 9, enough: float = 100) -> int:
    return count_files([path], lambda name: name.startswith("m"), depth, enough, "ask root")


def test_files_are_counted_by_name_and_down_to_a_depth(tmp_path: Path) -> None:
    path = made(tmp_path, "m1", "x1", "a/m2", "a/b/m3", "mdir/x2")
    assert [count(path, depth) for depth in (0, 1, 2)] == [1, 2, 3]


def test_counting_stops_when_it_is_enough(tmp_path: Path) -> None:
    assert count(made(tmp_path, *(f"m{number}" for number in range(50))), enough=20) == 20


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    path = made(tmp_path / "spool", "m1")
    (tmp_path / "spool" / "loop").symlink_to(tmp_path / "spool")
    assert count(path) == 1


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"^can't read {tmp_path}/none: No such file or directory$"):
        count(f"{tmp_path}/none")


def test_a_directory_below_that_vanishes_is_a_message_that_was_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path, "a/m1", "m2")
    scandir = os.scandir

    def vanishing(where: str) -> object:
        if where.endswith("/a"):
            (tmp_path / "a" / "m1").unlink()
            (tmp_path / "a").rmdir()
        return scandir(where)

    monkeypatch.setattr(os, "scandir", vanishing)
    assert count(path) == 1


def test_who_may_not_look_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(where: str) -> object:
        raise PermissionError(13, "Permission denied", where)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DeniedError, match=f"^can't read {tmp_path}: Permission denied: ask root$"):
        count(str(tmp_path))
