"""The base of everything that is added by name: checks, metric sources, weight policies.

A plugin is one class. Its annotated fields are its options, typed and documented in place:

    class MemcachedCheck(Check, name="memcached"):
        \"\"\"Pass when the server answers `version`.\"\"\"

        min_version: Annotated[str | None, "oldest version that passes"] = None

The class becomes a keyword-only dataclass; `feedback.options` reads its fields from a configuration.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, dataclass_transform

from feedback.errors import PluginError


@dataclass_transform(kw_only_default=True)
class Plugin:
    """Base of the plugin kinds. A kind is a direct subclass without a name; a plugin has one."""

    name: ClassVar[str] = ""
    registered: ClassVar[dict[str, type[Any]]]

    def __init_subclass__(cls, *, name: str = "", **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        dataclass(kw_only=True, eq=True, unsafe_hash=False)(cls)
        if not name:
            if Plugin in cls.__bases__:
                cls.registered = {}
            return
        other = cls.registered.get(name)
        # A module whose import failed half-way is run again: the same definition is no second one.
        if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise PluginError(
                f'"{name}" is defined twice: by {other.__module__}.{other.__qualname__} '
                f"and by {cls.__module__}.{cls.__qualname__}"
            )
        cls.name = name
        cls.registered[name] = cls
