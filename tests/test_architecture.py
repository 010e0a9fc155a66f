"""The lines between the rooms, as tests/architecture.py draws them, read from the imports themselves."""

import ast
import re
import sys
from collections.abc import Iterator

import pytest

from tests.architecture import EXCEPTIONS, PURE_STANDARD_LIBRARY, ROOMS, is_pure, matches, modules

MODULES = modules()


def room_of(module: str) -> str:
    """Return the name of a module's room, "" where it has none: one test says so, the others look at the rest."""
    return next((name for name, room in ROOMS.items() if module in room), "")


class Imports(ast.NodeVisitor):
    """Collects the dotted names a module imports, wherever in it, but not those that only a type checker reads."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_Import(self, node: ast.Import) -> None:
        self.names |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "imports are absolute"
        assert node.module is not None
        submodules = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
        self.names |= submodules or {node.module}

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)


def imports(source: str) -> set[str]:
    visitor = Imports()
    visitor.visit(ast.parse(source))
    return visitor.names


IMPORTS = {module: imports(path.read_text()) for module, path in MODULES.items()}


def ours(module: str) -> set[str]:
    """Return the modules of ours that an import runs: itself, and the packages around it."""
    parts = module.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts) + 1)} & MODULES.keys()


def edges() -> Iterator[tuple[str, str]]:
    """Yield every import that is no declared exception."""
    for module, names in IMPORTS.items():
        for name in sorted(names):
            if room_of(module) and (module, name) not in EXCEPTIONS:
                yield module, name


def library_of(name: str) -> str | None:
    """Return the distribution-level name of an import from outside, None for ours and the standard library's."""
    top = name.partition(".")[0]
    return None if top == "feedback" or top in sys.stdlib_module_names else top


def test_imports_are_seen_wherever_they_stand() -> None:
    source = """
import os.path, time as clock
from feedback import errors
from feedback.model import Endpoint
def late():
    from random import random
if TYPE_CHECKING:
    import asyncio
"""
    assert imports(source) == {"os.path", "time", "feedback.errors", "feedback.model", "random"}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_stands_in_one_room_as_pure_or_as_a_shell(module: str) -> None:
    places = [
        (name, kind)
        for name, room in ROOMS.items()
        for kind, patterns in (("pure", room.pure), ("shell", room.shells))
        if matches(module, patterns)
    ]
    assert len(places) == 1, f"{module} stands in {places or 'no room'}: give it one place in tests/architecture.py"


def test_the_table_names_no_module_that_is_gone() -> None:
    patterns = [pattern for room in ROOMS.values() for pattern in room.pure + room.shells]
    gone = [pattern for pattern in patterns if not any(matches(module, (pattern,)) for module in MODULES)]
    assert gone == []


def test_no_exception_has_lost_its_reason_to_be() -> None:
    assert [edge for edge in EXCEPTIONS if edge[1] not in IMPORTS[edge[0]]] == []


def test_a_pure_module_imports_only_pure_modules_and_what_can_neither_wait_nor_look_around() -> None:
    wrong = []
    for module, name in edges():
        if not is_pure(module):
            continue
        if name.startswith("feedback"):
            allowed = all(map(is_pure, ours(name)))
        elif library_of(name) is None:
            allowed = name in PURE_STANDARD_LIBRARY or name.partition(".")[0] in PURE_STANDARD_LIBRARY
        else:
            allowed = True  # the rooms say which libraries
        if not allowed:
            wrong.append(f"{module} imports {name}")
    assert wrong == []


def test_a_module_that_calls_itself_pure_is_in_the_table_as_pure() -> None:
    docstrings = {module: ast.get_docstring(ast.parse(path.read_text())) or "" for module, path in MODULES.items()}
    claims = {module for module, text in docstrings.items() if re.search(r"\bPure[.:]", text)}
    assert [module for module in sorted(claims) if not is_pure(module)] == []


@pytest.mark.parametrize("module", [module for module in MODULES if is_pure(module)])
def test_a_pure_module_opens_no_file_prints_nothing_and_asks_for_no_date(module: str) -> None:
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(MODULES[module].read_text()))
        if isinstance(node, ast.Call)
    }
    assert calls.isdisjoint({"open", "print", "input", "exec", "eval"})
    assert calls.isdisjoint({"datetime.now", "datetime.utcnow", "datetime.today", "date.today"})


def test_the_arrows_between_rooms_are_those_of_the_table() -> None:
    wrong = [
        f"{module} imports {other}"
        for module, name in edges()
        if name.startswith("feedback")
        for other in ours(name)
        if room_of(other) not in {room_of(module), *ROOMS[room_of(module)].rooms}
    ]
    assert wrong == []


def test_a_room_uses_the_libraries_of_the_table() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, name in edges()
        if (library := library_of(name)) is not None and library not in ROOMS[room_of(module)].libraries
    ]
    assert wrong == []
