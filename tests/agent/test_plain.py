import os
import socket
from pathlib import Path

import pytest

from feedback.agent.plain import read_plain
from feedback.agent.source import SourceError

pytestmark = pytest.mark.loopback


def test_a_file_is_read_whole_up_to_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "jobs"
    file.write_bytes(b"x" * 100)
    assert read_plain(str(file), 100) == b"x" * 100
    with pytest.raises(SourceError, match=r"^/.*/jobs has more than 99 bytes$"):
        read_plain(str(file), 99)
    file.write_bytes(b"")
    assert read_plain(str(file), 99) == b""


def test_a_file_that_the_kernel_hands_out_in_pieces_is_read_to_its_end() -> None:
    assert read_plain("/proc/self/smaps", 10_000_000).count(b"VmFlags") > 50


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match=r"^can't read /nonexistent: No such file or directory$"):
        read_plain("/nonexistent", 99)
    with pytest.raises(SourceError, match=r"^can't read /a.b: embedded null byte$"):
        read_plain("/a\0b", 99)


def test_nothing_else_than_a_plain_file_is_read_and_none_makes_it_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path in (tmp_path, tmp_path / "fifo", Path("/dev/zero")):
            with pytest.raises(SourceError, match=r" is not a plain file$"):
                read_plain(str(path), 99)
        with pytest.raises(SourceError, match=r"^can't read .*/socket: No such device or address$"):
            read_plain(str(tmp_path / "socket"), 99)
