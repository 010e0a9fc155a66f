"""Reading an HTTP answer: what it must have besides its body, and how much is read of it."""

import hashlib
from typing import Any, cast

import pytest

from feedback.checks.codecs.http_body import Body
from feedback.checks.codecs.http_message import HEAD_LIMIT_BYTES, Head
from feedback.checks.http import HttpCheck
from feedback.checks.http_answer import read_head
from feedback.errors import CheckFailed
from feedback.model import Outcome
from feedback.net import Stream
from feedback.testing import Connection, Hang, Receive, Send, Step, run_check

REQUEST = b"GET / HTTP/1.1\r\nHost: 192.0.2.11\r\nUser-Agent: feedback\r\nAccept: */*\r\nConnection: close\r\n\r\n"
KIBIBYTE = 1024
HEAD = Head(200, "200 OK")


class Spring:
    """A stream that gives one byte at a time, the same ones over and over, and counts them."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts
        self.given = 0

    async def read_some(self, _limit: int) -> bytes:
        self.given += 1
        return self._parts[(self.given - 1) % len(self._parts)]


def spring(*parts: bytes) -> tuple[Spring, Stream]:
    source = Spring(*parts)
    return source, cast("Stream", source)


def finished(coroutine: Any) -> Any:
    """Return what a coroutine returns that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


# Where it leads


def moved(location: bytes, status: bytes = b"302 Found") -> Connection:
    return Connection(Receive(REQUEST), Send(b"HTTP/1.1 " + status + b"\r\n" + location + b"\r\n"))


@pytest.mark.parametrize("pattern", ["^https://", "example.com/new$", "new"])
def test_a_redirect_may_be_what_is_expected(pattern: str) -> None:
    result = run_check(HttpCheck(location=pattern), moved(b"Location: https://www.example.com/new\r\n"))
    assert (result.outcome, result.detail) == (Outcome.PASS, "302 Found")


@pytest.mark.parametrize(
    ("location", "status", "detail"),
    [
        (b"Location: /old\r\n", b"302 Found", '302 Found leads to "/old", must lead to /new$'),
        (b"", b"302 Found", "302 Found leads nowhere, must lead to /new$"),
        (b"", b"200 OK", "200 OK leads nowhere, must lead to /new$"),
    ],
)
def test_a_redirect_to_elsewhere_fails(location: bytes, status: bytes, detail: str) -> None:
    result = run_check(HttpCheck(location="/new$"), moved(location, status))
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAIL, "content", detail)


def test_redirects_fail_where_their_status_does_not_pass() -> None:
    result = run_check(HttpCheck(status="200-299"), moved(b"Location: /new\r\n"))
    assert (result.reason, result.detail) == ("status", "status 302 Found, must be 200-299")


# How much is read


@pytest.mark.parametrize("piece", [1, 7, 25, 10_000])
def test_interim_answers_without_end_are_cut_off(piece: int) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    flood = (interim * (2 * HEAD_LIMIT_BYTES // len(interim)))[: 2 * HEAD_LIMIT_BYTES]
    source, stream = spring(*(flood[at : at + piece] for at in range(0, len(flood), piece)))
    with pytest.raises(CheckFailed) as caught:
        finished(read_head(stream, b""))
    assert caught.value.reason == "limit"
    assert caught.value.detail == "the answer's interim answers and headers are longer than 16384 bytes"
    assert source.given * piece <= HEAD_LIMIT_BYTES + piece


def test_a_peer_that_says_continue_without_end_fails_the_check() -> None:
    flood = Send(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000)
    result = run_check(HttpCheck(), Connection(Receive(REQUEST), flood, Hang()))
    assert (result.outcome, result.reason) == (Outcome.FAIL, "limit")


@pytest.mark.parametrize(("parts", "text"), [((b"a",), "a" * 100 + "b"), ((b"a", b"b"), "ab" * 100 + "c")])
def test_a_large_body_is_read_byte_by_byte_in_linear_time(parts: tuple[bytes, ...], text: str) -> None:
    """Were every byte looked at or copied again with each new one, that would be 10^11 bytes, and minutes."""
    check = HttpCheck(body=text, body_limit=512 * KIBIBYTE)
    source, stream = spring(*parts)
    with pytest.raises(CheckFailed, match="in the first 524288 bytes of a larger body"):
        finished(check.expected.compare(stream, HEAD, Body(HEAD, check.body_limit)))
    assert source.given == 512 * KIBIBYTE


def test_a_large_body_in_the_smallest_chunks_is_put_together_in_linear_time() -> None:
    size = 512 * KIBIBYTE
    body = Body(Head(200, "200", (("transfer-encoding", "chunked"),)), size)
    body.feed(b"1\r\na\r\n" * size + b"0\r\n\r\n")
    assert (body.complete, body.ended, len(body.data)) == (True, True, size)
    assert hashlib.md5(body.data).digest() == hashlib.md5(b"a" * size).digest()


@pytest.mark.parametrize("text", ["alive", "a", ""])
@pytest.mark.parametrize("chunk_bytes", [None, 1, 3])
def test_a_text_is_found_wherever_the_pieces_of_a_body_end(text: str, chunk_bytes: int | None) -> None:
    answer: list[Step] = [Receive(REQUEST), Send(b"HTTP/1.1 200 OK\r\n\r\nI'm al, I'm alive"), Hang()]
    assert run_check(HttpCheck(body=text), Connection(*answer), chunk_bytes=chunk_bytes).outcome is Outcome.PASS
