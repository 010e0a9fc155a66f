from pathlib import Path

import pytest

from feedback.director.state import State
from feedback.director.state_file import StateError, load_state, save_state
from feedback.model import Admin, Endpoint, ServiceKey, Transport
from feedback.report import Wish

WEB = ServiceKey.at(Transport.TCP, Endpoint("192.0.2.10", 80))


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = str(tmp_path / "deeper" / "director.state")
    state = State(admin={"web": {"rs1": Admin.DRAIN}}, wishes={"rs2": Wish.DRAIN}, owned=frozenset({WEB}))
    save_state(path, state)
    assert load_state(path) == state


def test_without_a_file_everything_is_enabled(tmp_path: Path) -> None:
    assert load_state(str(tmp_path / "none")).admin_of("web", "rs1") is Admin.ENABLED


def test_without_a_path_nothing_is_written() -> None:
    save_state(None, State())
    assert load_state(None) == State()


@pytest.mark.parametrize("damage", [b"", b"{", b'{"admin": {"web": {"rs1": "asleep"}}}', b"\xff\xfe"])
def test_a_damaged_file_is_refused_in_words_and_left_alone(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "director.state"
    path.write_bytes(damage)
    with pytest.raises(StateError, match=r"is damaged .*: mend it, or remove it to start with every destination"):
        load_state(str(path))
    assert path.read_bytes() == damage


def test_a_directory_in_its_place_is_refused_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "director.state"
    path.mkdir()
    with pytest.raises(StateError, match="can't be read: Is a directory"):
        load_state(str(path))
    with pytest.raises(StateError, match="can't be written: Is a directory"):
        save_state(str(path), State())
    assert [entry.name for entry in tmp_path.iterdir()] == ["director.state"]


def test_a_failed_write_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "director.state")
    save_state(path, State(wishes={"rs1": Wish.DRAIN}))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StateError, match="can't be written: No space left on device"):
        save_state(path, State())
    monkeypatch.undo()
    assert load_state(path).wishes == {"rs1": Wish.DRAIN}
    assert len(list(tmp_path.iterdir())) == 1
