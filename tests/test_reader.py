"""From a tree of values to typed ones, every problem noted."""

import dataclasses
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest

from feedback.config import parse_yaml
from feedback.errors import ConfigError
from feedback.options import Duration, Name, Port, Unit
from feedback.reader import Refused, child, complete, read, read_class, read_part, read_plugin
from feedback.registry import CHECKS
from feedback.tree import Node, Problems
from tests import made_up


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(msgspec.Struct, frozen=True):
    x: int
    y: int = 0


class Reserved(msgspec.Struct, frozen=True):
    from_: int = msgspec.field(name="from", default=0)


def value_of(kind: Any, text: str) -> Any:
    """Read a text as a kind; nothing may be wrong with it."""
    root, problems = parse_yaml(f"v: {text}", "f")
    value = read(kind, child(root, "v"), problems)
    problems.raise_any()
    return value


def wrong_with(kind: Any, text: str) -> list[str]:
    """Return the sentences about a text that is read as a kind, without file and line."""
    root, problems = parse_yaml(f"v: {text}", "f")
    with pytest.raises(ConfigError):
        complete(problems, lambda: read(kind, child(root, "v"), problems))
    return [line.removeprefix("f:1: ") for line in problems.lines()]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (str, "abc", "abc"),
        (str, "'5'", "5"),
        (int, "5", 5),
        (int, "0x10", 16),
        (float, "5", 5.0),
        (float, "0.5", 0.5),
        (bool, "true", True),
        (Duration, "500ms", 0.5),
        (Port | None, "80", 80),
        (Port | None, "null", None),
        (int | str, "5", 5),
        (int | str, "abc", "abc"),
        (int | str | list[int | str], "[5, abc]", [5, "abc"]),
        (list[int] | list[str], "[a]", ["a"]),
        (Literal["a"] | Duration, "a", "a"),
        (Literal["a"] | Duration, "2s", 2.0),
        (Literal["1.0", "1.1"], "1.1", "1.1"),
        (Literal["a", 5], "5", 5),
        (Colour, "blue", Colour.BLUE),
        (list[int], "[1, 2]", [1, 2]),
        (list[int], "null", []),
        (tuple[int, ...], "[1, 2]", (1, 2)),
        (Sequence[str], "[a]", ("a",)),
        (dict[str, int], "{a: 1, 5: 2}", {"a": 1, "5": 2}),
        (dict[str, int], "null", {}),
        (Mapping[Name, Inner], "{a: {x: 1}}", {"a": Inner(1)}),
        (Inner, "{x: 1, y: 2}", Inner(1, 2)),
        (list[Inner] | None, "[{x: 1}]", [Inner(1)]),
        (Annotated[int, msgspec.Meta(ge=1, le=5)], "5", 5),
        (Annotated[float, msgspec.Meta(gt=0, lt=1)], "0.5", 0.5),
    ],
)
def test_values_are_read_as_their_type(kind: Any, text: str, value: object) -> None:
    assert value_of(kind, text) == value
    assert type(value_of(kind, text)) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "problems"),
    [
        (str, "5", ["v: must be text, not 5; put it in quotes"]),
        (str, "true", ["v: must be text, not true; put it in quotes"]),
        (str, "[a]", ["v: must be text, not a list"]),
        (str, "null", ["v: must be text, not null"]),
        (int, "abc", ['v: must be a whole number, not "abc"']),
        (int, "1.5", ["v: must be a whole number, not 1.5"]),
        (int, "true", ["v: must be a whole number, not true"]),
        (float, "abc", ['v: must be a number, not "abc"']),
        (float, "true", ["v: must be a number, not true"]),
        (float, "1e999", ["v: must be a number, not Infinity"]),
        (bool, "yes", ['v: must be true or false, not "yes"']),
        (bool, "1", ["v: must be true or false, not 1"]),
        (str, "[" + "a," * 50 + "]", ["v: must be text, not a list"]),
        (int, "x" * 100, [f'v: must be a whole number, not "{"x" * 58}…']),
        (Duration, "5", ["v: must have a unit, like 2s"]),
        (Duration, "[5s]", ["v: must be duration, not a list"]),
        (Port, "0", ["v: must be a port, from 1 to 65535"]),
        (Port | None, "abc", ["v: must be a port, from 1 to 65535"]),
        (int | list[int], "abc", ['v: must be whole number or list of whole number, not "abc"']),
        (int | list[int], "[a]", ['v[0]: must be a whole number, not "a"']),
        (Literal["a", "b"] | Duration, "c", ["v: must be a duration, like 500ms, 2s, 5m or 1h"]),
        (Literal["a", "b", "c"], "d", ['v: must be a, b or c, not "d"']),
        (Literal["a"], "[a]", ["v: must be a, not a list"]),
        (Literal["a"], "null", ["v: must be a, not null"]),
        (Literal[1], "1.5", ["v: must be 1, not 1.5"]),
        (Colour, "green", ['v: must be red or blue, not "green"']),
        (list[int], "5", ["v: must be a list, not 5"]),
        (list[int], "[a, 1, b]", ['v[0]: must be a whole number, not "a"', 'v[2]: must be a whole number, not "b"']),
        (dict[str, int], "[]", ["v: must be a mapping, not a list"]),
        (dict[Port, int], "{a: 1}", ["v.a: must be a port, from 1 to 65535"]),
        (
            dict[str, int],
            "{a: x, b: 1, c: y}",
            ['v.a: must be a whole number, not "x"', 'v.c: must be a whole number, not "y"'],
        ),
        (Inner, "5", ["v: must be a mapping, not 5"]),
        (Inner, "{y: z}", ["v.x: is missing", 'v.y: must be a whole number, not "z"']),
        (Inner, "{x: 1, yy: 1}", ["v.yy: unknown key; did you mean y?"]),
        (Inner, "{x: 1, other: 1}", ["v.other: unknown key; known keys: x, y"]),
        (Annotated[int, msgspec.Meta(ge=1, le=5)], "0", ["v: must be from 1 to 5, not 0"]),
        (Annotated[int, msgspec.Meta(le=5)], "6", ["v: must be at most 5, not 6"]),
        (Annotated[Duration, msgspec.Meta(gt=0)], "0s", ['v: must be more than 0s, not "0s"']),
        (Annotated[float, msgspec.Meta(lt=1)], "1", ["v: must be less than 1, not 1"]),
    ],
)
def test_what_is_wrong_is_said_with_its_path(kind: Any, text: str, problems: list[str]) -> None:
    assert sorted(wrong_with(kind, text)) == sorted(problems)


def test_a_wrong_field_leaves_its_default_so_that_the_rest_can_be_looked_at() -> None:
    root, problems = parse_yaml("x: 1\ny: abc\n", "f")
    assert read_class(Inner, root, problems) == Inner(1, 0)
    assert problems.lines() == ('f:2: y: must be a whole number, not "abc"',)


def test_a_missing_field_is_explained_by_its_own_words() -> None:
    @dataclasses.dataclass
    class Queue:
        path: Annotated[str, "where they wait"]

    root, problems = parse_yaml("queue:\n\n", "f")
    with pytest.raises(Refused):
        read_class(Queue, child(root, "queue"), problems)
    assert problems.lines() == ("f:1: queue.path: is missing: where they wait",)


def test_a_class_without_options_says_so() -> None:
    @dataclasses.dataclass
    class Bare:
        pass

    assert wrong_with(Bare, "{a: 1}") == ["v.a: unknown key; there are no options"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("path: alive\n", ('f:1: path: must start with "/"',)),
        ("linger: 1s\nheaders: {a: b}\n", ("f:1: headers need a path",)),
        ("path: alive\nlinger: 1\n", ('f:1: path: must start with "/"', "f:2: linger: must have a unit, like 2s")),
        ("path: alive\npth: /\n", ('f:1: path: must start with "/"', "f:2: pth: unknown key; did you mean path?")),
        ("headers: {a: b}\npath: [a]\n", ("f:2: path: must be text, not a list",)),
        ("steps:\n - {sent: a}\n", ("f:2: steps[0].sent: unknown key; did you mean send?",)),
    ],
)
def test_what_a_plugin_says_of_its_options_stands_at_the_option(text: str, problems: tuple[str, ...]) -> None:
    root, found = parse_yaml(text, "f")
    with made_up.plugins(), pytest.raises(Refused):
        read_plugin(CHECKS.get, "page", root, found)
    assert found.lines() == problems


def test_an_unknown_plugin_is_a_problem_of_its_place() -> None:
    root, problems = parse_yaml("a: 1\n", "f")
    with made_up.plugins():
        names = ", ".join(CHECKS.all())
        with pytest.raises(Refused):
            read_plugin(CHECKS.get, "nothing", child(root, "a"), problems)
    assert problems.lines() == (f'f:1: a: there is no check "nothing"; there are: {names}',)


def test_two_classes_share_a_mapping() -> None:
    root, problems = parse_yaml("x: 1\npath: /a\n", "f")
    with made_up.plugins():
        assert read_part(Inner, root, problems) == Inner(1)
        page: Any = read_plugin(CHECKS.get, "page", root, problems, beside=Inner)
    assert page.path == "/a"
    assert not problems


def test_a_wrong_key_of_a_shared_mapping_is_measured_against_both_classes() -> None:
    root, problems = parse_yaml("xx: 1\npaht: /a\n", "f")
    with made_up.plugins(), pytest.raises(Refused):
        read_plugin(CHECKS.get, "page", root, problems, beside=Inner)
    assert problems.lines() == ("f:1: xx: unknown key; did you mean x?", "f:2: paht: unknown key; did you mean path?")


def test_a_part_of_what_is_no_mapping_is_empty() -> None:
    @dataclasses.dataclass
    class Soft:
        a: int = 1

    assert read_part(Soft, Node("text"), Problems()) == Soft()


def test_where_text_is_not_quoted_a_number_may_be_meant_as_text() -> None:
    loose = Node(1.4, path="v", text="1.40", strict=False)
    assert read(str, loose, Problems()) == "1.40"
    assert read(str | None, loose, Problems()) == "1.40"
    assert read(int | str, loose, Problems()) == "1.40"
    assert read(float | str, loose, Problems()) == 1.4


def test_a_value_can_be_left_for_later() -> None:
    root, problems = parse_yaml("a: [1]\n", "f")
    assert read(dict[str, Node], root, problems) == {"a": child(root, "a")}


def test_everything_wrong_is_raised_at_the_end_even_when_there_is_a_value() -> None:
    root, problems = parse_yaml("x: 1\ny: abc\n", "f")
    with pytest.raises(ConfigError, match="must be a whole number"):
        complete(problems, lambda: read_class(Inner, root, problems))


def test_an_option_may_be_called_by_a_word_of_the_language() -> None:
    assert value_of(Reserved, "{from: 3}").from_ == 3
    assert value_of(Reserved, "{}").from_ == 0
    assert wrong_with(Reserved, "{from_: 3}") == ["v.from_: unknown key; did you mean from?"]


def test_a_bug_of_a_plugin_s_own_is_told_where_its_options_stand() -> None:
    @dataclasses.dataclass(kw_only=True)
    class Buggy:
        size: int = 1
        word: Annotated[str, Unit("word", lambda value: value.missing)] = ""

        def __post_init__(self) -> None:
            raise KeyError(self.size)

    node, problems = parse_yaml("size: 3\n", "a.yaml")
    with pytest.raises(Refused):
        read_class(Buggy, node, problems)
    node, more = parse_yaml("word: x\n", "a.yaml")
    with pytest.raises(Refused):
        read_class(Buggy, node, more)
    assert problems.lines() == ("a.yaml:1: has a bug: Buggy raises KeyError: 3",)
    assert more.lines()[0] == (
        "a.yaml:1: word: has a bug: the form of a word raises AttributeError: 'str' object has no attribute 'missing'"
    )
