"""`feedback plugins`: the known checks, sources and policies, with their options as the classes declare them."""

import argparse
import inspect
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from feedback.errors import FeedbackError
from feedback.options import Option, describe
from feedback.plugin import Plugin
from feedback.registry import CHECKS, POLICIES, SOURCES, Registry

REGISTRIES: tuple[Registry[Any], ...] = (CHECKS, SOURCES, POLICIES)


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin as a person reads of it."""

    kind: str
    name: str
    doc: str
    options: tuple[Option, ...]


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that can't be used here, and why: mostly for want of a library."""

    kind: str
    name: str
    why: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show only what has this name, with all it says")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print what there is."""
    known, unusable = known_plugins(), broken_plugins()
    chosen = [plugin for plugin in known if arguments.name in {None, plugin.name}]
    broken = [plugin for plugin in unusable if arguments.name in {None, plugin.name}]
    if not chosen and broken:
        raise FeedbackError("; ".join(plugin.why for plugin in broken))
    if not chosen:
        names = ", ".join(sorted({plugin.name for plugin in known} | {plugin.name for plugin in unusable}))
        raise FeedbackError(f'there is no plugin "{arguments.name}"; there are: {names}')
    if arguments.json:
        sys.stdout.write(msgspec.json.encode({"plugins": chosen, "broken": broken}).decode() + "\n")
    else:
        texts = [as_text(plugin, whole=arguments.name is not None) for plugin in chosen]
        sys.stdout.write("\n".join([*texts, *(f"{plugin.why}\n" for plugin in broken)]))
    return 0


def known_plugins() -> list[Description]:
    """Return every plugin that can be used, by kind and name."""
    return [description for registry in REGISTRIES for description in _describe(registry.kind, registry.all().values())]


def broken_plugins() -> list[Broken]:
    """Return every plugin that can't be used, by kind and name."""
    return [
        Broken(kind=registry.kind, name=name, why=why)
        for registry in REGISTRIES
        for name, why in registry.broken().items()
    ]


def _describe(kind: str, plugins: Iterable[type[Plugin]]) -> Iterable[Description]:
    for plugin in plugins:
        doc = inspect.cleandoc(plugin.__doc__ or "")
        yield Description(kind=kind, name=plugin.name, doc=doc, options=describe(plugin))


def as_text(plugin: Description, *, whole: bool) -> str:
    """Return a plugin's name, what it does, and its options in columns. `whole` shows more than the first line."""
    doc = plugin.doc if whole else plugin.doc.partition("\n")[0]
    rows = [
        (option.name, option.type, "(required)" if option.required else str(option.default), option.doc)
        for option in plugin.options
    ]
    lines = [f"{plugin.kind} {plugin.name}", *(f"  {line}".rstrip() for line in doc.splitlines()), *_columns(rows)]
    return "\n".join(lines) + "\n"


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["    " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
