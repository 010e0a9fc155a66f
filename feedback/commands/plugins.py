"""`feedback plugins`: what configurations know by name, with its options as the classes declare them."""

import argparse
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from feedback.agent.config_watches import KINDS, WatchShape
from feedback.checks.check import Check
from feedback.commands.columns import columns, fill, reflow
from feedback.errors import FeedbackError
from feedback.options import Option, describe
from feedback.plugin import Plugin
from feedback.registry import BUILT_IN, CHECKS, FEEDS, POLICIES, SOURCES, Registry

REGISTRIES: tuple[Registry[Any], ...] = (CHECKS, SOURCES, POLICIES, FEEDS)

WATCHES: Mapping[str, str] = {
    "listener": """\
        Wrong while nobody listens on a TCP port, in the agent's own network namespace.

        Example:

            http: {listener: 8080}
        """,
    "unit": """\
        Wrong while a systemd unit has no process.

        Example:

            nginx: {unit: nginx.service}
        """,
    "pressure": """\
        Wrong while tasks wait too long for memory, CPU time or disks.

        Example:

            memory: {pressure: {resource: memory, stall: 300ms, window: 2s}}
        """,
    "file": """\
        Wrong while a file is there: the host is to be left alone.

        Example:

            maintenance: {file: /run/maintenance, then: down}
        """,
}
"""What the agent watches: entries of `watches`, which are no plugins."""

USAGE = """\
A check stands in a service's `checks`, a source in the agent's `metrics`, a
policy in a service's `weights`, a feed (which asks hosts without an agent) in
the director's `agents`, a watch in the agent's `watches`. What comes from an
installed package says from which; everything else is built in.

  feedback plugins new --help     write one's own: a package to begin with
  feedback plugins test --help    judge a program for `exec`, in any language
"""

MIN_DOC_COLUMNS = 30
"""Where there is less for what options are for, that stands on lines of its own."""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin as a person reads of it. origin: `built in`, or the package that brings it and its version."""

    kind: str
    name: str
    origin: str = BUILT_IN
    doc: str
    options: tuple[Option, ...]


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that can't be used here, and why: mostly for want of a library."""

    kind: str
    name: str
    why: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = USAGE
    parser.add_argument("name", nargs="?", metavar="NAME", help="show only what has this name, with all it says")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print what there is."""
    known, unusable = survey()
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
        texts = [as_text(plugin, whole=True) for plugin in chosen] if arguments.name else list(listed(chosen))
        sys.stdout.write("\n".join([*texts, *(f"{fill(plugin.why, rest='  ')}\n" for plugin in broken)]))
    return 0


def known_plugins() -> list[Description]:
    """Return everything that can be used, by kind and name."""
    return survey()[0]


def broken_plugins() -> list[Broken]:
    """Return every plugin that can't be used, by kind and name."""
    return survey()[1]


def survey() -> tuple[list[Description], list[Broken]]:
    """Return what can be used and what can't, by kind and name."""
    known: list[Description] = []
    broken: list[Broken] = []
    for registry in REGISTRIES:
        known += [_describe(registry, plugin) for plugin in registry.all().values()]
        broken += [Broken(kind=registry.kind, name=name, why=why) for name, why in registry.broken().items()]
    return [*known, *watches()], broken


def _describe(registry: Registry[Any], plugin: type[Plugin]) -> Description:
    generated = (plugin.__doc__ or "").startswith(f"{plugin.__name__}(")  # by dataclass, where a class has none
    return Description(
        kind=registry.kind,
        name=plugin.name,
        origin=registry.origin(plugin.name),
        doc="" if generated else inspect.cleandoc(plugin.__doc__ or ""),
        options=describe(plugin),
    )


def watches() -> Iterator[Description]:
    """Yield what the agent can watch."""
    options = describe(WatchShape)
    for name in KINDS:
        own = [option for option in options if option.name.partition(".")[0] == name]
        first = msgspec.structs.replace(own[0], required=True, default=None)
        common = [option for option in options if option.name in {"then", "hold"}]
        doc = inspect.cleandoc(WATCHES[name])
        yield Description(kind="watch", name=name, doc=doc, options=(first, *own[1:], *common))


def listed(plugins: Sequence[Description]) -> Iterator[str]:
    """Yield the texts of all plugins; the options that all checks have are there once."""
    common = describe(Check)
    for plugin in plugins:
        if plugin.kind == "check":
            own = tuple(option for option in plugin.options if option not in common)
            yield as_text(msgspec.structs.replace(plugin, options=own), whole=False)
    doc = "The options that all checks have, besides their own."
    yield as_text(Description(kind="every", name="check", doc=doc, options=common), whole=False)
    for plugin in plugins:
        if plugin.kind != "check":
            yield as_text(plugin, whole=False)


def as_text(plugin: Description, *, whole: bool) -> str:
    """Return a plugin's name, what it does, and its options. `whole` shows more than the first paragraph."""
    doc = plugin.doc if whole else plugin.doc.partition("\n\n")[0]
    brought = "" if plugin.origin == BUILT_IN else f" (from {plugin.origin})"
    between = [""] if whole and "\n" in doc and plugin.options else []
    head = f"{plugin.kind} {plugin.name}{brought}"
    return "\n".join([head, *reflow(doc, "  "), *between, *_options(plugin.options)]) + "\n"


def _options(options: Sequence[Option]) -> Iterator[str]:
    """Yield options in columns: name, type, default, and what it is for; or that below, where it had no room."""
    rows = [(option.name, option.type, "(required)" if option.required else str(option.default)) for option in options]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    indent = " " * (4 + sum(widths) + 6)
    for option, row in zip(options, rows, strict=True):
        if len(indent) + MIN_DOC_COLUMNS <= columns():
            cells = "  ".join(map(str.ljust, row, widths))
            yield fill(option.doc, f"    {cells}  ", indent) if option.doc else f"    {cells}".rstrip()
        else:
            default = "" if option.required or option.default == "none" else f", by default {option.default}"
            required = " (required)" if option.required else ""
            yield fill(f"{option.name}: {option.type}{default}{required}", "    ", " " * 12)
            if option.doc:
                yield fill(option.doc, " " * 8, " " * 8)
