"""docs/agentless.md: its tables say what the code does."""

import re
from pathlib import Path

import pytest

from feedback.director.feeds import host_text
from feedback.options import describe
from feedback.registry import FEEDS

DOCS = (Path(__file__).parents[3] / "docs/agentless.md").read_text()
IN_WORDS = {"none", "[]", '""', host_text.COMMAND, "{}"}
"""Defaults for which the page may have words of its own."""


def test_every_feed_has_its_section() -> None:
    assert re.findall(r"^## (\w+)$", DOCS, re.MULTILINE) == ["agent_check", "ssh", "rstatd", "orca", "snmp"]
    assert set(FEEDS.all()) == {"agent_check", "ssh", "rstatd", "orca", "snmp"}
    assert not FEEDS.broken()


def test_the_command_to_force_is_the_one_that_is_run() -> None:
    assert f'command="{host_text.COMMAND}"' in DOCS


@pytest.mark.parametrize("name", sorted(FEEDS.all()))
def test_every_option_is_documented_with_its_default(name: str) -> None:
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", DOCS, re.DOTALL | re.MULTILINE)
    assert section is not None
    documented = dict(re.findall(r"^\| `([a-z_]+)` \| (.*?) ?\|", section[1], re.MULTILINE))
    options = {one.name: one for one in describe(FEEDS.get(name)) if "." not in one.name and one.name != "address"}
    assert documented.keys() == options.keys()
    for option, default in documented.items():
        own = options[option].default or ""
        assert default == own or own in IN_WORDS, option
