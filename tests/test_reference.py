"""docs/reference/: its pages are those of the code, and every example in them is a configuration that is read."""

import re
import textwrap
from pathlib import Path

import pytest

from feedback.agent.config_file import load_agent_config
from feedback.commands.plugins import Description, known_plugins
from feedback.director.config_file import load_director_config
from scripts.reference import DIRECTORY, pages, split_example, summary

KNOWN = known_plugins()
CHECKS = {plugin.name: plugin for plugin in KNOWN if plugin.kind == "check"}
SOURCES = {plugin.name: plugin for plugin in KNOWN if plugin.kind == "source"}
PAGES = pages()

CONFIG = """\
director: {table: memory}
services:
  example:
    address: 192.0.2.10:80
    destinations: {rs1: "10.2.0.11:80"}
    checks:
"""

AGENT_CONFIG = """\
agent: {name: rs1, directors: ["ws://192.0.2.1:8600/agent"]}
metrics:
"""


def test_there_is_a_page_for_each_check_and_source_and_no_other() -> None:
    assert {str(path.relative_to(DIRECTORY)) for path in DIRECTORY.rglob("*.md")} == PAGES.keys()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says_or_else_run_make_reference(name: str) -> None:
    assert (DIRECTORY / name).read_text() == PAGES[name]


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_says_in_its_first_sentence_when_it_passes(name: str) -> None:
    assert summary(CHECKS[name].doc).startswith("Pass when ")


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_has_an_example_that_is_read_and_uses_it(name: str, tmp_path: Path) -> None:
    _, example = split_example(CHECKS[name].doc)
    file = tmp_path / "director.yaml"
    file.write_text(CONFIG + textwrap.indent(example, "      "))
    (service,) = load_director_config(file).services.values()
    assert name in {config.check.name for config in service.checks}


@pytest.mark.parametrize("plugin", [*CHECKS.values(), *SOURCES.values()], ids=lambda plugin: plugin.name)
def test_every_option_says_what_it_is_for(plugin: Description) -> None:
    undocumented = [option.name for option in plugin.options if not option.doc]
    assert undocumented == []


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_has_an_example_that_is_read_and_uses_it(name: str, tmp_path: Path) -> None:
    _, example = split_example(SOURCES[name].doc)
    password = tmp_path / "password"
    password.write_text("secret")
    password.chmod(0o600)
    file = tmp_path / "agent.yaml"
    file.write_text(AGENT_CONFIG + textwrap.indent(re.sub(r"/etc/feedback/\w+", str(password), example), "  "))
    metrics = load_agent_config(file).metrics
    assert name in {metric.source.name for metric in metrics.values()}


def test_an_example_is_what_stands_indented_below_the_word() -> None:
    assert split_example("Pass.\n\nMore.\n\nExample:\n\n    - tcp: {}\n    - udp\n") == (
        "Pass.\n\nMore.",
        "- tcp: {}\n- udp",
    )
    assert split_example("Pass.\n\nExamples:\n    - tcp\n") == ("Pass.", "- tcp")
    assert split_example("Pass.") == ("Pass.", "")
