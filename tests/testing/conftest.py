"""Plugins of these tests are registered while the tests of their module run: others look at all that there are."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from feedback.agent.source import Source
from feedback.checks.check import Check
from feedback.director.weights import Policy
from feedback.plugin import Plugin

KINDS: tuple[type[Plugin], ...] = (Check, Source, Policy)

Registered = list[dict[str, type[Any]]]

_own_key = pytest.StashKey[Registered]()


def _registered() -> Registered:
    return [dict(kind.registered) for kind in KINDS]


def _register(plugins: Registered) -> None:
    for kind, registered in zip(KINDS, plugins, strict=True):
        kind.registered.clear()
        kind.registered.update(registered)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Take back what a module has registered when it was imported, and keep it for its tests."""
    before = _registered()
    report = yield
    after = _registered()
    own: Registered = [{name: one for name, one in kind.items() if _is_of_a_test(one)} for kind in after]
    collector.stash[_own_key] = own
    _register(
        [
            {name: one for name, one in kind.items() if not _is_of_a_test(one)} | old
            for kind, old in zip(after, before, strict=True)
        ]
    )
    return report


def _is_of_a_test(plugin: type[Any]) -> bool:
    return plugin.__module__.startswith("tests.testing.")


@pytest.fixture(autouse=True, scope="module")
def _own_plugins(request: pytest.FixtureRequest) -> Iterator[None]:
    before = _registered()
    _register([others | own for others, own in zip(before, request.node.stash[_own_key], strict=True)])
    yield
    _register(before)
