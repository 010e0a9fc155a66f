"""The types of options, and what a class says of its own."""

import dataclasses
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.options import (
    Address,
    Duration,
    Interface,
    Name,
    Option,
    Port,
    Ratio,
    Unit,
    bounds_text,
    describe,
    parse_duration,
    show_duration,
    take_apart,
    type_text,
)
from feedback.registry import CHECKS
from tests import made_up


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
    colour: Colour = Colour.RED
    hidden: int = dataclasses.field(default=0, init=False)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("2s", 2.0), ("5m", 300.0), ("1h", 3600.0), ("1.5s", 1.5), ("0s", 0.0), ("3ms", 0.003)],
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("value", [2, 2.5, 0])
def test_a_bare_number_is_no_duration(value: float) -> None:
    with pytest.raises(ValueError, match=r"^must have a unit, like 2s$"):
        parse_duration(value)


@pytest.mark.parametrize("value", ["2", "2 s", "-2s", "2d", "s", "1h30m", "", True, None, "9" * 10 + "s", "٣s"])
def test_anything_else_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a duration, like 500ms, 2s, 5m or 1h$"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "500ms"), (2.0, "2s"), (300.0, "5m"), (3600.0, "1h"), (90.0, "90s"), (1.5, "1500ms"), (0.0, "0s")],
)
def test_a_duration_is_shown_as_one_would_write_it(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text


@given(st.integers(1, 10**6))
def test_a_shown_duration_reads_back(milliseconds: int) -> None:
    assert parse_duration(show_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (Port, 1, 1),
        (Port, 65535, 65535),
        (Address, "192.0.2.1", "192.0.2.1"),
        (Address, "2001:DB8:0::1", "2001:db8::1"),
        (Ratio, 0, 0.0),
        (Ratio, 0.5, 0.5),
        (Ratio, 1, 1.0),
        (Interface, "lo", "lo"),
        (Interface, "bond0.100@vlan2", "bond0.100@vlan2"),
        (Name, "rs1.web_A-2", "rs1.web_A-2"),
    ],
)
def test_units_read_what_is_right(kind: Any, value: object, read: object) -> None:
    unit = take_apart(kind).unit
    assert unit is not None
    assert unit.parse(value) == read


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        (Port, [0, 65536, "80", True, 1.5], "must be a port, from 1 to 65535"),
        (Address, ["192.0.2", "localhost", 5, ""], "must be an IP address, like 192.0.2.10 or 2001:db8::10"),
        (Ratio, [-0.1, 1.1, "50%", True], "must be a ratio, from 0 to 1"),
        (Interface, ["", ".", "..", "a/b", "a:b", "a b", "é", 5, "x" * 16], "must be a network interface, like eth0"),
        (Name, ["", "a b", "a\n", 5, "x" * 129], 'must be a name: letters, digits, ".", "_" and "-", at most 128'),
    ],
)
def test_units_refuse_what_is_wrong(kind: Any, values: list[object], sentence: str) -> None:
    unit = take_apart(kind).unit
    assert unit is not None
    for value in values:
        with pytest.raises(ValueError, match="must be") as raised:
            unit.parse(value)
        assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (str, "text"),
        (bool, "true | false"),
        (Duration | None, "duration"),
        (int | str, "whole number | text"),
        (list[int], "list of whole number"),
        (tuple[float, ...], "list of number"),
        (Sequence[str], "list of text"),
        (dict[str, Ratio], "mapping of text to ratio"),
        (Mapping[Name, int], "mapping of name to whole number"),
        (Literal["a", "b"], "a | b"),
        (Colour, "red | blue"),
        (Point, "mapping"),
        (Annotated[int, msgspec.Meta(ge=1, le=5)], "whole number from 1 to 5"),
        (Annotated[Duration, msgspec.Meta(gt=0)], "duration more than 0s"),
    ],
)
def test_a_type_has_words(kind: Any, text: str) -> None:
    assert type_text(kind) == text


@pytest.mark.parametrize(
    ("meta", "text"),
    [
        (msgspec.Meta(ge=1), "at least 1"),
        (msgspec.Meta(gt=0, le=1), "more than 0 and at most 1"),
        (msgspec.Meta(lt=5), "less than 5"),
        (msgspec.Meta(), ""),
    ],
)
def test_bounds_have_words(meta: msgspec.Meta, text: str) -> None:
    assert bounds_text(take_apart(Annotated[int, meta])) == text


def test_a_class_describes_its_options_with_those_that_must_be_given_first() -> None:
    assert describe(Point) == (
        Option("x", "whole number", required=True, default=None, doc=""),
        Option("y", "whole number", required=False, default="0", doc=""),
        Option("colour", "red | blue", required=False, default="red", doc=""),
    )


def test_a_plugin_describes_its_options_as_one_writes_them() -> None:
    with made_up.plugins():
        options = {option.name: option for option in describe(CHECKS.get("page"))}
    assert options["port"].default == "none"
    assert options["port"].doc == "port to check, by default the destination's own"
    assert options["path"] == Option("path", "text", required=False, default="/", doc="what to ask for")
    assert options["status"].type == "whole number | text | list of whole number | text"
    assert options["status"].default == "200"
    assert options["headers"].type == "mapping of text to text"
    assert options["steps"].type == "list of mapping"
    assert list(options)[list(options).index("steps") :][:3] == ["steps", "steps[].send", "steps[].expect"]
    assert options["steps"].default == "[]"
    assert options["linger"].type == "duration more than 0s and at most 10s"
    assert options["linger"].default == "500ms"


def test_a_struct_describes_its_options() -> None:
    class Shape(msgspec.Struct):
        must: str
        on: bool = True
        words: tuple[str, ...] = ("a", "b")
        empty: str = ""
        half: float = 0.5
        wait: Duration | None = 2.0
        made: list[int] = msgspec.field(default_factory=list)

    assert {option.name: option.default for option in describe(Shape)} == {
        "must": None,
        "on": "true",
        "words": "[a, b]",
        "empty": '""',
        "half": "0.5",
        "wait": "2s",
        "made": "[]",
    }


class Branch(msgspec.Struct):
    name: str
    branches: list["Branch"] = []


def test_a_class_that_holds_itself_is_described_once() -> None:
    assert [option.name for option in describe(Branch)] == ["name", "branches"]


def test_the_options_of_parts_are_described_with_their_path() -> None:
    @dataclasses.dataclass
    class Whole:
        many: dict[str, list[Point] | None]
        word: Literal["a"] = "a"

    assert [(option.name, option.type) for option in describe(Whole)] == [
        ("many", "mapping of text to list of mapping"),
        ("many.*[].x", "whole number"),
        ("many.*[].y", "whole number"),
        ("many.*[].colour", "red | blue"),
        ("word", "a"),
    ]


def test_what_has_a_form_of_its_own_is_no_part_with_options() -> None:
    class Whole(msgspec.Struct):
        at: Annotated[Branch, Unit("branch", Branch)] | None = None

    assert [(option.name, option.type) for option in describe(Whole)] == [("at", "branch")]
