"""Options as typed fields: the types a plugin's fields may have, and what a class says of its own options.

A field's type says what is allowed, its `Annotated` string says what it is for, its default makes it optional:

    interval: Annotated[Duration, msgspec.Meta(gt=0), "time between two runs"] = 2.0

Allowed are str, int, float, bool, the units below, `Literal` and StrEnum, `list[T]` and `tuple[T, ...]`,
`dict[str, T]`, dataclasses and msgspec Structs of such fields, and unions of them; `msgspec.Meta` bounds numbers.
`feedback.reader` reads them from a configuration or a command line.
"""

import dataclasses
import functools
import ipaddress
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Annotated, Any, Literal, TypeGuard, Union, cast

import msgspec


class Unit(msgspec.Struct, frozen=True):
    """Marks a type that is written in a form of its own in a configuration.

    `parse` makes a value of a YAML scalar and raises ValueError with the rest of a sentence about it, like
    "must be a port"; `show` writes the value as one would in a configuration.
    """

    form: str
    parse: Callable[[Any], Any]
    show: Callable[[Any], str] = str


_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_INTERFACE = re.compile(r"[!-.0-9;-~]{1,15}")  # what the kernel has for names, and ASCII only
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


def parse_duration(value: object) -> float:
    """Return the seconds that `500ms`, `2s`, `5m` or `1h` stand for."""
    match = _DURATION.fullmatch(str(value))
    if _is_number(value):
        raise ValueError("must have a unit, like 2s")
    if match is None:
        raise ValueError("must be a duration, like 500ms, 2s, 5m or 1h")
    return round(float(match[1]) * _SECONDS[match[2]], 9)


def show_duration(seconds: float) -> str:
    """Write seconds in the largest unit that needs no fraction, milliseconds at the least."""
    for unit in ("h", "m", "s"):
        if seconds and not seconds % _SECONDS[unit]:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds * 1000:g}ms" if seconds else "0s"


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parse_port(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535:
        return value
    raise ValueError("must be a port, from 1 to 65535")


def _parse_address(value: object) -> str:
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        raise ValueError("must be an IP address, like 192.0.2.10 or 2001:db8::10") from None


def _parse_ratio(value: object) -> float:
    if _is_number(value) and 0 <= value <= 1:
        return float(value)
    raise ValueError("must be a ratio, from 0 to 1")


def _parse_interface(value: object) -> str:
    if isinstance(value, str) and _INTERFACE.fullmatch(value) and value not in {".", ".."}:
        return value
    raise ValueError("must be a network interface, like eth0")


def _parse_name(value: object) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise ValueError('must be a name: letters, digits, ".", "_" and "-", at most 128')


Duration = Annotated[float, Unit("duration", parse_duration, show_duration)]
"""Seconds; written with a unit: 500ms, 2s, 5m, 1h."""

Port = Annotated[int, Unit("port", _parse_port)]
"""A port number from 1 to 65535."""

Address = Annotated[str, Unit("address", _parse_address)]
"""An IP address, in canonical form."""

Ratio = Annotated[float, Unit("ratio", _parse_ratio, "{:g}".format)]
"""A share from 0 to 1."""

Interface = Annotated[str, Unit("interface", _parse_interface)]
"""A network interface's name."""

Name = Annotated[str, Unit("name", _parse_name)]
"""A name of a thing: letters, digits, ".", "_" and "-"."""


class Kind(msgspec.Struct, frozen=True):
    """A field's annotation, taken apart. `bounds` is there where a number's range is limited."""

    base: Any
    unit: Unit | None = None
    bounds: msgspec.Meta | None = None
    doc: str = ""


class Field(msgspec.Struct, frozen=True):
    """A field of a class of options. Calling `default` gives its default; None where it must be given.

    `attribute` is what Python calls it, where its name is a word of the language: `from_ = msgspec.field(name="from")`.
    """

    name: str
    kind: Any
    default: Callable[[], Any] | None
    attribute: str


class Option(msgspec.Struct, frozen=True):
    """An option as a person reads of it. `default` as one would write it; None where it must be given."""

    name: str
    type: str
    required: bool
    default: str | None
    doc: str


def take_apart(kind: Any) -> Kind:
    """Return what an annotation says: the type, and what its metadata add."""
    if typing.get_origin(kind) is not Annotated:
        return Kind(kind)
    base, *metadata = typing.get_args(kind)
    found = {type(item): item for item in metadata}
    return Kind(base, found.get(Unit), found.get(msgspec.Meta), found.get(str, ""))


def is_union(base: Any) -> bool:
    """Return whether a type is `X | Y`, in either of its two spellings."""
    return typing.get_origin(base) in {Union, types.UnionType}


def words_of(base: Any) -> dict[Any, Any]:
    """Return what a `Literal` or an Enum allows, as written -> as read; nothing for other types."""
    if typing.get_origin(base) is Literal:
        return {word: word for word in typing.get_args(base)}
    return {word.value: word for word in base} if isinstance(base, type) and issubclass(base, Enum) else {}


def fields_of(cls: type) -> tuple[Field, ...]:
    """Return the fields of a dataclass or a msgspec Struct, inherited ones first."""
    return _fields_of(cls)


@functools.cache  # a large file has a thousand objects of one class
def _fields_of(cls: type) -> tuple[Field, ...]:
    if issubclass(cls, msgspec.Struct):
        return tuple(
            Field(
                field.encode_name,
                field.type,
                _default(field.default, field.default_factory, msgspec.NODEFAULT),
                field.name,
            )
            for field in msgspec.structs.fields(cls)
        )
    hints = typing.get_type_hints(cls, include_extras=True)
    return tuple(
        Field(
            field.name,
            hints[field.name],
            _default(field.default, field.default_factory, dataclasses.MISSING),
            field.name,
        )
        for field in dataclasses.fields(cast("Any", cls))
        if field.init
    )


def _default(value: Any, factory: Any, missing: Any) -> Callable[[], Any] | None:
    if factory is not missing:
        return cast("Callable[[], Any]", factory)
    return None if value is missing else lambda: value


def describe(cls: type, around: tuple[type, ...] = ()) -> tuple[Option, ...]:
    """Return a class's options, those that must be given first; those of a part are called `steps[].send`.

    `around` are the classes that it is a part of: one that holds itself is described once.
    """
    fields = sorted(fields_of(cls), key=lambda field: field.default is not None)
    return tuple(option for field in fields for option in (_option(field), *_options_below(field, (*around, cls))))


def _option(field: Field) -> Option:
    default = None if field.default is None else _show(field.kind, field.default())
    return Option(field.name, type_text(field.kind), default is None, default, take_apart(field.kind).doc)


def _options_below(field: Field, around: tuple[type, ...]) -> Iterable[Option]:
    """Yield the options of the classes that a field is made of."""
    for path, cls in _classes_in(field.kind, field.name):
        for option in describe(cls, around) if cls not in around else ():
            yield msgspec.structs.replace(option, name=f"{path}.{option.name}")


def _classes_in(kind: Any, path: str) -> Iterable[tuple[str, type]]:
    taken = take_apart(kind)
    base = None if taken.unit else taken.base  # what has a form of its own is not written as a mapping
    arguments = typing.get_args(base)
    if is_union(base):
        for member in arguments:
            yield from _classes_in(member, path)
    elif typing.get_origin(base) in {dict, Mapping}:
        yield from _classes_in(arguments[1], f"{path}.*")
    elif arguments and not words_of(base):
        yield from _classes_in(arguments[0], f"{path}[]")
    elif dataclasses.is_dataclass(base) or (isinstance(base, type) and issubclass(base, msgspec.Struct)):
        yield path, cast("type", base)


_NOUNS = {str: "text", int: "whole number", float: "number", bool: "true | false"}


def type_text(kind: Any) -> str:
    """Return a type in words: `duration`, `text | list of text`, `whole number from 1 to 5`."""
    taken = take_apart(kind)
    text = taken.unit.form if taken.unit else _base_text(taken.base)
    return f"{text} {bounds_text(taken)}" if taken.bounds else text


def _base_text(base: Any) -> str:
    origin, arguments = typing.get_origin(base), typing.get_args(base)
    if base in _NOUNS:
        return _NOUNS[base]
    if is_union(base):
        return " | ".join(type_text(member) for member in arguments if member is not types.NoneType)
    if words := words_of(base):
        return " | ".join(str(word) for word in words)
    if origin in {dict, Mapping}:
        return f"mapping of {type_text(arguments[0])} to {type_text(arguments[1])}"
    if arguments:
        return f"list of {type_text(arguments[0])}"
    return "mapping"


def bounds_text(kind: Kind) -> str:
    """Return the limits of a number in words, like `from 0 to 5` or `more than 0s`."""
    show = kind.unit.show if kind.unit else str
    meta = kind.bounds or msgspec.Meta()
    if meta.ge is not None and meta.le is not None:
        return f"from {show(meta.ge)} to {show(meta.le)}"
    limits = {"at least": meta.ge, "more than": meta.gt, "at most": meta.le, "less than": meta.lt}
    return " and ".join(f"{words} {show(limit)}" for words, limit in limits.items() if limit is not None)


def _show(kind: Any, value: Any) -> str:
    """Write a default as one would in a configuration."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_show(str, item) for item in value) + "]"
    if value is None:
        return "none"
    unit = _unit_of(kind)
    if unit:
        return unit.show(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


def _unit_of(kind: Any) -> Unit | None:
    """Return the unit of a type, or of a member of a union."""
    taken = take_apart(kind)
    members = typing.get_args(taken.base) if is_union(taken.base) else ()
    return taken.unit or next((unit for member in members if (unit := take_apart(member).unit)), None)
