import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agent.source import SourceError
from feedback.agent.text import limit, number, optional_value, value


def test_a_number_is_digits_and_nothing_else() -> None:
    assert number(b"0042", "f") == 42


@pytest.mark.parametrize("word", [b"", b"-1", b"1.5", b"0x10", b"1_000", b"9" * 21, "٣".encode()])
def test_anything_else_is_an_error_that_names_the_file(word: bytes) -> None:
    with pytest.raises(SourceError, match=r"^f: b'.*' where a number should be$"):
        number(word, "f")


DATA = (
    b"MemTotal:       24684096 kB\nHugePages_Total:       0\nusage_usec 17\n"
    b"lonely\nodd -5\nlong 123456789012345678901\n"
)


@pytest.mark.parametrize(("name", "expected"), [(b"MemTotal", 24684096), (b"HugePages_Total", 0), (b"usage_usec", 17)])
def test_a_value_stands_after_its_name_whatever_the_punctuation(name: bytes, expected: int) -> None:
    assert value(DATA, name, "f") == expected
    assert optional_value(DATA, name) == expected


@pytest.mark.parametrize("name", [b"lonely", b"odd", b"usec", b"Mem", b"MemTotal:.*", b"long"])
def test_a_missing_value_is_named(name: bytes) -> None:
    assert optional_value(DATA, name) is None
    with pytest.raises(SourceError) as caught:
        value(DATA, name, "f")
    assert str(caught.value) == f"f: has no {name.decode()}"


def test_a_limit_is_a_number_or_none() -> None:
    assert limit(b"1048576\n", "f") == 1048576
    assert limit(b"max\n", "f") is None
    with pytest.raises(SourceError, match=r"^f: is empty$"):
        limit(b"\n", "f")


@given(st.binary())
def test_any_bytes_are_numbers_or_one_named_error(data: bytes) -> None:
    for parse in (number, limit):
        with contextlib.suppress(SourceError):
            parse(data, "f")
    with contextlib.suppress(SourceError):
        value(data, b"name", "f")
