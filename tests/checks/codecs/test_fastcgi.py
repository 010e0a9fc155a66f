import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import fastcgi
from feedback.checks.codecs.fastcgi import Document, Header, Output
from feedback.errors import CheckFailed

END = bytes(8)


def answered(output: bytes, errors: bytes = b"") -> Document:
    made = Output(1000)
    made.feed(Header(7, len(errors), 0), errors)
    made.feed(Header(6, len(output), 3), output + b"pad")
    made.feed(Header(3, 8, 0), END)
    assert made.ended
    return made.document()


def test_a_request_is_four_records() -> None:
    data = fastcgi.get("/status", "json")
    assert data[:16] == bytes.fromhex("0101000100080000 0001000000000000")
    assert data[-16:] == bytes.fromhex("0104000100000000 0105000100000000")
    assert b"\x0c\x04QUERY_STRINGjson" in data
    assert b"\x0b\x0cREQUEST_URI/status?json" in data
    assert b"REQUEST_URI/status\x0c" in fastcgi.get("/status", "")


def test_a_long_value_has_a_long_length() -> None:
    path = "/" + "a" * 200
    assert b"\x0b\x80\x00\x00\xc9SCRIPT_NAME" + path.encode() in fastcgi.get(path, "")


def test_a_header_says_what_follows() -> None:
    header = fastcgi.read_header(bytes.fromhex("0106000101020700"))
    assert header == Header(6, 258, 7)
    assert header.rest_bytes == 265


@pytest.mark.parametrize("data", ["0206000101020700", "0106000201020700", "4854545000000000"])
def test_what_is_no_record_is_refused(data: str) -> None:
    with pytest.raises(CheckFailed, match=r"^protocol: not a record of FastCGI: "):
        fastcgi.read_header(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("output", "document", "good"),
    [
        (b"Content-Type: text/plain\r\n\r\nhello", Document("200 OK", b"hello"), True),
        (b"Status: 404 Not Found\r\nA: b\r\n\r\n", Document("404 Not Found", b""), False),
        (b"\r\n\r\na\r\n\r\nb", Document("200 OK", b"a\r\n\r\nb"), True),
    ],
)
def test_an_answer_is_a_status_and_a_body(output: bytes, document: Document, *, good: bool) -> None:
    assert answered(output, b"a warning") == document
    assert document.is_good is good


@pytest.mark.parametrize(
    ("output", "errors", "why"),
    [
        (b"", b"Primary script unknown", 'protocol: the application has not answered: "Primary script unknown"'),
        (b"oh", b"warning", 'protocol: the application has not answered: "oh"'),
        (bytes(1001), b"", "limit: an answer of more than 1000 bytes"),
        (bytes(900), bytes(101), "limit: an answer of more than 1000 bytes"),
    ],
)
def test_an_answer_that_is_none_is_told(output: bytes, errors: bytes, why: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        answered(output, errors)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        (3, b"\0\0\0\0\1\0\0\0", "status: the application refuses: it takes one request on a connection"),
        (3, b"\0\0\0\0\2\0\0\0", "status: the application refuses: it is overloaded"),
        (3, b"\0\0\0\0\3\0\0\0", "status: the application refuses: it is no responder"),
        (3, b"\0\0\0\0\x09\0\0\0", "status: the application refuses: protocol status 9"),
        (3, b"\0", "protocol: the end of a request has 1 bytes, must be 8"),
        (11, b"", "protocol: a record of kind 11 in answer to a request"),
    ],
)
def test_a_record_that_ends_nothing_well_is_told(kind: int, content: bytes, why: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        Output(1000).feed(Header(kind, len(content), 0), content)
    assert str(caught.value) == why


@given(st.binary(min_size=8, max_size=8), st.binary())
def test_any_bytes_are_read_or_refused(header: bytes, rest: bytes) -> None:
    output = Output(1000)
    with_version = b"\x01" + header[1:2] + b"\0\1" + header[4:]
    for data in (header, with_version, struct.pack(">BBHHBx", 1, header[1] % 12, 1, len(rest), 0)):
        try:
            output.feed(fastcgi.read_header(data), rest)
            output.document()
        except CheckFailed as failed:
            assert failed.detail  # noqa: PT017 - most examples raise it
