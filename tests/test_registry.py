"""Plugins are found by name: built in, or by entry points; and one import at a time."""

import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from feedback.errors import PluginError
from feedback.plugin import Plugin
from feedback.registry import Registry

BASE = """
from feedback.plugin import Plugin
class Tool(Plugin):
    size: int = 1
"""
TOOL = """
from workshop.base import Tool
class {cls}(Tool, name="{name}"):
    pass
"""


SCRIPTS = """
import types
from workshop.base import Tool
def names():
    return ["awl", "broken"]
def define(name):
    if name == "broken":
        raise ValueError("no such thing")
    return types.new_class("Awl", (Tool,), {"name": name}, lambda names: names.update(__module__="workshop.tools.awl"))
"""


class Workshop:
    """A package of plugins on disk, and entry points beside it."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.entry_points: list[EntryPoint] = []
        self.add("tools/__init__", "")
        self.add("__init__", "")
        self.add("base", BASE)
        self.add("tools/saw", TOOL.format(cls="Saw", name="saw"))
        self.add("tools/file", TOOL.format(cls="File", name="file"))
        monkeypatch.setattr("importlib.metadata.entry_points", self.select)
        self.registry: Registry[Plugin] = Registry("tool", "workshop.tools", "workshop.tools", "workshop.base:Tool")

    def add(self, module: str, source: str) -> None:
        file = self.path / "workshop" / f"{module}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        importlib.invalidate_caches()

    def make_replaceable(self) -> None:
        """Let plugins from outside replace the built-in ones, and have scripts among these."""
        self.add("base", BASE + "    replaceable = True\n")
        self.add("scripts", SCRIPTS)
        self.registry = Registry(
            "tool", "workshop.tools", "workshop.tools", "workshop.base:Tool", scripts="workshop.scripts"
        )

    def bring_from_outside(self, cls: str, name: str) -> None:
        """Have a plugin of another package."""
        (self.path / "outside.py").write_text(TOOL.format(cls=cls, name=name))
        importlib.invalidate_caches()
        self.bring(name, f"outside:{cls}")

    def bring(self, name: str, value: str) -> None:
        self.entry_points.append(EntryPoint(name, value, "workshop.tools"))

    def select(self, **parameters: Any) -> EntryPoints:
        return EntryPoints(self.entry_points).select(**parameters)


def imported() -> set[str]:
    return {name for name in sys.modules if name.startswith("workshop.tools.")}


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    monkeypatch.syspath_prepend(tmp_path)
    yield Workshop(tmp_path, monkeypatch)
    for name in [name for name in sys.modules if name.partition(".")[0] in {"workshop", "outside"}]:
        del sys.modules[name]


def refusal(registry: Registry[Plugin], name: str) -> str:
    with pytest.raises(PluginError) as raised:
        registry.get(name)
    return str(raised.value)


def test_a_built_in_plugin_is_the_module_of_its_name_and_no_other_is_imported(workshop: Workshop) -> None:
    workshop.add("tools/broken", "raise RuntimeError")
    workshop.bring("saw", "nowhere:Saw")
    assert workshop.registry.get("saw").name == "saw"
    assert imported() == {"workshop.tools.saw"}


def test_a_plugin_may_share_a_module_with_another(workshop: Workshop) -> None:
    workshop.add("tools/saw", TOOL.format(cls="Saw", name="saw") + TOOL.format(cls="Fret", name="fretsaw"))
    assert workshop.registry.get("fretsaw").name == "fretsaw"


def test_an_entry_point_is_imported_alone(workshop: Workshop) -> None:
    workshop.add("elsewhere", TOOL.format(cls="Axe", name="axe"))
    workshop.bring("axe", "workshop.elsewhere:Axe")
    workshop.bring("broken", "nowhere:Broken")
    assert workshop.registry.get("axe").name == "axe"
    assert imported() == set()


def test_all_plugins_are_listed_by_name(workshop: Workshop) -> None:
    workshop.add("elsewhere", TOOL.format(cls="Axe", name="axe"))
    workshop.bring("axe", "workshop.elsewhere:Axe")
    assert list(workshop.registry.all()) == ["axe", "file", "saw"]


def test_an_unknown_name_is_answered_with_the_known_ones(workshop: Workshop) -> None:
    assert refusal(workshop.registry, "hammer") == 'there is no tool "hammer"; there are: file, saw'


@pytest.mark.parametrize("name", ["", "../saw", "base.Tool", "saw.py"])
def test_a_name_is_never_a_path(workshop: Workshop, name: str) -> None:
    assert refusal(workshop.registry, name).startswith("there is no tool")


def test_a_built_in_module_that_fails_says_how(workshop: Workshop) -> None:
    workshop.add("tools/saw", "import nothing_of_the_kind")
    assert refusal(workshop.registry, "saw") == (
        "tool workshop.tools.saw can't be imported: ModuleNotFoundError: No module named 'nothing_of_the_kind'"
    )


def test_an_entry_point_that_fails_says_how(workshop: Workshop) -> None:
    workshop.add("elsewhere", "1 / 0")
    workshop.bring("axe", "workshop.elsewhere:Axe")
    assert refusal(workshop.registry, "axe") == (
        'tool "axe" of workshop.elsewhere:Axe can\'t be imported: ZeroDivisionError: division by zero'
    )


def test_an_entry_point_that_wants_to_end_the_program_only_fails(workshop: Workshop) -> None:
    workshop.add("elsewhere", "raise SystemExit(3)")
    workshop.bring("axe", "workshop.elsewhere:Axe")
    assert refusal(workshop.registry, "axe") == (
        'tool "axe" of workshop.elsewhere:Axe can\'t be imported: SystemExit: 3'
    )


def test_a_plugin_comes_from_the_package_that_brings_it_or_is_built_in(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.make_replaceable()
    workshop.bring_from_outside("Own", "saw")
    workshop.bring("axe", "outside:Axe")
    workshop.registry.all()
    assert [workshop.registry.origin(name) for name in ("file", "awl", "saw")] == [
        "built in",
        "built in",
        "module outside",
    ]
    monkeypatch.setattr("importlib.metadata.EntryPoint.dist", SimpleNamespace(name="outside-tools", version="1.2"))
    assert workshop.registry.origin("saw") == "outside-tools 1.2"
    assert refusal(workshop.registry, "axe").startswith(
        'tool "axe" of outside:Axe in outside-tools 1.2 can\'t be imported: AttributeError: '
    )


def test_a_plugin_from_outside_whose_options_can_not_be_read_is_broken(workshop: Workshop) -> None:
    workshop.bring_from_outside("Own", "own")
    (workshop.path / "outside.py").write_text(TOOL.format(cls="Own", name="own").replace("pass", "size: 'Nowhere' = 1"))
    why = "tool own of module outside has options that can't be read: NameError: name 'Nowhere' is not defined"
    for _ in range(2):
        assert refusal(workshop.registry, "own") == why
    assert workshop.registry.broken() == {"own": why}
    assert list(workshop.registry.all()) == ["file", "saw"]


def test_what_no_entry_point_has_brought_comes_from_its_module(workshop: Workshop) -> None:
    workshop.bring_from_outside("Own", "own")
    workshop.registry.get("own")
    workshop.entry_points.clear()
    assert workshop.registry.origin("own") == "module outside"


def test_a_plugin_that_fails_keeps_no_other_from_being_listed_and_says_how_it_failed(workshop: Workshop) -> None:
    workshop.add("elsewhere", "1 / 0")
    workshop.bring("axe", "workshop.elsewhere:Axe")
    workshop.add("tools/file", "import no_such_library\n" + TOOL.format(cls="File", name="file"))
    assert list(workshop.registry.all()) == ["saw"]
    assert workshop.registry.broken() == {
        "axe": 'tool "axe" of workshop.elsewhere:Axe can\'t be imported: ZeroDivisionError: division by zero',
        "file": "tool workshop.tools.file can't be imported: ModuleNotFoundError: No module named 'no_such_library'",
    }
    assert refusal(workshop.registry, "hammer") == 'there is no tool "hammer"; there are: axe, file, saw'


def test_a_plugin_that_needs_an_extra_names_it(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dns", None)
    workshop.add("tools/dig", "import dns.message\n" + TOOL.format(cls="Dig", name="dig"))
    sentence = "tool dig needs the director extra: pip install 'lvs-feedback[director]'"
    assert refusal(workshop.registry, "dig") == sentence
    assert workshop.registry.broken() == {"dig": sentence}


def test_all_plugins_of_a_module_that_fails_are_named_and_a_module_without_any_is_not(workshop: Workshop) -> None:
    workshop.add("tools/saw", "1 / 0\n" + TOOL.format(cls="Saw", name="saw") + TOOL.format(cls="Fret", name="fretsaw"))
    workshop.add("tools/grip", "1 / 0\nclass Grip:\n    pass\n")
    sentence = "tool workshop.tools.saw can't be imported: ZeroDivisionError: division by zero"
    assert workshop.registry.broken() == {"fretsaw": sentence, "saw": sentence}
    assert refusal(workshop.registry, "fretsaw") == sentence


def test_a_plugin_from_outside_makes_up_for_a_built_in_one_that_fails(workshop: Workshop) -> None:
    workshop.make_replaceable()
    workshop.add("tools/saw", "1 / 0\n" + TOOL.format(cls="Saw", name="saw"))
    workshop.bring_from_outside("Own", "saw")
    assert workshop.registry.get("saw").__module__ == "outside"
    assert list(workshop.registry.broken()) == ["broken"]


def test_an_import_that_failed_half_way_fails_again_in_the_same_words(workshop: Workshop) -> None:
    workshop.add("elsewhere", TOOL.format(cls="Axe", name="axe") + "1 / 0")
    workshop.bring("hatchet", "workshop.elsewhere:Axe")
    first = refusal(workshop.registry, "hatchet")
    assert refusal(workshop.registry, "hatchet") == first
    assert "ZeroDivisionError" in first


def test_an_entry_point_under_another_name_is_refused(workshop: Workshop) -> None:
    workshop.add("elsewhere", TOOL.format(cls="Axe", name="axe"))
    workshop.bring("hatchet", "workshop.elsewhere:Axe")
    assert refusal(workshop.registry, "hatchet") == (
        'tool "hatchet": workshop.elsewhere:Axe is not a tool registered under that name'
    )


def test_an_entry_point_that_takes_a_built_in_name_is_refused(workshop: Workshop) -> None:
    workshop.add("elsewhere", TOOL.format(cls="Chainsaw", name="saw"))
    workshop.bring("saw", "workshop.elsewhere:Chainsaw")
    assert workshop.registry.all()["saw"].__name__ == "Saw"
    assert workshop.registry.broken() == {
        "saw": '"saw" is defined twice: by workshop.tools.saw.Saw and by workshop.elsewhere.Chainsaw'
    }


def test_a_script_is_defined_alone(workshop: Workshop) -> None:
    workshop.make_replaceable()
    assert workshop.registry.get("awl").name == "awl"
    assert imported() == set()


def test_a_script_that_fails_says_how(workshop: Workshop) -> None:
    workshop.make_replaceable()
    sentence = 'tool "broken", a script, can\'t be imported: ValueError: no such thing'
    assert refusal(workshop.registry, "broken") == sentence
    assert workshop.registry.broken() == {"broken": sentence}


@pytest.mark.parametrize("name", ["saw", "awl"])
@pytest.mark.parametrize("other", ["saw", "awl", "file"])
def test_an_entry_point_goes_before_a_built_in_plugin_of_its_name_whatever_was_asked_for_first(
    workshop: Workshop, name: str, other: str
) -> None:
    workshop.make_replaceable()
    workshop.add("tools/file", "from workshop.tools import saw\n" + TOOL.format(cls="File", name="file"))
    workshop.bring_from_outside("Own", name)
    workshop.registry.get(other)
    own = workshop.registry.get(name)
    assert (own.__module__, workshop.registry.get(name)) == ("outside", own)


def test_a_plugin_from_outside_is_listed_in_the_place_of_the_built_in_one(workshop: Workshop) -> None:
    workshop.make_replaceable()
    workshop.add("scripts", SCRIPTS.replace(', "broken"', ""))
    workshop.bring_from_outside("Own", "saw")
    plugins = workshop.registry.all()
    assert {name: plugin.__module__ for name, plugin in plugins.items()} == {
        "awl": "workshop.tools.awl",
        "file": "workshop.tools.file",
        "saw": "outside",
    }


def test_every_built_in_plugin_can_be_imported_and_is_named_like_its_module() -> None:
    """Two plugins may share a module; every module that has any has the one of its name."""
    from feedback.registry import CHECKS, FEEDS, POLICIES, SOURCES

    registries: list[Registry[Any]] = [CHECKS, SOURCES, POLICIES, FEEDS]
    for registry in registries:
        plugins = registry.all()
        assert registry.broken() == {}
        modules = {plugin.__module__.rpartition(".")[2] for plugin in plugins.values()}
        assert modules <= plugins.keys()
        assert all(plugin.__doc__ for plugin in plugins.values())
        assert {registry.origin(name) for name in plugins} == {"built in"}
