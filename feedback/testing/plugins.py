"""What every plugin must be, whatever its kind: named, described, and made of options that a configuration can say."""

import dataclasses
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from feedback.options import Field, Kind, describe, fields_of, is_union, take_apart, words_of
from feedback.plugin import Plugin
from feedback.testing import conformance
from feedback.testing.conformance import Findings

PluginT = TypeVar("PluginT", bound=Plugin)

RULES: Mapping[str, str] = {
    "named": 'has a name of letters, digits, ".", "_" and "-", and is the one that is registered under it',
    "described": "says in its docstring what it does, and in the text of each option's Annotated what that is for",
    "typed": "gives each option a type that feedback.options can read",
    "default": "gives an option a default of the option's own type and within its bounds",
    "validated": "takes what an option's type allows, or refuses it with ValueError",
    "made": "can be made of its options, in no order and at any time",
    "equal": "is equal to another one of the same options",
}

_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SCALARS = (str, int, float, bool, types.NoneType)
_HOSTILE = ("", " ", "x", "0", "-1", "\r\n", "\0", "ü", "x" * 4096)
_EXTREMES: Mapping[type, Sequence[Any]] = {
    str: _HOSTILE,
    int: (0, -1, 1, 2**31, -(2**63), 2**63),
    float: (0.0, -1.0, 1.0, 1e-9, 1e18),
    bool: (False, True),
    types.NoneType: (None,),
}


def examine(plugin: type[Plugin], findings: Findings) -> None:
    """Find what is wrong with a class before anything is made of it."""
    kind = plugin.registered if hasattr(plugin, "registered") else {}
    if not _NAME.fullmatch(plugin.name):
        findings.add("named", f"its name is {plugin.name!r}")
    elif kind.get(plugin.name) is not plugin:
        findings.add("named", f'"{plugin.name}" is {kind.get(plugin.name)}')
    if not (plugin.__doc__ or "").strip() or (plugin.__doc__ or "").startswith(f"{plugin.__name__}("):
        findings.add("described", "it has no docstring")
    fields = fields_of(plugin)
    for field in fields:
        _examine_option(field, findings)
    if all(is_readable(field.kind) for field in fields):
        _describe(plugin, findings)


def _describe(plugin: type[Plugin], findings: Findings) -> None:
    """Describe it as `feedback plugins` does."""
    try:
        describe(plugin)
    except Exception as error:  # noqa: BLE001 - whatever a form of the plugin's own raises
        findings.add("described", f"its options can't be shown: {conformance.words_of(error)}")


def _examine_option(field: Field, findings: Findings) -> None:
    taken = take_apart(field.kind)
    if not taken.doc:
        findings.add("described", f"its option {field.name} has no text")
    if not is_readable(field.kind):
        findings.add("typed", f"its option {field.name} is of {taken.base}")
    elif field.default is not None and not fits(field.default(), field.kind):
        findings.add("default", f"its option {field.name} is {field.default()!r} by default")


def make(plugin: type[PluginT], options: Mapping[str, Any], findings: Findings) -> PluginT | None:
    """Return a plugin of these options, and find what others do to it. None where it can't be made."""
    try:
        made, again = plugin(**options), plugin(**options)
    except Exception as error:  # noqa: BLE001 - whatever its `__post_init__` raises
        findings.add("made", f"with {_show(options)} it raises {conformance.words_of(error)}")
        return None
    if made != again:
        findings.add("equal", f"two with {_show(options)} are not")
    for field in fields_of(plugin):
        for value in _extremes_of(field, findings):
            _try(plugin, {**options, field.attribute: value}, field, findings)
    return made


def _extremes_of(field: Field, findings: Findings) -> list[Any]:
    try:
        return list(extremes(field.kind)) if is_readable(field.kind) else []
    except Exception as error:  # noqa: BLE001 - whatever a form of the plugin's own raises
        findings.add("validated", f"the form of {field.name} raises {conformance.words_of(error)}")
        return []


def options_of(plugin: Plugin) -> dict[str, Any]:
    """Return the options that a plugin was made of."""
    return {field.attribute: getattr(plugin, field.attribute) for field in fields_of(type(plugin))}


def _try(plugin: type[Plugin], options: Mapping[str, Any], field: Field, findings: Findings) -> None:
    try:
        plugin(**options)
    except ValueError:
        pass
    except Exception as error:  # noqa: BLE001 - whatever its `__post_init__` raises
        value = repr(options[field.attribute])
        shown = value if len(value) <= 40 else f"{value[:40]}..."
        findings.add("validated", f"with {field.name} {shown} it raises {conformance.words_of(error)}")


def _show(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items()) or "no options"


def is_readable(kind: Any) -> bool:
    """Return whether `feedback.reader` makes a value of such a type of what stands in a configuration."""
    taken = take_apart(kind)
    base, arguments = taken.base, typing.get_args(taken.base)
    origin = typing.get_origin(base)
    if taken.unit or base in _SCALARS or words_of(base):
        return True
    if is_union(base):
        return all(map(is_readable, arguments))
    if origin in {list, tuple, Sequence}:
        return is_readable(arguments[0])
    if origin in {dict, Mapping}:
        return is_readable(arguments[1])
    return isinstance(base, type) and (dataclasses.is_dataclass(base) or issubclass(base, msgspec.Struct))


def fits(value: Any, kind: Any) -> bool:
    """Return whether a value is of a type, and within its bounds."""
    taken = take_apart(kind)
    arguments = typing.get_args(taken.base)
    if is_union(taken.base):
        return any(fits(value, member) for member in arguments)
    if not _is_of(value, taken):
        return False
    if isinstance(value, dict):
        return all(fits(item, arguments[1]) for item in value.values())
    if isinstance(value, list | tuple) and typing.get_origin(taken.base) in {list, tuple, Sequence}:
        return all(fits(item, arguments[0]) for item in value)
    return True


def _is_of(value: Any, taken: Kind) -> bool:
    if words := words_of(taken.base):
        return value in words.values()
    origin = typing.get_origin(taken.base) or taken.base
    if origin is Sequence or origin is Mapping or not isinstance(origin, type):
        return True
    if origin is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, origin) or (isinstance(value, bool) and origin is not bool):
        return False
    return taken.bounds is None or _is_within(value, taken.bounds)


def _is_within(value: Any, bounds: msgspec.Meta) -> bool:
    return (
        (bounds.ge is None or value >= bounds.ge)
        and (bounds.gt is None or value > bounds.gt)
        and (bounds.le is None or value <= bounds.le)
        and (bounds.lt is None or value < bounds.lt)
    )


def extremes(kind: Any) -> Iterator[Any]:
    """Yield values that a configuration may have for a type, those that are seldom thought of."""
    taken = take_apart(kind)
    arguments = typing.get_args(taken.base)
    if taken.unit:
        yield from _parsed(taken)
    elif is_union(taken.base):
        for member in arguments:
            yield from extremes(member)
    elif words := words_of(taken.base):
        yield from words.values()
    elif typing.get_origin(taken.base) in {list, Sequence}:
        yield []
        yield from ([item] for item in extremes(arguments[0]))
    elif typing.get_origin(taken.base) is tuple:
        yield ()
        yield from ((item,) for item in extremes(arguments[0]))
    elif typing.get_origin(taken.base) in {dict, Mapping}:
        yield {}
        yield from ({"x": item} for item in extremes(arguments[1]))
    else:
        values = (value for value in _EXTREMES.get(taken.base, ()))
        yield from (value for value in values if taken.bounds is None or _is_within(value, taken.bounds))
        yield from _bounds(taken)


def _parsed(taken: Kind) -> Iterator[Any]:
    """Yield what becomes of hostile text where a type has a form of its own."""
    if taken.unit is None:
        return
    for scalar in (*_HOSTILE, 0, -1, 1.5, True):
        try:
            value = taken.unit.parse(scalar)
        except ValueError:
            continue
        if taken.bounds is None or _is_within(value, taken.bounds):
            yield value


def _bounds(taken: Kind) -> Iterator[Any]:
    """Yield the least and the largest number allowed."""
    if taken.bounds is not None:
        yield from (bound for bound in (taken.bounds.ge, taken.bounds.le) if bound is not None)
