"""From a tree of values to typed ones: any class with annotated fields, every problem noted, none raised early.

A part that is wrong is noted and left out, so that the rest can be looked at too; `Refused` says that nothing is
left. `complete` raises them together at the end.
"""

import contextlib
import math
import types
import typing
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import msgspec

from feedback.errors import PluginError
from feedback.options import Unit, bounds_text, fields_of, is_union, take_apart, type_text, words_of
from feedback.tree import Node, Problems

T = TypeVar("T")


class Refused(Exception):  # noqa: N818 - no error of its own: the problems have been noted
    """There is no value; the problems say why."""


def read(kind: Any, node: Node, problems: Problems) -> Any:
    """Return the node's value as `kind`, a type as `feedback.options` allows. Raises Refused."""
    if kind is Node:
        return node
    taken = take_apart(kind)
    value = _measure(taken.unit, node, problems) if taken.unit else _read_base(taken.base, node, problems)
    if taken.bounds and not _within(value, taken.bounds):
        _refuse(node, f"must be {bounds_text(taken)}, not {_show(node)}", problems)
    return value


def read_class(cls: type[T], node: Node, problems: Problems, beside: type | None = None) -> T:
    """Return an object of a dataclass or Struct. Raises Refused when a field that must be given is not.

    `beside` is a class whose fields stand in the same mapping, and are read by somebody else.
    """
    before = len(problems)
    values = _read_fields(cls, node, problems, beside)
    if not all(field.name in values for field in fields_of(cls) if field.default is None):
        raise Refused
    # Where a part could not be read, what an object says of itself may mislead: but not of an option that was.
    readable = {name for name in values if problems.none_at(child(node, name).path)}
    partial = len(problems) > before
    try:
        made = cls(**{field.attribute: values[field.name] for field in fields_of(cls) if field.name in values})
    except ValueError as error:
        if not partial or _option_of(error) in readable & _entries(node, problems).keys():
            add_own_words(error, values, node, problems)
        raise Refused from None
    except Exception as error:  # noqa: BLE001 - a plugin's own code: what it raises must not end who reads of it
        problems.add(node, f"has a bug: {cls.__name__} raises {type(error).__name__}: {error}")
        raise Refused from None
    if partial and hasattr(cls, "__post_init__"):
        raise Refused
    return made


def read_plugin(
    get: Callable[[str], type[T]], name: str, node: Node, problems: Problems, beside: type | None = None
) -> T:
    """Return the plugin that a registry's `get` knows by `name`, with the options in `node`. Raises Refused."""
    try:
        plugin = get(name)
    except PluginError as error:
        _refuse(node, str(error), problems)
    return read_class(plugin, node, problems, beside)


def read_part(cls: type[T], node: Node, problems: Problems) -> T:
    """Return an object of those entries that are its fields, whatever stands beside them. Raises Refused."""
    names = {field.name for field in fields_of(cls)}
    entries = node.value if isinstance(node.value, dict) else {}
    part = {key: value for key, value in entries.items() if key in names}
    return read_class(cls, msgspec.structs.replace(node, value=part), problems)


def complete(problems: Problems, read_all: Callable[[], T]) -> T:
    """Return what `read_all` returns. Raises ConfigError with every problem when there is one."""
    value: Any = None
    with contextlib.suppress(Refused):
        value = read_all()
    problems.raise_any()
    return typing.cast("T", value)


def child(node: Node, key: str) -> Node:
    """Return what stands under a key, or a place to say that nothing does."""
    if isinstance(node.value, dict) and key in node.value:
        return node.value[key]
    return Node(None, node.line, f"{node.path}.{key}" if node.path else key)


def add_own_words(error: ValueError, options: Container[str], node: Node, problems: Problems) -> None:
    """Note what an object says of itself: `option: sentence`, or a sentence about the whole."""
    option, colon, sentence = str(error).partition(": ")
    if colon and option in options:
        problems.add(child(node, option), sentence)
    else:
        problems.add(node, str(error))


def _option_of(error: ValueError) -> str:
    return str(error).partition(": ")[0]


def _refuse(node: Node, sentence: str, problems: Problems) -> NoReturn:
    problems.add(node, sentence)
    raise Refused


def _read_base(base: Any, node: Node, problems: Problems) -> Any:
    origin = typing.get_origin(base) or base
    if is_union(base):
        return _read_union(typing.get_args(base), node, problems)
    if origin in {list, tuple, Sequence}:
        return _read_items(base, node, problems)
    if origin in {dict, Mapping}:
        return _read_mapping(base, node, problems)
    if words_of(base):
        return _read_word(base, node, problems)
    if base in _SCALARS:
        return _read_scalar(base, node, problems)
    return read_class(base, node, problems)


def _measure(unit: Unit, node: Node, problems: Problems) -> Any:
    """Read a value that is written in a form of its own."""
    if node.value is None or isinstance(node.value, dict | tuple):
        _refuse(node, f"must be {unit.form}, not {_show(node)}", problems)
    try:
        return unit.parse(node.value)
    except ValueError as error:
        _refuse(node, str(error), problems)
    except Exception as error:  # noqa: BLE001 - a plugin's own code, as above
        _refuse(node, f"has a bug: the form of a {unit.form} raises {type(error).__name__}: {error}", problems)


def _within(value: Any, meta: msgspec.Meta) -> bool:
    return (
        (meta.ge is None or value >= meta.ge)
        and (meta.gt is None or value > meta.gt)
        and (meta.le is None or value <= meta.le)
        and (meta.lt is None or value < meta.lt)
    )


_SCALARS: dict[Any, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _read_scalar(kind: type, node: Node, problems: Problems) -> Any:
    if kind is str and node.text is not None and not node.strict:
        return node.text
    if not _fits(kind, node):
        scalar = isinstance(node.value, int | float)
        hint = "; put it in quotes" if kind is str and scalar else ""
        _refuse(node, f"must be {_SCALARS[kind]}, not {_show(node)}{hint}", problems)
    return float(typing.cast("float", node.value)) if kind is float else node.value


def _read_word(kind: Any, node: Node, problems: Problems) -> Any:
    words = words_of(kind)
    for candidate in (node.value, node.text):  # `1.1` may be a number to YAML and still be one of the words
        if isinstance(candidate, str | int) and candidate in words:
            return words[candidate]
    _refuse(node, f"must be {_one_of([str(word) for word in words])}, not {_show(node)}", problems)


def _read_union(members: tuple[Any, ...], node: Node, problems: Problems) -> Any:
    if node.value is None and types.NoneType in members:
        return None
    kinds = [member for member in members if member is not types.NoneType]
    fitting = [kind for kind in kinds if _fits(kind, node)]
    if len(kinds) == 1 or (not fitting and str in kinds and not node.strict):
        return read(kinds[0] if len(kinds) == 1 else str, node, problems)
    if not fitting:
        _refuse(node, f"must be {_one_of([type_text(kind) for kind in kinds])}, not {_show(node)}", problems)
    for kind in fitting[:-1]:
        attempt = Problems()
        try:
            value = read(kind, node, attempt)
        except Refused:
            continue
        if not attempt:
            return value
    return read(fitting[-1], node, problems)


def _fits(kind: Any, node: Node) -> bool:
    """Return whether a value is of the sort that a kind is written as."""
    taken = take_apart(kind)
    base, value = taken.base, node.value
    if taken.unit or words_of(base):
        return not isinstance(value, dict | tuple)
    if base is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if base in _SCALARS:
        return type(value) is base
    return isinstance(value, tuple if typing.get_origin(base) in {list, tuple, Sequence} else dict)


def _read_items(kind: Any, node: Node, problems: Problems) -> Any:
    if not isinstance(node.value, tuple | None):
        _refuse(node, f"must be a list, not {_show(node)}", problems)
    items = _each(lambda item: read(typing.get_args(kind)[0], item, problems), node.value or ())
    return list(items) if typing.get_origin(kind) is list else tuple(items)


def _read_mapping(kind: Any, node: Node, problems: Problems) -> dict[Any, Any]:
    key_kind, value_kind = typing.get_args(kind)

    def entry(key: str) -> tuple[Any, Any]:
        value = child(node, key)
        return read(key_kind, Node(key, value.line, value.path), problems), read(value_kind, value, problems)

    return dict(_each(entry, _entries(node, problems)))


def _each(read_one: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
    """Read all there is; what is refused is left out."""
    for item in items:
        try:
            yield read_one(item)
        except Refused:
            continue


def _entries(node: Node, problems: Problems) -> dict[str, Node]:
    """Return a mapping's entries; a key with nothing behind it is an empty one."""
    if node.value is None:
        return {}
    if not isinstance(node.value, dict):
        _refuse(node, f"must be a mapping, not {_show(node)}", problems)
    return node.value


def _read_fields(cls: type, node: Node, problems: Problems, beside: type | None) -> dict[str, Any]:
    """Return the fields that could be read, and the defaults of the others."""
    fields = fields_of(cls)
    entries = _entries(node, problems)
    known = [field.name for part in (cls, beside) if part for field in fields_of(part)]
    for key, value in entries.items():
        if key not in known:
            problems.add(value, _unknown_key(key, known))
    values: dict[str, Any] = {}
    for field in fields:
        if field.default is not None:
            values[field.name] = field.default()
        if field.name in entries:
            with contextlib.suppress(Refused):
                values[field.name] = read(field.kind, entries[field.name], problems)
        elif field.default is None:
            doc = take_apart(field.kind).doc
            problems.add(child(node, field.name), f"is missing: {doc}" if doc else "is missing")
    return values


def _unknown_key(key: str, known: Sequence[str]) -> str:
    import difflib  # noqa: PLC0415 - only for what is wrong

    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f"unknown key; did you mean {close[0]}?"
    return f"unknown key; known keys: {', '.join(sorted(known))}" if known else "unknown key; there are no options"


def _one_of(words: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _show(node: Node) -> str:
    """Write a value into a sentence, shortened."""
    if isinstance(node.value, dict | tuple):
        return "a mapping" if isinstance(node.value, dict) else "a list"
    import json  # noqa: PLC0415 - only for what is wrong

    text = json.dumps(node.value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"
