import os
from pathlib import Path

import pytest

from feedback.agent.password_file import read_password
from feedback.secret import Secret


def written(path: Path, data: bytes, mode: int = 0o640) -> str:
    path.write_bytes(data)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("data", [b"s3cret", b"s3cret\n", b"s3cret\r\nmore\n", b"s3cret\n" + bytes(10_000)])
def test_the_password_is_the_first_line(tmp_path: Path, data: bytes) -> None:
    assert read_password(written(tmp_path / "file", data)) == Secret("s3cret")


def test_spaces_belong_to_a_password(tmp_path: Path) -> None:
    assert read_password(written(tmp_path / "file", b" pass phrase \n")) == Secret(" pass phrase ")


@pytest.mark.parametrize("data", [b"", b"\nsecond", b"a\0b\n", b"a" * 5000])
def test_a_file_without_a_password_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"must have a password in its first line, at most 4096 bytes without NUL$"):
        read_password(written(tmp_path / "file", data))


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"file must be UTF-8 text$"):
        read_password(written(tmp_path / "file", b"\xff\n"))


def test_a_file_for_everybody_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = written(tmp_path / "file", b"s3cret\n", 0o644)
    with pytest.raises(ValueError, match=f"^{path} is open to every user of this host: chmod o= {path}$"):
        read_password(path)


@pytest.mark.parametrize("value", ["", None, 7, True])
def test_what_is_no_path_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^must be the path of a file with a password in its first line$"):
        read_password(value)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, "/dev/zero"):
        with pytest.raises(ValueError, match=f"^{path} must be a plain file$"):
            read_password(str(path))
    for path in (tmp_path / "none", "a\0b"):
        with pytest.raises(ValueError, match="can't be read: "):
            read_password(str(path))
