from pathlib import Path

import pytest

from feedback.agent.files import PIECE_BYTES, KeptFile
from feedback.agent.source import SourceError


def test_a_file_is_read_from_its_start_each_time(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    file = KeptFile(str(path))
    assert file.read() == b"one"
    path.write_text("three")
    assert file.read() == b"three"
    file.close()
    assert file.read() == b"three"


def test_a_table_is_read_to_its_end_and_any_other_file_in_one_piece(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * PIECE_BYTES + 7))
    file = KeptFile(str(path))
    assert len(file.read_table()) == 3 * PIECE_BYTES + 7
    assert len(file.read()) == PIECE_BYTES


def test_a_table_without_end_is_not_read_without_end() -> None:
    assert len(KeptFile("/dev/zero").read_table()) <= 2 * 1024 * 1024


def test_a_missing_file_is_named_and_found_when_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file = KeptFile(str(path))
    with pytest.raises(SourceError, match=f"^can't read {path}: No such file or directory$"):
        file.read()
    path.write_text("here")
    assert file.read() == b"here"


def test_after_an_error_the_file_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()  # opens, and can't be read
    file = KeptFile(str(path))
    with pytest.raises(SourceError, match="Is a directory"):
        file.read()
    with pytest.raises(SourceError, match="Is a directory"):
        file.read_table()
    path.rmdir()
    path.write_text("one")
    assert file.read() == b"one"
