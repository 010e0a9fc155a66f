"""Reading through one buffer, with a limit on all of it."""

from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.engine.buffered import BufferedReader
from feedback.errors import CheckFailed
from feedback.testing import run_virtual

T = TypeVar("T")


class Pieces(BufferedReader):
    """What arrives, in the pieces it arrives in; then the peer ends the stream."""

    def __init__(self, *pieces: bytes) -> None:
        self.buffer = b""
        self.pieces = list(pieces)
        self.asked: list[int] = []

    async def receive(self, limit: int) -> bytes:
        self.asked.append(limit)
        if not self.pieces:
            return b""
        piece, self.pieces[0] = self.pieces[0][:limit], self.pieces[0][limit:]
        if not self.pieces[0]:
            del self.pieces[0]
        return piece

    def peer(self) -> str:
        return "rs1"


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return run_virtual(coroutine)


@given(st.binary(max_size=60), st.lists(st.integers(1, 20)))
def test_lines_are_the_same_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    text = data.replace(b"\n", b" ") + b"\n" + data.replace(b"\n", b".") + b"\n"
    pieces, rest = [], text
    for cut in cuts:
        if rest:
            pieces.append(rest[:cut])
            rest = rest[cut:]
    reader = Pieces(*pieces, *([rest] if rest else []))

    async def read() -> list[bytes]:
        return [await reader.read_until(b"\n", 100), await reader.read_until(b"\n", 100)]

    assert b"".join(run(read())) == text


def test_a_separator_of_two_bytes_may_come_in_two_pieces() -> None:
    assert run(Pieces(b"220 ready\r", b"\nrest").read_until(b"\r\n", 512)) == b"220 ready\r\n"


def test_without_the_separator_the_limit_ends_it() -> None:
    with pytest.raises(CheckFailed, match=r"^limit: more than 8 bytes from rs1 in one piece$"):
        run(Pieces(b"123456", b"789").read_until(b"\n", 8))


def test_a_stream_that_ends_too_early_is_closed_and_says_after_how_much() -> None:
    with pytest.raises(CheckFailed, match=r"^closed: rs1 closed the connection after 0 bytes$"):
        run(Pieces().read_until(b"\n", 8))
    with pytest.raises(CheckFailed, match=r"^closed: rs1 closed the connection after 1 byte$"):
        run(Pieces(b"1").read_exactly(2))


def test_exactly_as_many_as_asked_for_and_the_rest_stays() -> None:
    reader = Pieces(b"12", b"3456")

    async def read() -> tuple[bytes, bytes, bytes, bytes]:
        return (
            await reader.read_exactly(3),
            await reader.read_some(2),
            await reader.read_some(100),
            await reader.read_some(100),
        )

    assert run(read()) == (b"123", b"45", b"6", b"")


def test_what_is_asked_of_the_peer_is_bounded_by_what_the_caller_wants() -> None:
    reader = Pieces(b"123456")
    assert run(reader.read_some(4)) == b"1234"
    assert reader.asked == [4]
