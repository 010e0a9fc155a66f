import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.perfdata_grammar import MAX_FAULTS, faults, is_number, labels


@pytest.mark.parametrize(
    "output",
    [
        b"OK | load=1.5",
        b"OK | 'in box'=3MB;;;0;10 'it''s'=3",
        b"OK | a=75%;80;90 b=-1.5c c=U",
        b"OK | /=3283MiB;5:;@10:20;0;9000 rta=0.05ms;~:3;:5;0;",
        b"OK\nlong text | b=2\nc=3us;.5;1.;-1;+2",
        b"OK, no data",
        b"42",
        b"OK |",
    ],
)
def test_performance_data_by_the_convention_has_no_faults(output: bytes) -> None:
    assert faults(output) == []


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"in box=3", "\"in\" is no value; a label with spaces stands in single quotes, like 'in box'=3"),
        (b"'in box=3", '"\'in" has no second quotation mark'),
        (b"a=0,5", '"a=0,5" has a comma where a decimal point must be: LC_ALL=C in the program helps'),
        (b"a=nan", '"a=nan" must be a finite number, or U where it is not known'),
        (b"a=-Infinity;1", '"a=-Infinity;1" must be a finite number, or U where it is not known'),
        (b"a=1e5", '"a=1e5" must be written without an exponent'),
        (b"a=", '"a=" has no value; where it is not known, that is U'),
        (b"a=1,b=2", '"a=1,b=2" is not of the form label=value[unit];warn;crit;min;max'),
        (b"a=1;2;3;4;5;6", '";6" is more than a value may have: label=value[unit];warn;crit;min;max'),
        (b"a=1.2.3", '"a": "1.2.3" must be a number'),
        (b"a=1 a=2", '"a": is there twice: only the first is ever read'),
        (b"a=1req", '"a": "req" is no unit: there are none, %, c (a counter), s, ms, us, ns, B, KB, MB, GB, TB'),
        (b"a=1;80%", '"a": "80%", its warning range, must be like 80, 10:20, ~:80 or @10:20'),
        (b"a=1;;x", '"a": "x", its critical range, must be like 80, 10:20, ~:80 or @10:20'),
        (b"a=1;;;low", '"a": "low", its minimum, must be a number without a unit'),
        (b"a=1;;;0;10MB", '"a": "10MB", its maximum, must be a number without a unit'),
    ],
)
def test_what_breaks_the_convention_is_told_with_what_would_be_right(data: bytes, fault: str) -> None:
    assert faults(b"OK | x=1 " + data + b" y=2") == [fault]


def test_of_many_faults_the_first_are_told() -> None:
    assert faults(b"OK | " + b" ".join(b"w%d" % number for number in range(100)))[1:2] == [
        "\"w1\" is no value; a label with spaces stands in single quotes, like 'in box'=3"
    ]
    assert len(faults(b"OK | " + b"w " * 100)) == MAX_FAULTS


def test_labels_and_units_are_told_in_their_order() -> None:
    assert labels(b"OK | b=1s 'a b'=2% | x=3\nmore | c=4") == (("b", "s"), ("a b", "%"), ("x", ""), ("c", ""))
    assert labels(b"42") == ()


@pytest.mark.parametrize(
    ("text", "expected"), [("1.5", True), ("-3", True), ("nan", False), ("inf", False), ("x", False)]
)
def test_a_number_is_finite(text: str, *, expected: bool) -> None:
    assert is_number(text) is expected


@given(st.binary())
def test_any_output_has_a_bounded_number_of_faults(output: bytes) -> None:
    assert len(faults(b"OK | " + output)) <= MAX_FAULTS


def test_a_flood_of_near_misses_is_looked_at_in_no_time() -> None:
    assert len(faults(b"| " + b"'" * 60_000)) == 1
    assert len(faults(b"| a=" + b"1" * 60_000)) == 1
    assert len(faults(b"| a=1;" + b"1" * 60 + b"x")) == 1
