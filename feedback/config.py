"""What a person writes, as a tree of values: a YAML file, or the `key=value` words of a command line.

Plain scalars mean what YAML 1.2's core schema says: `yes`, `no`, `1:30` and `010` are text. Anchors, aliases and
merge keys work, within bounds; tags are refused.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

from feedback.denied import why
from feedback.errors import ConfigError
from feedback.reader import complete, read_class
from feedback.tree import Node, Problems, Scalar

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 200_000

T = TypeVar("T")


def read_yaml(path: str | Path) -> tuple[Node, Problems]:
    """Read a file. Raises ConfigError when there is nothing to make a tree of."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {why(error)}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_BYTES // 1024} KiB")
    try:
        return parse_yaml(data.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text") from None


def parse_yaml(text: str, file: str) -> tuple[Node, Problems]:
    """Return the tree of a YAML text, and the problems found on the way: keys that stand twice.

    Raises ConfigError when the text is no YAML, is empty, or goes past the bounds.
    """
    root = _compose(text, file)
    if root is None:
        raise ConfigError(f"{file}:1: the file is empty")
    problems = Problems(file)
    return _Tree(file, problems).node(root, "", root.start_mark.line + 1), problems


def read_arguments(cls: type[T], arguments: Iterable[str]) -> T:
    """Return an object of options from `key=value` words. Raises ConfigError with every problem."""
    problems = Problems()
    options = parse_arguments(arguments, problems)
    return complete(problems, lambda: read_class(cls, options, problems))


def parse_arguments(arguments: Iterable[str], problems: Problems) -> Node:
    """Return the mapping that `key=value` words are."""
    options: dict[str, Node] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals:
            problems.add(Node(None), f'"{argument}" must be an option and its value, like path=/alive')
        elif key in options:
            problems.add(Node(None, path=key), "is given twice")
        else:
            options[key] = parse_argument(key, text)
    return Node(options)


def parse_argument(name: str, text: str) -> Node:
    """Return the value of `name=text` on a command line: a scalar, quoted or not, or a list or mapping in brackets."""
    if text[:1] in {"[", "{", '"', "'"}:
        try:
            root = _compose(text, name)
        except ConfigError:
            root = None  # text that only begins like YAML: a regular expression, a quotation
        if root is not None:
            return _Tree(name, Problems(), strict=False).node(root, name, 0)
    return Node(scalar(text), 0, name, text, strict=False)


def _compose(text: str, file: str) -> yaml.Node | None:
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{file}:{line}: has a character that YAML does not allow") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        sentence = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{file}:{line}: is not valid YAML: {sentence}") from None


class _Loader(yaml.BaseLoader):
    """Composes nodes; scalars stay text, so nothing in a file can make an object."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, "tags are not used here", event.start_mark)
        if self._depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"more than {MAX_DEPTH} levels", event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


_NUMBERS: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"[-+]?(0|[1-9][0-9]{0,17})"), int),
    (re.compile(r"0x[0-9a-fA-F]{1,15}"), lambda text: int(text, 16)),
    (re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def scalar(text: str) -> Scalar:
    """Return what a plain scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    return next((read(text) for pattern, read in _NUMBERS if pattern.fullmatch(text)), text)


class _Tree:
    """Makes the tree of values, and counts them: nested aliases grow a small file without bound."""

    def __init__(self, file: str, problems: Problems, *, strict: bool = True) -> None:
        self._file = file
        self._problems = problems
        self._strict = strict
        self._count = 0

    def node(self, node: yaml.Node, path: str, line: int, depth: int = 0) -> Node:
        """Return the value at `path`. A collection's line is that of its key, a scalar's its own."""
        self._count += 1
        if self._count > MAX_VALUES or depth > MAX_DEPTH:
            raise ConfigError(f"{self._file}:{line}: aliases make too much of it, or one holds itself")
        if isinstance(node, yaml.ScalarNode):
            value = scalar(node.value) if node.style is None else node.value
            return Node(value, node.start_mark.line + 1, path, node.value, self._strict)
        if isinstance(node, yaml.SequenceNode):
            items = [
                self.node(item, f"{path}[{index}]", item.start_mark.line + 1, depth + 1)
                for index, item in enumerate(node.value)
            ]
            return Node(tuple(items), line, path)
        return Node(self._mapping(cast("yaml.MappingNode", node), path, depth), line, path)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Node]:
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._problems.add(Node(None, line, path), "a key must be text, not a list or a mapping")
                continue
            key: str = key_node.value
            place = f"{path}.{key}" if path else key
            if key == "<<" and key_node.style is None:
                merged = self._merge(value_node, path, line, depth) | merged
            elif key in own:
                self._problems.add(Node(None, line, place), f"stands twice, first in line {own[key].line}")
            else:
                own[key] = self.node(value_node, place, line, depth + 1)
        return merged | own

    def _merge(self, node: yaml.Node, path: str, line: int, depth: int) -> dict[str, Node]:
        """Return what `<<: *name` or `<<: [*name, *other]` brings; the first of a list goes before the others."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Node] = {}
        for source in sources:
            brought = self.node(source, path, line, depth + 1).value
            if isinstance(brought, dict):
                merged = brought | merged
            else:
                self._problems.add(Node(None, line, path), "<< must be a mapping or a list of mappings")
        return merged
