"""The body of an HTTP answer: what RFC 9112 says of its length, as tables, and what any bytes may do."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.http_body import Body
from feedback.checks.codecs.http_message import Head
from feedback.errors import CheckFailed

LIMIT = 64 * 1024


def failure(caught: pytest.ExceptionInfo[CheckFailed]) -> tuple[str, str]:
    return caught.value.reason.value, caught.value.detail


def head(*fields: tuple[str, str], status: int = 200) -> Head:
    return Head(status, str(status), fields)


CHUNKED = ("transfer-encoding", "chunked")


@pytest.mark.parametrize(
    ("head", "data", "body"),
    [
        (head(("content-length", "5")), b"hello, and more", b"hello"),
        (head(("content-length", "5, 5")), b"hello", b"hello"),
        (head(("content-length", "5"), ("content-length", "5")), b"hello", b"hello"),
        (head(CHUNKED), b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (head(CHUNKED), b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", b"hello"),
        (head(CHUNKED), b"5;name=value\r\nhello\r\n0\r\n\r\n", b"hello"),
        (head(CHUNKED), b"A \r\n0123456789\r\n000\r\n\r\n", b"0123456789"),
        (head(CHUNKED), b"5\nhello\n0\n\n", b"hello"),
        # RFC 9112, 7.1.2: trailers may follow, and are of no interest
        (head(CHUNKED), b"5\r\nhello\r\n0\r\nETag: a\r\n\r\n", b"hello"),
        (head(CHUNKED), b"5\r\nhello\r\n0\r\nA: " + b"a" * 1000 + b"\r\n\r\n", b"hello"),
        (head(("transfer-encoding", "Chunked")), b"1\r\n\n\r\n0\r\n\r\n", b"\n"),
        # RFC 9112, 6.3: the coding counts, not the length
        (head(CHUNKED, ("content-length", "3")), b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 3, 1000])
def test_a_body_is_complete_at_its_end_however_it_is_cut(head: Head, data: bytes, body: bytes, count: int) -> None:
    reading = Body(head, LIMIT)
    assert not reading.complete
    for start in range(0, len(data), count):
        if not reading.complete:
            reading.feed(data[start : start + count])
    assert (bytes(reading.data), reading.complete, reading.truncated) == (body, True, False)


@pytest.mark.parametrize(
    "head",
    [
        head(("content-length", "0")),
        head(CHUNKED, status=204),
        head(("content-length", "100"), status=304),
    ],
)
def test_some_answers_have_no_body(head: Head) -> None:
    body = Body(head, LIMIT)
    assert (body.complete, body.ended, bytes(body.data)) == (True, True, b"")


@pytest.mark.parametrize("fields", [(("content-length", "100"),), (CHUNKED,), ()])
def test_an_answer_to_head_has_none_whatever_it_says(fields: tuple[tuple[str, str], ...]) -> None:
    body = Body(head(*fields), LIMIT, "HEAD")
    assert (body.complete, body.ended, body.surplus) == (True, True, False)
    body.feed(b"a")
    assert (bytes(body.data), body.surplus) == (b"", True)


@pytest.mark.parametrize(
    ("head", "data", "ended", "surplus"),
    [
        (head(("content-length", "5")), b"hello", True, False),
        (head(("content-length", "5")), b"hell", False, False),
        (head(("content-length", "5")), b"helloH", True, True),
        (head(("content-length", "0")), b"H", True, True),
        (head(CHUNKED), b"5\r\nhello\r\n0\r\n\r\n", True, False),
        (head(CHUNKED), b"5\nhello\n0\n\n", True, False),
        (head(CHUNKED), b"5\r\nhello\r\n0\r\n", False, False),
        (head(CHUNKED), b"5\r\nhello\r\n0\r\nA: b\r\n", False, False),
        (head(CHUNKED), b"5\r\nhello\r\n0\r\nA: b\r\n\r\n", True, False),
        (head(CHUNKED), b"5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200", True, True),
        (head(CHUNKED), b"0\r\n" + b"A: b\r\n" * 3000, True, True),
        (head(), b"hello", False, False),
    ],
)
@pytest.mark.parametrize("count", [1, 3, 100_000])
def test_the_end_of_a_message_is_found_and_what_comes_behind_it(
    head: Head, data: bytes, ended: bool, surplus: bool, count: int
) -> None:
    body = Body(head, LIMIT)
    for start in range(0, len(data), count):
        body.feed(data[start : start + count])
    assert (body.ended, body.surplus) == (ended, surplus)


def test_a_message_whose_stream_ends_among_its_trailers_has_its_body() -> None:
    body = Body(head(CHUNKED), LIMIT)
    body.feed(b"2\r\nhi\r\n0\r\n")
    body.feed(b"")
    assert (body.complete, body.ended, bytes(body.data)) == (True, False, b"hi")


def test_without_a_length_the_end_of_the_stream_is_the_end_of_the_body() -> None:
    body = Body(head(), LIMIT)
    body.feed(b"hel")
    body.feed(b"lo")
    assert (body.complete, bytes(body.data)) == (False, b"hello")
    body.feed(b"")
    assert body.complete


@pytest.mark.parametrize(
    ("head", "data"),
    [
        (head(("content-length", "5")), b"hell"),
        (head(CHUNKED), b"5\r\nhello"),
        (head(CHUNKED), b"5\r\nhello\r\n"),
        (head(CHUNKED), b"5"),
    ],
)
def test_a_stream_that_ends_in_the_middle_of_a_body_is_a_failure(head: Head, data: bytes) -> None:
    body = Body(head, LIMIT)
    body.feed(data)
    with pytest.raises(CheckFailed) as caught:
        body.feed(b"")
    assert failure(caught) == ("closed", "the connection was closed in the middle of the body")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"hello\r\n", '"hello\\r\\n"'),
        (b"-1\r\n", '"-1\\r\\n"'),
        (b"0x5\r\nhello", '"0x5\\r\\nhello"'),
        (b"1234567890abcdef\r\n", '"1234567890abcdef\\r\\n"'),
        (b"5\r\nhello, and more\r\n", '", and more\\r\\n"'),
        (b"3\r\nabcdef\r\n", '"def\\r\\n"'),  # a size, were it not for the line that must end first
        (b"5" + b";" * 256, re.escape('"5;')),
    ],
)
def test_what_is_no_size_of_a_chunk_is_shown(data: bytes, shown: str) -> None:
    body = Body(head(CHUNKED), LIMIT)
    with pytest.raises(CheckFailed) as caught:
        body.feed(data)
    reason, detail = failure(caught)
    assert reason == "protocol"
    assert detail.startswith(f"not the size of a chunk: {shown}")


@pytest.mark.parametrize("value", ["gzip", "chunked, gzip", "gzip, chunked", "chunked, chunked", "identity", ""])
def test_a_transfer_coding_that_is_not_chunked_is_refused(value: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        Body(head(("transfer-encoding", value)), LIMIT)
    assert failure(caught) == ("protocol", f'unknown transfer coding: "{value}"')


@pytest.mark.parametrize(
    "values", [["-1"], ["5", "6"], ["5, 6"], ["five"], [""], ["+5"], ["5 5"], ["1" * 19], ["\u0665"]]
)
def test_a_content_length_that_is_not_one_number_is_refused(values: list[str]) -> None:
    with pytest.raises(CheckFailed) as caught:
        Body(head(*(("content-length", value) for value in values)), LIMIT)
    assert failure(caught) == ("protocol", "the answer's Content-Length is not one number")


@pytest.mark.parametrize(
    ("head", "data"),
    [
        (head(), b"0123456789"),
        (head(("content-length", "10")), b"0123456789"),
        (head(CHUNKED), b"a\r\n0123456789\r\n"),
        (head(CHUNKED), b"3\r\n012\r\n7\r\n3456789\r\n"),
    ],
)
@pytest.mark.parametrize("count", [1, 5, 1000])
def test_no_more_of_a_body_is_kept_than_the_limit(head: Head, data: bytes, count: int) -> None:
    body = Body(head, 4)
    for start in range(0, len(data), count):
        if not (body.truncated or body.complete):
            body.feed(data[start : start + count])
    assert body.data == b"0123"
    assert body.truncated


def test_a_body_that_is_as_long_as_the_limit_is_not_truncated() -> None:
    body = Body(head(("content-length", "4")), 4)
    body.feed(b"0123")
    assert (body.complete, body.truncated) == (True, False)


# Any bytes


@given(
    st.sampled_from([head(), head(("content-length", "5")), head(CHUNKED)]),
    st.lists(st.binary(max_size=9) | st.sampled_from([b"5\r\n", b"hello\r\n", b"0\r\n\r\n", b"\r\n"]), max_size=9),
    st.integers(1, 20),
)
def test_any_bytes_are_a_body_or_a_failure(head: Head, parts: list[bytes], limit: int) -> None:
    body = Body(head, limit)
    with contextlib.suppress(CheckFailed):
        for part in parts:
            if body.complete:
                break
            body.feed(part)
    assert len(body.data) <= limit


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=5), st.integers(1, 50))
def test_a_chunked_body_comes_out_as_it_went_in(chunks: list[bytes], count: int) -> None:
    data = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    body = Body(head(CHUNKED), LIMIT)
    for start in range(0, len(data), count):
        if not body.complete:
            body.feed(data[start : start + count])
    assert (body.complete, bytes(body.data)) == (True, b"".join(chunks))
