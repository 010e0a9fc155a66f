"""A plugin is one class: its fields are its options, its name is its own."""

import types
from typing import Any

import pytest

from feedback.errors import PluginError
from feedback.plugin import Plugin


def make(base: type, class_name: str, name: str = "", module: str = "shop", **fields: type) -> Any:
    """Define a class as a plugin's author would, in a module."""

    def body(namespace: dict[str, Any]) -> None:
        namespace.update(__module__=module, __annotations__=fields)

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


@pytest.fixture
def replaceable() -> Any:
    """Return a kind whose built-in plugins are those of `shop`."""
    kind = make(Plugin, "Kind", module="shop.kinds")
    kind.replaceable = True
    return kind


def test_a_plugin_from_outside_takes_the_place_of_a_built_in_one_whichever_comes_first(replaceable: Any) -> None:
    make(replaceable, "Big", "big", module="shop.big")
    other = make(replaceable, "Big", "big", module="elsewhere")
    small = make(replaceable, "Small", "small", module="elsewhere")
    built_in = make(replaceable, "Small", "small", module="shop.small")
    assert replaceable.registered == {"big": other, "small": small}
    assert (built_in.name, small.name) == ("small", "small")


@pytest.mark.parametrize("module", ["elsewhere", "shop.big"])
def test_two_plugins_from_the_same_side_are_refused(replaceable: Any, module: str) -> None:
    make(replaceable, "Big", "big", module=module)
    with pytest.raises(PluginError, match=rf'^"big" is defined twice: by {module}.Big and by {module}.Huge$'):
        make(replaceable, "Huge", "big", module=module)


def test_the_third_is_refused_where_one_from_outside_has_replaced_the_built_in_one(replaceable: Any) -> None:
    make(replaceable, "Big", "big", module="shop.big")
    make(replaceable, "Big", "big", module="elsewhere")
    with pytest.raises(PluginError, match=r'^"big" is defined twice: by elsewhere.Big and by shopping.Big$'):
        make(replaceable, "Big", "big", module="shopping")


def test_a_plugin_of_a_kind_that_is_not_replaceable_keeps_its_name() -> None:
    kind = make(Plugin, "Kind", module="shop.kinds")
    make(kind, "Big", "big", module="shop.big")
    with pytest.raises(PluginError, match=r'^"big" is defined twice: by shop.big.Big and by elsewhere.Big$'):
        make(kind, "Big", "big", module="elsewhere")
