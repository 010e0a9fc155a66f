"""What SMTP servers answer: the RFC's own examples, what servers really say, and what is no reply."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs.smtp_reply import LINES_LIMIT, Reply, capabilities, read_line, require
from feedback.errors import CheckFailed, Reason


def read(data: bytes) -> Reply:
    """Read one reply, and see that it is over with its last line and not before."""
    reply = None
    for line in data.splitlines(keepends=True):
        assert reply is None or not reply.complete
        reply = read_line(reply, line)
    assert reply is not None
    return reply


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (b"220 foo.com Simple Mail Transfer Service Ready\r\n", 220, "foo.com Simple Mail Transfer Service Ready"),
        (b"250 OK\r\n", 250, "OK"),
        (b"250 OK\n", 250, "OK"),
        (b"354\r\n", 354, ""),
        (b"250 \r\n", 250, ""),
        (b"250-\r\n250 \r\n", 250, ""),
        (b"334 VXNlcm5hbWU6\r\n", 334, "VXNlcm5hbWU6"),
        (b"551 User not local; please try <jones@foo.com>\r\n", 551, "User not local; please try <jones@foo.com>"),
        (b"571 5.7.1 Delivery not authorized\r\n", 571, "5.7.1 Delivery not authorized"),
        ("220 grüß Gott\r\n".encode(), 220, "grüß Gott"),
        (b"220 gr\xfc\xdf\r\n", 220, "gr\ufffd\ufffd"),
    ],
)
def test_a_reply_has_a_code_and_a_text(data: bytes, code: int, text: str) -> None:
    reply = read(data)
    assert (reply.code, reply.text, reply.complete) == (code, text, True)


def test_a_reply_of_many_lines_is_shown_as_one() -> None:
    reply = read(b"250-First line\r\n250-Second line\r\n250-234 Text beginning with numbers\r\n250 The last line\r\n")
    assert reply.lines == ("First line", "Second line", "234 Text beginning with numbers", "The last line")
    assert str(reply) == "250 First line Second line 234 Text beginning with numbers The last line"


def test_an_enhanced_status_code_is_shown_once() -> None:
    reply = read(b"550-5.1.1 No such user here.\r\n550-5.1.1\r\n550 5.1.1 Ask 5.1.1 somewhere else\r\n")
    assert str(reply) == "550 5.1.1 No such user here. 5.1.1 Ask 5.1.1 somewhere else"


def test_a_code_alone_is_a_whole_reply() -> None:
    assert str(read(b"250\r\n")) == "250"


@pytest.mark.parametrize(("code", "severity"), [(220, 2), (334, 3), (421, 4), (450, 4), (554, 5)])
def test_a_client_goes_by_the_first_digit(code: int, severity: int) -> None:
    assert read(f"{code} x\r\n".encode()).severity == severity


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\r\n",
        b"25 OK\r\n",
        b"2500 OK\r\n",
        b"250OK\r\n",
        b"250_OK\r\n",
        b" 250 OK\r\n",
        b"150 mark\r\n",
        b"650 six\r\n",
        b"250 OK",
        b"250 O\rK\r\n",
        b"+OK POP3 ready\r\n",
        b"* OK IMAP4rev1 ready\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        "٢٢٠ OK\r\n".encode(),
    ],
)
def test_what_is_no_reply_fails_and_is_shown(line: bytes) -> None:
    with pytest.raises(CheckFailed, match=r'^protocol: not a line of an SMTP reply: ".*"$') as failed:
        read_line(None, line)
    assert failed.value.reason is Reason.PROTOCOL


def test_a_reply_that_changes_its_code_fails() -> None:
    with pytest.raises(CheckFailed, match=r"^protocol: one reply has two codes, 250 and 220$"):
        read(b"250-one\r\n220 two\r\n")


def test_a_reply_without_end_fails() -> None:
    line = b"250-more\r\n"
    assert len(read(line * (LINES_LIMIT - 1) + b"250 end\r\n").lines) == LINES_LIMIT
    with pytest.raises(CheckFailed, match=r"^limit: a reply of more than 100 lines$") as failed:
        read(line * (LINES_LIMIT + 1))
    assert failed.value.reason is Reason.LIMIT


EHLO = read(b"250-foo.com greets bar.com\r\n250-8BITMIME\r\n250-Size 1000\r\n250-auth PLAIN login\r\n250 HELP\r\n")


def test_what_is_announced_stands_after_the_first_line_in_either_case() -> None:
    assert capabilities(EHLO) == {"8BITMIME": (), "SIZE": ("1000",), "AUTH": ("PLAIN", "LOGIN"), "HELP": ()}
    assert capabilities(read(b"250 SIZE\r\n")) == {}


def test_one_keyword_in_two_lines_has_the_parameters_of_both() -> None:
    assert capabilities(read(b"250-x\r\n250-AUTH PLAIN\r\n250 AUTH LOGIN\r\n"))["AUTH"] == ("PLAIN", "LOGIN")


@pytest.mark.parametrize("wanted", ["SIZE", "size", "SIZE 1000", "AUTH LOGIN", "auth login plain", "help"])
def test_what_is_announced_is_enough(wanted: str) -> None:
    require(capabilities(EHLO), wanted)


@pytest.mark.parametrize("wanted", ["STARTTLS", "SIZE 100", "AUTH PLAIN GSSAPI", "HELP ME", "8BIT"])
def test_what_is_not_announced_fails_with_what_is(wanted: str) -> None:
    words = f"content: {wanted} is not announced; what is: 8BITMIME, SIZE 1000, AUTH PLAIN LOGIN, HELP"
    with pytest.raises(CheckFailed, match=f"^{re.escape(words)}$"):
        require(capabilities(EHLO), wanted)


def test_where_nothing_is_announced_that_is_said() -> None:
    with pytest.raises(CheckFailed, match=r"^content: SIZE is not announced; what is: nothing$"):
        require({}, "SIZE")


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=80).map(str.strip)


@given(st.integers(200, 599), st.lists(TEXTS, min_size=1, max_size=LINES_LIMIT))
def test_a_reply_is_read_as_it_was_written(code: int, texts: list[str]) -> None:
    reply = None
    for number, text in enumerate(texts, 1):
        reply = read_line(reply, f"{code}{' ' if number == len(texts) else '-'}{text}\r\n".encode())
        assert reply.complete == (number == len(texts))
    assert reply == Reply(code, tuple(texts), complete=True)


@given(st.lists(st.one_of(st.binary(max_size=40), st.from_regex(rb"25[01][ -][^\n]{0,9}\n?", fullmatch=True))))
def test_any_bytes_are_a_reply_or_one_failure(lines: list[bytes]) -> None:
    reply = None
    try:
        for line in lines:
            reply = read_line(reply, line)
    except CheckFailed as failed:
        assert failed.reason in {Reason.PROTOCOL, Reason.LIMIT}  # noqa: PT017 - either is right
    if reply is not None:
        assert str(reply).startswith(str(reply.code))
        assert all(word == word.upper() for word in capabilities(reply))
