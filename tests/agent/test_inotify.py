import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.inotify import EVENT, IN_CLOSE_WRITE, IN_MOVED_TO, Directory, names_in
from feedback.agent.source import SourceError


def event(name: bytes) -> bytes:
    return EVENT.pack(1, IN_CLOSE_WRITE, 0, len(name)) + name


def test_events_name_what_they_are_about() -> None:
    assert list(names_in(event(b"jobs\0\0\0\0") + event(b"") + event(b"a\0"))) == [b"jobs", b"", b"a"]
    assert list(names_in(b"")) == []


@given(st.binary())
def test_any_bytes_are_names(events: bytes) -> None:
    assert all(isinstance(name, bytes) for name in names_in(events))


@pytest.mark.loopback
def test_what_happens_in_a_directory_is_told_once(tmp_path: Path) -> None:
    watched = Directory(str(tmp_path), IN_CLOSE_WRITE | IN_MOVED_TO)
    watched.watch()
    assert watched.read() == b""
    (tmp_path / "new").write_text("1")
    (tmp_path / "new").rename(tmp_path / "jobs")
    assert list(names_in(watched.read())) == [b"new", b"jobs"]
    assert watched.read() == b""
    watched.close()
    watched.close()


@pytest.mark.loopback
def test_a_directory_that_is_gone_is_named_and_watched_again_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "run"
    watched = Directory(str(path), IN_CLOSE_WRITE)
    with pytest.raises(SourceError, match=r"^can't watch /.*/run: No such file or directory$"):
        watched.watch()
    path.mkdir()
    watched.watch()
    shutil.rmtree(path)
    assert list(names_in(watched.read())) == [b""]  # what was watched has gone
    path.mkdir()
    watched.watch()
    (path / "jobs").write_text("1")
    assert b"jobs" in names_in(watched.read())
    watched.close()
