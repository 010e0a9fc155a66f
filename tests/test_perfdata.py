import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.perfdata import PerfdataError, Performance, parse_output


@pytest.mark.parametrize(
    ("output", "label", "performance"),
    [
        (b"42\n", None, Performance("", 42)),
        (b"  0.75  \nmore words\n", None, Performance("", 0.75)),
        (b"OK | load=1.5", None, Performance("load", 1.5)),
        (b"OK | a=1;2;3;4;5 b=2s", "b", Performance("b", 2, "s")),
        (b"OK | used=75%;80;90", None, Performance("used", 75, "%")),
        (b"OK | queue=12;100;200;0;400", None, Performance("queue", 12, "", 400)),
        (b"OK | 'in box'=3MB;;;0;10", "in box", Performance("in box", 3, "MB", 10)),
        (b"OK | 'it''s'=3", "it's", Performance("it's", 3)),
        (b"OK - 5 ways; a=9 is no value | x=-1.5c", None, Performance("x", -1.5, "c")),
        (b"OK | a=1\nlong text\nmore | b=2\nc=3\n", "c", Performance("c", 3)),
        (b"OK\nlong text | b=2", None, Performance("b", 2)),
        (b"|a=1", None, Performance("a", 1)),
    ],
)
def test_a_number_or_performance_data_is_read(output: bytes, label: str | None, performance: Performance) -> None:
    assert parse_output(output, label) == performance


@pytest.mark.parametrize(
    ("output", "label", "message"),
    [
        (b"", None, "the program printed '' where a number should be"),
        (b"all is well\n", None, "the program printed 'all is well' where a number should be"),
        (b"42\n", "load", 'the program printed no performance data, and so no "load"'),
        (b"OK | a=1", "load", 'the program printed no performance data called "load"'),
        (b"OK |", None, "the program printed no performance data"),
        (b"OK | a=U", None, 'the program could not determine "a" (it printed U)'),
        (b"OK | a=1.2.3", None, "the program printed 'a' where a number should be"),
        (b"OK | a=1;2;3;4;max", None, "the program printed 'a' where a number should be"),
    ],
)
def test_anything_else_is_told_in_words(output: bytes, label: str | None, message: str) -> None:
    with pytest.raises(PerfdataError) as caught:
        parse_output(output, label)
    assert str(caught.value) == message


@given(st.binary(), st.one_of(st.none(), st.text()))
def test_any_output_is_a_value_or_one_named_error(output: bytes, label: str | None) -> None:
    with contextlib.suppress(PerfdataError):
        parse_output(output, label)
    with contextlib.suppress(PerfdataError):
        parse_output(b"OK | " + output, label)


def test_a_flood_of_near_misses_is_read_in_no_time() -> None:
    with pytest.raises(PerfdataError):
        parse_output(b"| " + b"'" * 60_000, None)
    with pytest.raises(PerfdataError):
        parse_output(b"| " + b"a=;" * 20_000, None)
    with pytest.raises(PerfdataError):
        parse_output(b"| a" + b"=1;;;" * 12_000, "none")
