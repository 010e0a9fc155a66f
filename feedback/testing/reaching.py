"""What a plugin's code reaches for, read from the code itself: modules that are large, and those that look around."""

import ast
import os
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path

from feedback.agent.source import Source
from feedback.director.weights import Policy

HEAVY = (
    "aiohttp",
    "asyncssh",
    "boto3",
    "cryptography",
    "django",
    "dns",
    "feedback.checks",
    "feedback.commands",
    "feedback.director",
    "feedback.engine",
    "feedback.simulator",
    "httpx",
    "numpy",
    "pandas",
    "prometheus_client",
    "pydantic",
    "pyroute2",
    "requests",
    "rich",
    "sqlalchemy",
    "uvloop",
)
"""What brings megabytes into an agent, which has about twenty."""

LIGHT = ("feedback.checks.codecs", "feedback.checks.matching")

IMPURE = frozenset(
    {"asyncio", "datetime", "logging", "os", "random", "secrets", "socket", "subprocess", "threading", "time"}
)


def heavy_imports(source: type[Source]) -> list[str]:
    """Return what a source's module imports that an agent should not have for the asking."""
    names = sorted(set(imported(_file_of(source))))
    return [name for name in names if _begins(name, HEAVY) and not _begins(name, LIGHT)]


def _file_of(kind: type[Source]) -> Path:
    """Return where a class's source is; an empty file where it has none."""
    file = getattr(sys.modules[kind.__module__], "__file__", None) or ""
    return Path(file if file.endswith(".py") else os.devnull)


def _begins(name: str, packages: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def imported(path: Path) -> Iterator[str]:
    """Yield what a module imports when it is imported itself, and not for a type checker alone."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Import):
                yield from (alias.name for alias in part.names)
            elif isinstance(part, ast.ImportFrom):
                yield from (f"{part.module}.{alias.name}" for alias in part.names)


def impurities(policy: type[Policy]) -> set[str]:
    """Return the modules by which a policy's code could look around, of those its functions name."""
    functions = [
        value
        for cls in policy.__mro__
        if issubclass(cls, Policy) and cls is not Policy
        for value in vars(cls).values()
        if isinstance(value, types.FunctionType)
    ]
    package = policy.__module__.partition(".")[0]
    return {module for function in _reached(functions, package) for module in _named(function) if module in IMPURE}


def _reached(functions: Sequence[types.FunctionType], package: str) -> list[types.FunctionType]:
    """Return functions and those of the same package that they name, and so on."""
    reached: dict[types.FunctionType, None] = {}
    waiting = list(functions)
    while waiting:
        function = waiting.pop()
        if function in reached or function.__module__.partition(".")[0] != package:
            continue
        reached[function] = None
        named = (function.__globals__.get(name) for name in _names(function.__code__))
        waiting.extend(value for value in named if isinstance(value, types.FunctionType))
    return list(reached)


def _named(function: types.FunctionType) -> Iterator[str]:
    """Yield the top-level modules of what a function names: `time` for `time.monotonic()`, and for `monotonic()`."""
    for name in _names(function.__code__):
        value = function.__globals__.get(name)
        module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        yield (module if isinstance(module, str) else name).partition(".")[0]


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
