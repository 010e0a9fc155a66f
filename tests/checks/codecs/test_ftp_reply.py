"""What FTP servers answer: the RFCs' own examples, what servers really say, and what is no reply."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.ftp_reply import (
    LINES_LIMIT,
    SHOWN_LENGTH,
    Reply,
    read_extended_passive,
    read_line,
    read_passive,
    require_feature,
)
from feedback.errors import CheckFailed, Reason
from feedback.model import Endpoint


def read(data: bytes) -> Reply:
    """Read one reply, and see that it is over with its last line and not before."""
    reply = None
    for line in re.findall(rb"[^\n]*\n", data):
        assert reply is None or not reply.complete
        reply = read_line(reply, line)
    assert reply is not None
    return reply


# Replies


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (b"220 (vsFTPd 3.0.3)\r\n", 220, "(vsFTPd 3.0.3)"),
        (b"120 Service ready in 3 minutes.\r\n", 120, "Service ready in 3 minutes."),
        (b"230 User logged in, proceed.\n", 230, "User logged in, proceed."),
        (b"226\r\n", 226, ""),
        (b"226 \r\n", 226, ""),
        (b'257 "/usr/dm/pathname" directory created\r\n', 257, '"/usr/dm/pathname" directory created'),
        (b"599 a code of somebody's own\r\n", 599, "a code of somebody's own"),
        (b"220 a return \r amid\r\n", 220, "a return \r amid"),
        ("220 grüß Gott\r\n".encode(), 220, "grüß Gott"),
        (b"220 gr\xfc\xdf\r\n", 220, "gr\ufffd\ufffd"),
    ],
)
def test_a_reply_has_a_code_and_a_text(data: bytes, code: int, text: str) -> None:
    reply = read(data)
    assert (reply.code, reply.text, reply.complete) == (code, text, True)
    assert reply.severity == code // 100


def test_between_the_first_line_and_the_last_anything_may_stand() -> None:
    """The example of RFC 959, 4.2, and more that looks like an end and is none."""
    reply = read(
        b"123-First line\r\n"
        b"Second line\r\n"
        b"  234 A line beginning with numbers\r\n"
        b"234 one that is not even indented\r\n"
        b" 123 this code, indented\r\n"
        b"1234 more than this code\r\n"
        b"\r\n"
        b"123-this code with a hyphen\r\n"
        b"123 The last line\r\n"
    )
    assert reply.complete
    assert reply.lines == (
        "First line",
        "Second line",
        "234 A line beginning with numbers",
        "234 one that is not even indented",
        "123 this code, indented",
        "1234 more than this code",
        "",
        "this code with a hyphen",
        "The last line",
    )


def test_the_last_line_may_be_the_code_alone() -> None:
    assert str(read(b"220-Hello\r\n220\r\n")) == "220 Hello"


def test_a_reply_of_many_lines_is_shown_as_one() -> None:
    assert str(read(b"530-Not you.\r\n530-\r\n530 Ask the operator.\r\n")) == "530 Not you. Ask the operator."


def test_a_long_reply_is_shortened() -> None:
    reply = read(b"220 " + b"x" * 1000 + b"\r\n")
    assert str(reply) == reply.headline == "220 " + "x" * (SHOWN_LENGTH - 5) + "…"


@pytest.mark.parametrize(
    ("data", "headline"),
    [
        (b"220 ready\r\n", "220 ready"),
        (
            b"220---------- Welcome to Pure-FTPd ----------\r\n220-You are number 3.\r\n220 Bye.\r\n",
            "220 Welcome to Pure-FTPd",
        ),
        (b"220-\r\n220-=====\r\n220-* mirror.example.com *\r\n220 ready\r\n", "220 mirror.example.com"),
        (b"220-\r\n220 \r\n", "220"),
    ],
)
def test_a_greeting_s_headline_is_what_says_something_first(data: bytes, headline: str) -> None:
    assert read(data).headline == headline


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\r\n",
        b"22 ready\r\n",
        b"2200 ready\r\n",
        b"220ready\r\n",
        b"220_ready\r\n",
        b" 220 ready\r\n",
        b"020 zero\r\n",
        b"631 protected\r\n",
        b"220 ready",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"+OK POP3 ready\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\x15\x03\x01\x00\x02\x02\x0a\n",
        "٢٢٠ ready\r\n".encode(),
    ],
)
def test_what_is_no_reply_fails_and_is_shown(line: bytes) -> None:
    with pytest.raises(CheckFailed, match=r'^protocol: not a line of an FTP reply: ".*"$') as failed:
        read_line(None, line)
    assert failed.value.reason is Reason.PROTOCOL


@pytest.mark.parametrize("line", [b"220-more\r\n", b"house rules\r\n"])
def test_a_reply_without_end_fails(line: bytes) -> None:
    first = b"220-Welcome\r\n"
    assert len(read(first + line * (LINES_LIMIT - 2) + b"220 end\r\n").lines) == LINES_LIMIT
    with pytest.raises(CheckFailed, match=r"^limit: a reply of more than 500 lines$") as failed:
        read(first + line * LINES_LIMIT)
    assert failed.value.reason is Reason.LIMIT


# Features

FEAT = read(
    b"211-Extensions supported:\r\n EPSV\r\n AUTH TLS;TLS-C;\r\n MLST type*;size*;modify*;UNIX.mode*;\r\n"
    b" rest stream\r\n\r\n LANG EN-US*;FR\r\n211 End.\r\n"
)


@pytest.mark.parametrize(
    "wanted", ["EPSV", "epsv", "AUTH", "AUTH TLS", "MLST size modify", "MLST type*;size*", "REST STREAM", "LANG fr"]
)
def test_what_is_announced_is_enough(wanted: str) -> None:
    require_feature(FEAT, wanted)


@pytest.mark.parametrize("wanted", ["PASV", "AUTH SSL", "TLS", "MLST size unique", "Extensions", "End.", ";"])
def test_what_is_not_announced_fails_with_what_is(wanted: str) -> None:
    known = "EPSV, AUTH TLS;TLS-C;, MLST type*;size*;modify*;UNIX.mode*;, rest stream, LANG EN-US*;FR"
    with pytest.raises(CheckFailed, match=f"^{re.escape(f'content: {wanted} is not announced; what is: {known}')}$"):
        require_feature(FEAT, wanted)


@pytest.mark.parametrize("data", [b"211 no-features\r\n", b"211-Features:\r\n211 End\r\n"])
def test_where_nothing_is_announced_that_is_said(data: bytes) -> None:
    with pytest.raises(CheckFailed, match=r"^content: EPSV is not announced; what is: nothing$"):
        require_feature(read(data), "EPSV")


# Where data go


@pytest.mark.parametrize(
    "text",
    [
        "Entering Passive Mode (192,0,2,11,19,137).",
        "Entering Passive Mode (192,0,2,11,19,137)",
        "Entering Passive Mode. 192,0,2,11,19,137",
        "=192,0,2,11,19,137",
        "Mode 2, version 1.3: (192,0,2,11,019,137)",
    ],
)
def test_pasv_answers_numbers_amid_any_words(text: str) -> None:
    assert read_passive(read(f"227 {text}\r\n".encode())) == Endpoint("192.0.2.11", 5001)


@pytest.mark.parametrize(
    "line",
    [
        "227 Entering Passive Mode",
        "227 (192,0,2,11,19)",
        "227 (256,0,2,11,19,137)",
        "227 (192,0,2,11,19,1370)",
        "227 (192,0,2,11,256,1)",
        "227 (192,0,2,11,0,0)",
        "227 (1192,0,2,11,19,137)",
        "227 (192.0.2.11,19,137)",
        "228 (192,0,2,11,19,137)",
        "227 (١٩٢,0,2,11,19,137)",
    ],
)
def test_another_answer_to_pasv_fails(line: str) -> None:
    with pytest.raises(CheckFailed, match=f"^{re.escape(f'protocol: not an address and a port: {line}')}$"):
        read_passive(read(f"{line}\r\n".encode()))


@pytest.mark.parametrize(
    ("line", "port"),
    [
        ("229 Entering Extended Passive Mode (|||6446|)", 6446),
        ("229 Entering Extended Passive Mode (|||6446|).", 6446),
        ("229 (!!!1!)", 1),
        ("229 what (ever) (@@@65535@)", 65535),
    ],
)
def test_epsv_answers_a_port(line: str, port: int) -> None:
    assert read_extended_passive(read(f"{line}\r\n".encode())) == port


@pytest.mark.parametrize(
    "line",
    [
        "229 Entering Extended Passive Mode",
        "229 (|||0|)",
        "229 (|||65536|)",
        "229 (|||6446)",
        "229 |||6446|",
        "229 (||6446|)",
        "229 (||!6446|)",
        "229 (1116446 1)",
        "229 (|2|2001:db8::11|6446|)",
        "227 (|||6446|)",
        "229 (|||٦٤٤٦|)",
    ],
)
def test_another_answer_to_epsv_fails(line: str) -> None:
    with pytest.raises(CheckFailed, match=f"^{re.escape(f'protocol: not a port: {line}')}$"):
        read_extended_passive(read(f"{line}\r\n".encode()))


# Properties

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=80).map(str.strip)


@given(st.integers(100, 599), TEXTS, st.lists(TEXTS.map(" {}".format), max_size=LINES_LIMIT // 10), TEXTS)
def test_a_reply_is_read_as_it_was_written(code: int, first: str, between: list[str], last: str) -> None:
    reply = read_line(None, f"{code}-{first}\r\n".encode())
    for text in between:
        reply = read_line(reply, f"{text}\r\n".encode())
        assert not reply.complete
    reply = read_line(reply, f"{code} {last}\r\n".encode())
    assert reply == Reply(code, (first, *map(str.strip, between), last), complete=True)


@given(st.ip_addresses(v=4), st.integers(1, 65535), TEXTS.filter(lambda text: not re.search("[0-9]", text)))
def test_every_address_and_port_is_read_as_it_was_written(address: object, port: int, words: str) -> None:
    numbers = f"{str(address).replace('.', ',')},{port // 256},{port % 256}"
    assert read_passive(Reply(227, (f"{words} ({numbers})",), complete=True)) == Endpoint(str(address), port)
    assert read_extended_passive(Reply(229, (f"{words} (|||{port}|)",), complete=True)) == port


@given(st.lists(st.one_of(st.binary(max_size=40), st.from_regex(rb"22[79][ -][^\n]{0,20}\n?", fullmatch=True))))
def test_any_bytes_are_a_reply_or_one_failure(lines: list[bytes]) -> None:
    reply = None
    try:
        for line in lines:
            reply = read_line(reply, line)
    except CheckFailed as failed:
        assert failed.reason in {Reason.PROTOCOL, Reason.LIMIT}  # noqa: PT017 - either is right
    if reply is not None:
        assert str(reply).startswith(str(reply.code))


@given(st.sampled_from([227, 229]), st.text("()|,0123456789.! -", max_size=40))
def test_any_words_are_a_port_or_one_failure(code: int, text: str) -> None:
    for parse in (read_passive, read_extended_passive):
        try:
            parse(Reply(code, (text,), complete=True))
        except CheckFailed as failed:
            assert failed.reason is Reason.PROTOCOL  # noqa: PT017 - or else it was a port
