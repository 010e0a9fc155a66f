"""What is put into a script's words: as the protocol has it, and never more than one argument or line of them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.placeholders import FORMATS, TURN, fill, imap, imap_mailbox, line, placeholders, word


def test_a_placeholder_is_a_name_and_a_format_and_everything_else_is_as_it_is() -> None:
    template = "{user:line} {2} {} {user} {pass:word}"
    assert list(placeholders(template)) == [("user", "line"), ("pass", "word")]
    assert fill(template, {"user": "{pass:word}", "pass": "b"}) == "{pass:word} {2} {} {user} b"


@pytest.mark.parametrize("text", ["", "a\rb", "a\nb", "a\0b", "secret\r\nDELE 1", "a\ud800"])
@pytest.mark.parametrize("form", FORMATS)
def test_no_value_reaches_beyond_its_line(form: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"^user: must be one ") as caught:
        fill(f"USER {{user:{form}}}", {"user": text})
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("text", ["a b", "a\tb", "a\x7f", "\u2028"])
def test_a_word_has_no_spaces(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be one word, without spaces$"):
        word(text)


def test_what_is_fine_is_left_alone() -> None:
    assert (line("two wörds"), word("wörd")) == ("two wörds", "wörd")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("monitor", '"monitor"'),
        ("two words", '"two words"'),
        ('"', r'"\""'),
        ("\\", r'"\\"'),
        ("müll", f"{{5}}\r\n{TURN}müll"),
    ],
)
def test_imap_quotes_what_is_ascii_and_counts_the_bytes_of_what_is_not(text: str, quoted: str) -> None:
    """RFC 3501, 4.3: a quoted string has 7-bit characters, and a backslash before its quotes and backslashes."""
    assert imap(text) == quoted


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("INBOX", '"INBOX"'),
        ("~peter/mail/台北/日本語", '"~peter/mail/&U,BTFw-/&ZeVnLIqe-"'),  # RFC 3501, 5.1.3
        ("Sales & Marketing", '"Sales &- Marketing"'),
        ("Entwürfe", '"Entw&APw-rfe"'),
        ("😀", '"&2D3eAA-"'),  # a surrogate pair
        ("a\tb", '"a&AAk-b"'),
    ],
)
def test_imap_s_mailboxes_have_a_utf_7_of_their_own(name: str, encoded: str) -> None:
    assert imap_mailbox(name) == encoded


@given(st.text() | st.text(alphabet='a"\\\\ \0\r\n'))
def test_an_imap_string_is_read_back_as_what_it_was(text: str) -> None:
    try:
        written = imap(text)
    except ValueError:
        assert not text or set(text) & set("\r\n\0")
        return
    literal = re.fullmatch(r"\{(\d+)\}\r\n\0(.*)", written, re.DOTALL)
    if literal:
        assert (int(literal[1]), literal[2]) == (len(text.encode("utf-8")), text)
    else:
        assert re.fullmatch(r'"(?:[^"\\\r\n]|\\["\\])*"', written)
        assert re.sub(r"\\(.)", r"\1", written[1:-1]) == text
