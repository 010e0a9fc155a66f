"""Tokens are read from files of their own, which not everybody may read."""

from pathlib import Path

import pytest

from feedback.errors import ConfigError
from feedback.secret import Secret
from feedback.token_file import read_token, read_token_file
from feedback.tree import Node, Problems


def write(path: Path, content: bytes, mode: int = 0o640) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("content", [b"0123456789abcdef", b"  0123456789abcdef \r\nsecond line\n"])
def test_the_token_is_the_first_line(tmp_path: Path, content: bytes) -> None:
    assert read_token_file(str(write(tmp_path / "token", content))) == Secret("0123456789abcdef")


@pytest.mark.parametrize(
    "content",
    [b"", b"0123456789abcde\n", b"\n0123456789abcdef", b"0123456789 abcdef", b"0123456789abcde\xff", b"x" * 2000],
)
def test_what_is_no_token_is_refused(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "token", content)
    with pytest.raises(ConfigError) as raised:
        read_token_file(str(path))
    assert str(raised.value) == f"{path} must have a token of at least 16 characters, no spaces, in its first line"


@pytest.mark.parametrize("mode", [0o644, 0o642, 0o641])
def test_a_file_that_is_open_to_all_users_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "token", b"0123456789abcdef", mode)
    with pytest.raises(ConfigError) as raised:
        read_token_file(str(path))
    assert str(raised.value) == f"{path} is open to every user of this host: chmod o= {path}"


def test_a_missing_file_is_a_problem_at_its_place() -> None:
    problems = Problems("director.yaml")
    assert read_token(Node("/nowhere/token", 5, "director.token_file"), problems) is None
    assert problems.lines() == (
        "director.yaml:5: director.token_file: /nowhere/token can't be read: No such file or directory",
    )


def test_no_file_is_no_token(tmp_path: Path) -> None:
    problems = Problems()
    assert read_token(Node(None), problems) is None
    assert read_token(Node(str(write(tmp_path / "token", b"0123456789abcdef"))), problems) == Secret("0123456789abcdef")
    assert not problems
