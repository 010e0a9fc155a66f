"""YAML as a tree of values that know their line and path; and the words of a command line."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback import config
from feedback.config import parse_argument, parse_yaml, read_arguments, read_yaml, scalar
from feedback.errors import ConfigError
from feedback.tree import Node
from tests import made_up


def plain(node: Node) -> Any:
    """Return the values alone."""
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items()}
    return [plain(item) for item in node.value] if isinstance(node.value, tuple) else node.value


def places(node: Node) -> list[tuple[str, int]]:
    """Return the path and line of every value."""
    children: Iterable[Node] = ()
    if isinstance(node.value, dict | tuple):
        children = node.value.values() if isinstance(node.value, dict) else node.value
    return [(node.path, node.line), *(place for child in children for place in places(child))]


def refusal(text: str) -> tuple[str, ...]:
    """Return what is wrong with a text, whenever it is found."""
    with pytest.raises(ConfigError) as raised:
        parse_yaml(text, "f.yaml")[1].raise_any()
    return raised.value.problems


INVALID = "is not valid YAML"
AT_SIGN = "found character '@' that cannot start any token"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-12", -12),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1e3", -1000.0),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("10.2.0.11:8080", "10.2.0.11:8080"),
        ("2026-11-21", "2026-11-21"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("9" * 30, 1e30),
        ("5m", "5m"),
    ],
)
def test_a_plain_scalar_means_what_yaml_1_2_says(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_a_quoted_scalar_is_text() -> None:
    assert plain(parse_yaml("a: '1'\nb: \"true\"\nc: |\n  5\n", "f")[0]) == {"a": "1", "b": "true", "c": "5\n"}


def test_every_value_knows_its_path_and_line() -> None:
    text = "services:\n  web:\n    checks:\n      - http: {path: /a,\n          status: 200}\n      - tcp\n"
    assert places(parse_yaml(text, "f")[0]) == [
        ("", 1),
        ("services", 1),
        ("services.web", 2),
        ("services.web.checks", 3),
        ("services.web.checks[0]", 4),
        ("services.web.checks[0].http", 4),
        ("services.web.checks[0].http.path", 4),
        ("services.web.checks[0].http.status", 5),
        ("services.web.checks[1]", 6),
    ]


def test_an_alias_has_the_path_of_its_use_and_the_line_of_its_anchor() -> None:
    root, problems = parse_yaml("a: &x\n  b: 1\nc: *x\n", "f")
    assert not problems
    assert places(root) == [("", 1), ("a", 1), ("a.b", 2), ("c", 3), ("c.b", 2)]


def test_merge_keys_bring_what_the_mapping_does_not_say_itself() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, <<: [*a, *b]}\nd: {<<: *b}\n"
    root, problems = parse_yaml(text, "f")
    assert not problems
    assert plain(root)["c"] == {"x": 1, "y": 1, "z": 3}
    assert plain(root)["d"] == {"y": 2, "z": 2}


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "a: 1\nb:\n  c: 1\n  c: 2\na: 2\n",
            ("f.yaml:4: b.c: stands twice, first in line 3", "f.yaml:5: a: stands twice, first in line 1"),
        ),
        ("? [x]\n: 1\n", ("f.yaml:1: a key must be text, not a list or a mapping",)),
        ("a: {<<: 5}\n", ("f.yaml:1: a: << must be a mapping or a list of mappings",)),
        ("", ("f.yaml:1: the file is empty",)),
        ("# only words\n\n", ("f.yaml:1: the file is empty",)),
        (
            "a: [1, 2\nb: 3\n",
            ("f.yaml:2: is not valid YAML: while parsing a flow sequence, expected ',' or ']', but got ':'",),
        ),
        ("a: 1\nb: c: d\n", ("f.yaml:2: is not valid YAML: mapping values are not allowed here",)),
        ("a: @b\n", (f"f.yaml:1: {INVALID}: while scanning for the next token, {AT_SIGN}",)),
        ("a: *b\n", ("f.yaml:1: is not valid YAML: found undefined alias 'b'",)),
        (
            "a: 1\n---\nb: 2\n",
            ("f.yaml:2: is not valid YAML: expected a single document in the stream, but found another document",),
        ),
        ("a: !!python/object:os.system x\n", ("f.yaml:1: is not valid YAML: tags are not used here",)),
        ("a: !!str 5\n", ("f.yaml:1: is not valid YAML: tags are not used here",)),
        ("a: 1\nb: \x01\n", ("f.yaml:2: has a character that YAML does not allow",)),
        ("[" * 40, ("f.yaml:1: is not valid YAML: more than 32 levels",)),
        ("a: &a [*a]\n", ("f.yaml:1: aliases make too much of it, or one holds itself",)),
        ("a: &a\n  b: 1\n  <<: *a\n", ("f.yaml:2: aliases make too much of it, or one holds itself",)),
    ],
)
def test_what_is_wrong_with_a_text_is_one_line_with_its_place(text: str, problems: tuple[str, ...]) -> None:
    assert refusal(text) == problems


def test_nested_aliases_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "MAX_VALUES", 1000)
    bomb = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{other}'] * 8)}]\n" for other, name in zip("abcdef", "bcdefg", strict=True)
    )
    assert refusal(bomb) == ("f.yaml:1: aliases make too much of it, or one holds itself",)


@given(st.text(max_size=200))
def test_any_text_is_a_tree_or_a_refusal(text: str) -> None:
    try:
        said = str(parse_yaml(text, "f.yaml")[0].line)
    except ConfigError as error:
        said = str(error)
    assert re.match(r"[0-9]+|f\.yaml:[0-9]+: ", said)


def test_a_file_is_named_as_the_user_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.yaml").write_text("a: 1\na: 2\n")
    _, problems = read_yaml("f.yaml")
    assert problems.lines() == ("f.yaml:2: a: stands twice, first in line 1",)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert plain(read_yaml(tmp_path / "f.yaml")[0]) == {"a": 1}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, ": can't be read: No such file or directory"),
        (b"a: 1\nb: \xff\n", ":2: is not UTF-8 text"),
        (b"#" * (config.MAX_BYTES + 1), ": is larger than 1024 KiB"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "f.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        read_yaml(path)
    assert str(raised.value) == f"{path}{sentence}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200", 200),
        ("", None),
        ("/alive", "/alive"),
        ("a: b # c", "a: b # c"),
        ("*", "*"),
        ("[200, 204]", [200, 204]),
        ("{a: 1}", {"a": 1}),
        ('"a\\r\\n"', "a\r\n"),
        ("'5'", "5"),
        ("[0-9]+", "[0-9]+"),
        ('"', '"'),
        ("[", "["),
    ],
)
def test_an_argument_is_a_scalar_or_a_list_or_mapping_in_brackets(text: str, value: object) -> None:
    assert plain(parse_argument("x", text)) == value


def test_options_come_from_the_words_of_a_command_line() -> None:
    with made_up.plugins():
        page: Any = read_arguments(
            config_class(),
            ["path=/1 2", "status=[200, 2xx]", "version=1.0", "headers={a: 1.4}", "linger=2s", "port=80"],
        )
    assert (page.path, page.status, page.version) == ("/1 2", [200, "2xx"], "1.0")
    assert (page.headers, page.linger, page.port) == ({"a": "1.4"}, 2.0, 80)


def test_everything_wrong_with_the_words_is_told_at_once() -> None:
    with made_up.plugins(), pytest.raises(ConfigError) as raised:
        read_arguments(config_class(), ["/alive", "linger=2", "path=/", "path=/b", "prot=80", "status={}"])
    assert raised.value.problems == (
        '"/alive" must be an option and its value, like path=/alive',
        "path: is given twice",
        "prot: unknown key; did you mean port?",
        "status: must be whole number, text or list of whole number | text, not a mapping",
        "linger: must have a unit, like 2s",
    )


def config_class() -> type[Any]:
    from feedback.registry import CHECKS

    return CHECKS.get("page")
