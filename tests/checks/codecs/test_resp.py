"""RESP: commands, and answers that are one value."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import resp
from feedback.checks.codecs.resp import Bulk, Refusal
from feedback.errors import CheckFailed


def test_a_command_is_its_words_with_their_lengths() -> None:
    assert resp.command("PING") == b"*1\r\n$4\r\nPING\r\n"
    assert resp.command("AUTH", "jürgen", "a\r\nb") == b"*3\r\n$4\r\nAUTH\r\n$7\r\nj\xc3\xbcrgen\r\n$4\r\na\r\nb\r\n"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"+PONG\r\n", "PONG"),
        (b"+\r\n", ""),
        (b":1000\r\n", "1000"),
        (b":-1\r\n", "-1"),
        (b"$0\r\n", Bulk(0)),
        (b"$65536\r\n", Bulk(65536)),
        (b"-NOAUTH Authentication required.\r\n", Refusal("NOAUTH Authentication required.")),
    ],
)
def test_an_answer_begins_with_what_it_is(line: bytes, answer: object) -> None:
    assert resp.read_line(line) == answer


@pytest.mark.parametrize(
    ("line", "reason", "words"),
    [
        (b"\r\n", "protocol", 'not an answer of Redis: ""'),
        (b"*2\r\n", "protocol", 'not an answer of Redis: "*2"'),
        (b"HTTP/1.1 400\r\n", "protocol", 'not an answer of Redis: "HTTP/1.1 400"'),
        (b":1.5\r\n", "protocol", 'not an answer of Redis: ":1.5"'),
        (b"$\xb2\r\n", "protocol", "not an answer of Redis"),
        (b"$-1\r\n", "protocol", "the answer is nothing, must be something"),
        (b"$65537\r\n", "limit", "an answer of 65537 bytes, must be 65536 at most"),
        (b"$99999999999999999999\r\n", "protocol", "not an answer of Redis"),
    ],
)
def test_another_answer_is_refused(line: bytes, reason: str, words: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        resp.read_line(line)
    assert caught.value.reason == reason
    assert caught.value.detail.startswith(words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("NOAUTH Authentication required.", True),
        ("WRONGPASS invalid username-password pair or user is disabled.", True),
        ("NOPERM User monitor has no permissions to run the 'info' command", True),
        ("LOADING Redis is loading the dataset in memory", False),
        ("ERR max number of clients reached", False),
        ("", False),
    ],
)
def test_an_error_s_first_word_says_whether_it_is_of_the_login(words: str, *, expected: bool) -> None:
    assert Refusal(words).is_of_login is expected


def test_bytes_end_with_their_line() -> None:
    assert resp.read_bulk(b"a\r\nb\r\n") == "a\r\nb"
    with pytest.raises(CheckFailed, match="must end with its line"):
        resp.read_bulk(b"abcd")


def test_info_has_fields_and_headings() -> None:
    text = "# Replication\r\nrole:slave\r\nslave0:ip=::1,port=6379\r\n\r\nnothing\r\n# x:y\r\n"
    assert resp.read_info(text) == {"role": "slave", "slave0": "ip=::1,port=6379"}


@given(st.binary(max_size=100), st.sampled_from([b"", b"$", b":", b"-", b"+"]))
def test_any_bytes_give_a_value_or_one_failure(data: bytes, beginning: bytes) -> None:
    with contextlib.suppress(CheckFailed):
        resp.read_line(beginning + data)
    with contextlib.suppress(CheckFailed):
        resp.read_info(resp.read_bulk(data))
