"""The base of everything that is added by name: checks, metric sources, weight policies.

A plugin is one class. Its annotated fields are its options, typed and documented in place:

    class GearmanCheck(Check, name="gearman"):
        \"\"\"Pass when the server answers `version`.\"\"\"

        min_version: Annotated[str | None, "oldest version that passes"] = None

The class becomes a keyword-only dataclass; `feedback.options` reads its fields from a configuration.
"""

from dataclasses import dataclass, fields
from typing import Any, ClassVar, dataclass_transform

from feedback.errors import PluginError


@dataclass_transform(kw_only_default=True)
class Plugin:
    """Base of the plugin kinds. A kind is a direct subclass without a name; a plugin has one.

    One name is for one plugin. Only a kind that is `replaceable` lets a plugin from outside take the place of the
    built-in one of its name, whichever is defined first: what a site has written goes on working when a release
    brings a plugin that is called the same. Built in is what is defined in the kind's own top-level package.
    """

    name: ClassVar[str] = ""
    registered: ClassVar[dict[str, type[Any]]]
    replaceable: ClassVar[bool] = False
    home: ClassVar[str]

    def __reduce__(self) -> tuple[Any, ...]:
        """Let pickle take a plugin as what it was made of: its class and its options."""
        options = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return _make, (type(self), options)

    def __init_subclass__(cls, *, name: str = "", **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        dataclass(kw_only=True, eq=True, unsafe_hash=False)(cls)
        if not name:
            if Plugin in cls.__bases__:
                cls.registered = {}
                cls.home = _package_of(cls)
            return
        cls.name = name
        other = cls.registered.get(name)
        if other is None or _is_the_same(cls, other) or _goes_before(cls, other):
            cls.registered[name] = cls
        elif not _goes_before(other, cls):
            raise PluginError(
                f'"{name}" is defined twice: by {other.__module__}.{other.__qualname__} '
                f"and by {cls.__module__}.{cls.__qualname__}"
            )


def _make(kind: type[Plugin], options: dict[str, Any]) -> Plugin:
    return kind(**options)


def _is_the_same(one: type, other: type) -> bool:
    """Return whether one module was run twice, because its import failed half-way: that is no second definition."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def _goes_before(one: type[Plugin], other: type[Plugin]) -> bool:
    """Return whether one is from outside and may replace the other, which is built in."""
    return one.replaceable and _package_of(other) == one.home != _package_of(one)


def _package_of(cls: type) -> str:
    return cls.__module__.partition(".")[0]
