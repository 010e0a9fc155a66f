"""Named plugins: the built-in ones, and those that installed packages bring by entry points.

A built-in plugin is found by the name of its module, or of its script, so that an agent imports the sources it uses and
no others. Where the kind is replaceable, the entry points of that name are looked at before.

A plugin may need a library that is not installed, or have a bug. Whoever asks for that plugin is told; the others are
there all the same.
"""

import contextlib
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from feedback import extras
from feedback.errors import PluginError
from feedback.options import describe
from feedback.plugin import Plugin

if TYPE_CHECKING:  # imported when first used: an agent has no checks, a director no sources
    from importlib.metadata import EntryPoint, EntryPoints

    from feedback.agent.source import Source
    from feedback.checks.check import Check
    from feedback.director.feeds.feed import Feed
    from feedback.director.weights.policy import Policy

PluginT = TypeVar("PluginT", bound=Plugin)

BUILT_IN = "built in"
"""Where a plugin comes from that no other package brings."""


class Registry(Generic[PluginT]):
    """The plugins of one kind. `group` names both the entry points and, for users, the kind."""

    def __init__(self, kind: str, group: str, package: str, base: str, scripts: str = "") -> None:
        self.kind = kind
        self._group = group
        self._package = package
        self._base = base  # "module:Class", imported when first needed
        self._scripts = scripts  # the module that has `names` and `define` for built-in plugins that are no modules
        self._asked: set[str] = set()

    def get(self, name: str) -> type[PluginT]:
        """Return the plugin called `name`. Raises PluginError with the names there are."""
        registered = self._registered()
        if name not in self._asked and self._kind().replaceable:
            self._load_named(name)
            self._asked.add(name)
        if name not in registered:
            self._import_named(name)
        if name not in registered:
            broken = self._import_all()
            if name in broken:
                raise PluginError(broken[name])
            if name not in registered:
                known = ", ".join(sorted(registered.keys() | broken.keys()))
                raise PluginError(f'there is no {self.kind} "{name}"; there are: {known}')
        if unreadable := self._unreadable(name):
            raise PluginError(unreadable)
        return registered[name]

    def all(self) -> dict[str, type[PluginT]]:
        """Return every plugin that can be used, by name, sorted. Of the others, `broken` tells."""
        self._import_all()
        return {name: plugin for name, plugin in sorted(self._registered().items()) if not self._unreadable(name)}

    def broken(self) -> dict[str, str]:
        """Return why plugins can't be used, a sentence for each, by name, sorted."""
        broken = self._import_all()
        unreadable = {name: self._unreadable(name) for name in self._registered()}
        return dict(sorted((broken | {name: why for name, why in unreadable.items() if why}).items()))

    def origin(self, name: str) -> str:
        """Return where a plugin comes from: `built in`, or the distribution that brings it, and its version."""
        if not self._is_built_in(name):
            for entry in _entry_points(group=self._group, name=name):
                return _distribution(entry) or f"module {entry.module}"
            if name in self._registered():
                return f"module {self._registered()[name].__module__}"
        return BUILT_IN

    def _is_built_in(self, name: str) -> bool:
        plugin = self._registered().get(name)
        return plugin is not None and plugin.__module__.partition(".")[0] == self._kind().home

    def _unreadable(self, name: str) -> str:
        """Return why a plugin that could be imported can't be given options; "" where it can."""
        if self._is_built_in(name):
            return ""
        try:
            describe(self._registered()[name])
        except Exception as error:  # noqa: BLE001 - whatever a plugin of others has for options
            why = f"has options that can't be read: {type(error).__name__}: {error}"
            return f"{self.kind} {name} of {self.origin(name)} {why}"
        return ""

    def _kind(self) -> type[Plugin]:
        module, _, name = self._base.partition(":")
        kind: type[Plugin] = getattr(importlib.import_module(module), name)
        return kind

    def _registered(self) -> dict[str, type[PluginT]]:
        return self._kind().registered

    def _modules(self) -> list[str]:
        path = importlib.import_module(self._package).__path__
        return [module.name for module in pkgutil.iter_modules(path)]

    def _script_names(self) -> list[str]:
        names: list[str] = importlib.import_module(self._scripts).names() if self._scripts else []
        return names

    def _import_named(self, name: str) -> None:
        """Import only what is likely to have it: the module, the script, or else the entry points, of that name."""
        if name in self._modules():
            self._import(name)
        elif name in self._script_names():
            self._define(name)
        else:
            self._load_named(name)

    def _import_all(self) -> dict[str, str]:
        """Import whatever can be, and return why the rest can't. What replaces a built-in plugin makes up for it."""
        built_in: dict[str, str] = {}
        outside: dict[str, str] = {}
        for module in self._modules():
            try:
                self._import(module)
            except PluginError as error:
                built_in |= dict.fromkeys(_declared_in(f"{self._package}.{module}"), str(error))
        for script in self._script_names():
            with _noting(script, built_in):
                self._define(script)
        for entry in _entry_points(group=self._group):
            with _noting(entry.name, outside):
                self._load(entry)
        registered = self._registered()
        return {name: why for name, why in built_in.items() if name not in registered} | outside

    def _import(self, module: str) -> None:
        with self._importing(module, f"{self._package}.{module}"):
            importlib.import_module(f"{self._package}.{module}")

    def _define(self, script: str) -> None:
        with self._importing(script, f'"{script}", a script,'):
            importlib.import_module(self._scripts).define(script)

    def _load_named(self, name: str) -> None:
        for entry in _entry_points(group=self._group, name=name):
            self._load(entry)

    def _load(self, entry: "EntryPoint") -> None:
        brought = f" in {_distribution(entry)}" if entry.dist else ""
        with self._importing(entry.name, f'"{entry.name}" of {entry.value}{brought}'):
            plugin = entry.load()
        if self._registered().get(entry.name) is not plugin:
            raise PluginError(
                f'{self.kind} "{entry.name}": {entry.value}{brought} is not a {self.kind} registered under that name'
            )

    @contextlib.contextmanager
    def _importing(self, name: str, what: str) -> Iterator[None]:
        """Say in one sentence which import failed; a plugin may fail in any way."""
        try:
            yield
        except PluginError:
            raise
        except (Exception, SystemExit) as error:
            if sentence := extras.lacking(error):
                raise PluginError(f"{self.kind} {name} {sentence}") from error
            raise PluginError(f"{self.kind} {what} can't be imported: {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def _noting(name: str, broken: MutableMapping[str, str]) -> Iterator[None]:
    """Go on where a plugin can't be imported, and note why."""
    try:
        yield
    except PluginError as error:
        broken[name] = str(error)


def _declared_in(module: str) -> list[str]:
    """Return the names of the plugins in a module that can't be imported, as its source has them."""
    import ast  # noqa: PLC0415 - an agent whose sources can be imported never needs it

    spec = importlib.util.find_spec(module)
    source = Path(spec.origin).read_text() if spec and spec.origin else ""
    return [
        str(keyword.value.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
        for keyword in node.keywords
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant)
    ]


def _entry_points(group: str, name: str | None = None) -> "EntryPoints":
    import importlib.metadata  # noqa: PLC0415 - 3 MB that an agent with built-in sources never needs

    found = importlib.metadata.entry_points(group=group)
    return found if name is None else found.select(name=name)


def _distribution(entry: "EntryPoint") -> str:
    """Return the name and version of what brings an entry point, like `feedback-gearman-check 1.0.0`."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""


CHECKS: "Registry[Check]" = Registry(
    "check", "feedback.checks", "feedback.checks", "feedback.checks.check:Check", scripts="feedback.checks.script"
)
SOURCES: "Registry[Source]" = Registry(
    "source", "feedback.sources", "feedback.agent.sources", "feedback.agent.source:Source"
)
POLICIES: "Registry[Policy]" = Registry(
    "policy", "feedback.policies", "feedback.director.weights", "feedback.director.weights.policy:Policy"
)
FEEDS: "Registry[Feed]" = Registry(
    "feed", "feedback.feeds", "feedback.director.feeds", "feedback.director.feeds.feed:Feed"
)
