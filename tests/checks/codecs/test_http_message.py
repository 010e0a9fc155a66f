"""HTTP/1 messages as values: what RFC 9110 and 9112 say, as tables, and what any bytes may do."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.http_message import (
    FIELDS_LIMIT,
    HEAD_LIMIT_BYTES,
    Head,
    end_of_head,
    parse_head,
    request,
    status_of,
)
from feedback.errors import CheckFailed


def failure(caught: pytest.ExceptionInfo[CheckFailed]) -> tuple[str, str]:
    return caught.value.reason.value, caught.value.detail


# The request


def test_a_request_names_its_host_and_closes_the_connection() -> None:
    assert request("GET", "/alive?x=1", "www.example.com", {}) == (
        b"GET /alive?x=1 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: feedback\r\nAccept: */*\r\n"
        b"Connection: close\r\n\r\n"
    )


def test_given_headers_come_last_and_replace_the_usual_ones_whatever_their_case() -> None:
    assert request("HEAD", "/", "a", {"user-agent": "me", "X-Probe": "1"}) == (
        b"HEAD / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nConnection: close\r\nuser-agent: me\r\nX-Probe: 1\r\n\r\n"
    )


def test_a_connection_to_keep_is_not_told_to_close() -> None:
    assert request("GET", "/", "a", {}, keep=True) == (
        b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: feedback\r\nAccept: */*\r\n\r\n"
    )


def test_an_old_version_may_be_spoken() -> None:
    assert request("GET", "/", "a", {}, version="1.0").startswith(b"GET / HTTP/1.0\r\nHost: a\r\n")


@pytest.mark.parametrize(
    ("method", "content", "length"),
    [("POST", b"a=b", b"3"), ("POST", b"", b"0"), ("PUT", b"", b"0"), ("GET", b"a", b"1"), ("DELETE", b"", None)],
)
def test_content_has_a_length_and_where_it_is_usual_also_none(
    method: str, content: bytes, length: bytes | None
) -> None:
    head, _, body = request(method, "/", "a", {}, content).partition(b"\r\n\r\n")
    assert body == content
    assert (b"\r\nContent-Length: %s" % (length or b"") in head) is (length is not None)


# The status line


@pytest.mark.parametrize(
    ("data", "status", "line"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 200, "200 OK"),
        (b"HTTP/1.0 404 Not Found\r\nA: b\r\n\r\nbody", 404, "404 Not Found"),
        (b"HTTP/1.1 204 \r\n\r\n", 204, "204"),
        (b"HTTP/1.1 204\r\n\r\n", 204, "204"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 100, "100 Continue"),
        (b"HTTP/1.1 200 OK\nA: b\n\n", 200, "200 OK"),
        (b"HTTP/1.1 200 Sch\xf6n\r\n\r\n", 200, "200 Sch\xf6n"),
        (b"HTTP/1.1 999 ?\r\n\r\n", 999, "999 ?"),
    ],
)
def test_a_status_line_is_read(data: bytes, status: int, line: str) -> None:
    head = status_of(data)
    assert head is not None
    assert (head.status, head.line) == (status, line)


@pytest.mark.parametrize("data", [b"", b"H", b"HTTP/", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n"])
def test_a_head_that_is_not_complete_yet_is_none(data: bytes) -> None:
    assert status_of(data) is None
    assert end_of_head(data) == 0


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", '"SSH-2.0-OpenSSH_9.2\\r\\n"'),
        (b"h", '"h"'),
        (b"\x00\x01", '"\\x00\\x01"'),
        (b"HTTP/2 200\r\n\r\n", '"HTTP/2 200\\r\\n"'),
        (b"HTTP/1.1 20 OK\r\n\r\n", '"HTTP/1.1 20 OK\\r\\n"'),
        (b"HTTP/1.1 099 OK\r\n\r\n", '"HTTP/1.1 099 OK\\r\\n"'),
        (b"HTTP/1.1 2000 OK\r\n\r\n", '"HTTP/1.1 2000 OK\\r\\n"'),
        (b"HTTP/1.1  200 OK\r\n\r\n", '"HTTP/1.1  200 OK\\r\\n"'),
        (b"HTTP/1.1 200 OK\rmore\r\n\r\n", '"HTTP/1.1 200 OK\\rmore\\r\\n"'),
    ],
)
def test_what_is_not_http_is_shown(data: bytes, shown: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        status_of(data)
    assert failure(caught) == ("protocol", f"the answer is not HTTP: {shown}")


def test_a_head_has_a_limit() -> None:
    begun = b"HTTP/1.1 200 OK\r\nA: "
    assert status_of(begun.ljust(HEAD_LIMIT_BYTES - 1, b"x")) is None
    with pytest.raises(CheckFailed) as caught:
        status_of(begun.ljust(HEAD_LIMIT_BYTES, b"x"))
    assert failure(caught) == ("limit", "the answer's headers are longer than 16384 bytes")
    assert status_of(begun.ljust(HEAD_LIMIT_BYTES - 4, b"x") + b"\r\n\r\n") is not None
    with pytest.raises(CheckFailed, match="limit"):
        status_of(begun.ljust(HEAD_LIMIT_BYTES - 3, b"x") + b"\r\n\r\n")


def test_an_answer_behind_interim_ones_is_read_where_it_begins() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
    data = interim + b"HTTP/1.0 200 OK\r\n\r\nbody"
    assert end_of_head(data) == len(interim)
    assert status_of(data, len(interim)) == Head(200, "200 OK", minor=0)
    assert end_of_head(data, len(interim)) == len(data) - 4
    assert status_of(interim, len(interim)) is None
    with pytest.raises(CheckFailed, match='the answer is not HTTP: "SSH"'):
        status_of(interim + b"SSH", len(interim))


def test_interim_answers_count_into_the_limit() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * 600
    assert len(interim) < HEAD_LIMIT_BYTES
    with pytest.raises(CheckFailed) as caught:
        status_of((interim + b"HTTP/1.1 200 OK\r\nA: ").ljust(HEAD_LIMIT_BYTES, b"x"), len(interim))
    assert failure(caught) == ("limit", "the answer's interim answers and headers are longer than 16384 bytes")


# Whether the connection may be used again


@pytest.mark.parametrize(
    ("fields", "minor", "persistent"),
    [
        ([], 1, True),
        ([], 0, False),
        (["close"], 1, False),
        (["Close"], 1, False),
        (["keep-alive"], 0, True),
        (["Keep-Alive, Upgrade"], 0, True),
        (["keep-alive", "close"], 1, False),
        (["upgrade, close"], 1, False),
    ],
)
def test_a_server_says_whether_it_keeps_the_connection(fields: list[str], minor: int, persistent: bool) -> None:
    head = Head(200, "200 OK", tuple(("connection", value) for value in fields), minor)
    assert head.persistent is persistent


def test_an_answer_with_two_lengths_is_the_last_one_on_its_connection() -> None:
    lengths = (("transfer-encoding", "chunked"), ("content-length", "5"))
    assert not Head(200, "200 OK", lengths).persistent
    assert Head(200, "200 OK", lengths[:1]).persistent


# The header fields


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        (b"", ()),
        (b"A: b\r\n", (("a", "b"),)),
        (b"A:b\r\n", (("a", "b"),)),
        (b"A: \t b c \t\r\n", (("a", "b c"),)),
        (b"A:\r\n", (("a", ""),)),
        (b"X-A!#$%&'*+.^_`|~9: 1\r\nx-b: 2\n", (("x-a!#$%&'*+.^_`|~9", "1"), ("x-b", "2"))),
        (b"A: sch\xf6n\r\n", (("a", "sch\xf6n"),)),
    ],
)
def test_header_fields_are_read(lines: bytes, fields: tuple[tuple[str, str], ...]) -> None:
    data = b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n"
    assert end_of_head(data + b"body") == len(data)
    assert parse_head(data) == Head(200, "200 OK", fields)


@pytest.mark.parametrize("line", [b"no colon", b": value", b"A : b", b" folded: line", b"A\xf6: b", b"A: b\rc\r"])
def test_what_is_no_header_field_is_shown(line: bytes) -> None:
    if line == b"A: b\rc\r":  # a lone CR inside a value changes nothing for a check
        assert parse_head(b"HTTP/1.1 200 OK\r\n" + line + b"\n\r\n").values("a") == ["b\rc"]
        return
    with pytest.raises(CheckFailed) as caught:
        parse_head(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n")
    reason, detail = failure(caught)
    assert reason == "protocol"
    assert detail.startswith('not a header field: "')


def test_the_values_of_a_repeated_field_are_all_there() -> None:
    head = parse_head(b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\na: 3\r\n\r\n")
    assert head.values("a") == ["1", "3"]
    assert head.values("c") == []


def test_header_fields_have_a_limit() -> None:
    field = b"A: b\r\n"
    assert len(parse_head(b"HTTP/1.1 200 OK\r\n" + field * FIELDS_LIMIT + b"\r\n").fields) == FIELDS_LIMIT
    with pytest.raises(CheckFailed) as caught:
        parse_head(b"HTTP/1.1 200 OK\r\n" + field * (FIELDS_LIMIT + 1) + b"\r\n")
    assert failure(caught) == ("limit", "the answer has more than 100 header fields")


# Any bytes

LINES = st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 103", b"A: b", b"Content-Length: 3", b"", b"\r", b"5;a", b"0"])
ALMOST_HTTP = st.lists(LINES | st.binary(max_size=9), max_size=9).map(b"\r\n".join)
BYTES = st.binary(max_size=99) | ALMOST_HTTP | ALMOST_HTTP.map(lambda data: b"HTTP/1.1 200 OK\r\n" + data)


@given(BYTES)
def test_any_bytes_are_a_head_or_a_beginning_or_a_failure(data: bytes) -> None:
    with contextlib.suppress(CheckFailed):
        status = status_of(data)
        end = end_of_head(data)
        assert (status is None) == (end == 0)
        if status is not None:
            parsed = parse_head(data[:end])
            assert (parsed.status, parsed.line) == (status.status, status.line)


@given(BYTES, st.integers(1, 99))
def test_a_head_is_found_however_it_is_cut(data: bytes, count: int) -> None:
    """What is a failure at once may still be a beginning, but never another answer."""

    def outcome(part: bytes) -> Head | str | None:
        try:
            return status_of(part)
        except CheckFailed as error:
            return str(error)

    whole = outcome(data)
    first = next((found for end in range(count, len(data), count) if (found := outcome(data[:end]))), whole)
    assert isinstance(first, str) == isinstance(whole, str)
    if not isinstance(whole, str):
        assert first == whole
