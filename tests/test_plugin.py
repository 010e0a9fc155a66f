"""A plugin is one class: its fields are its options, its name is its own."""

import types
from typing import Any

import pytest

from feedback.errors import PluginError
from feedback.plugin import Plugin


def make(base: type, class_name: str, name: str = "", **fields: type) -> Any:
    """Define a class as a plugin's author would, in a module `shop`."""

    def body(namespace: dict[str, Any]) -> None:
        namespace.update(__module__="shop", __annotations__=fields)

    return types.new_class(class_name, (base,), {"name": name} if name else {}, body)


def test_a_plugin_is_a_keyword_only_dataclass_registered_under_its_name() -> None:
    kind = make(Plugin, "Kind", size=int)
    big = make(kind, "Big", "big", colour=str)
    assert kind.registered == {"big": big}
    assert big.name == "big"
    assert big(colour="red", size=1) == big(size=1, colour="red")
    with pytest.raises(TypeError):
        big(1, "red")


def test_kinds_do_not_share_names() -> None:
    one, other = make(Plugin, "One"), make(Plugin, "Other")
    big = make(one, "Big", "big")
    assert one.registered == {"big": big}
    assert other.registered == {}


def test_a_class_without_a_name_is_a_base_for_others() -> None:
    kind = make(Plugin, "Kind")
    base = make(kind, "Base")
    big = make(base, "Big", "big")
    assert kind.registered == {"big": big}


def test_one_name_for_two_plugins_is_refused() -> None:
    kind = make(Plugin, "Kind")
    big = make(kind, "Big", "big")
    with pytest.raises(PluginError) as raised:
        make(kind, "Huge", "big")
    assert str(raised.value) == '"big" is defined twice: by shop.Big and by shop.Huge'
    assert kind.registered == {"big": big}


def test_a_definition_that_is_run_again_replaces_itself() -> None:
    kind = make(Plugin, "Kind")
    make(kind, "Big", "big")
    again = make(kind, "Big", "big")
    assert kind.registered == {"big": again}
