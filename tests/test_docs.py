"""Every page: its links lead somewhere, and the commands on it are commands with those options."""

import re
from pathlib import Path

import pytest

from feedback.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")})


COMMAND_LINE = re.compile(r"(?:^ +|[`/])(?:\$ )?feedback (?!--)([a-z|]+)([^`\n]*)", re.MULTILINE)
"""A command in an indented block, in backquotes, or with a path before it."""


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_the_index_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\((\w+\.md)\)", (ROOT / "docs/index.md").read_text()))
    assert linked == {path.name for path in ROOT.glob("docs/*.md")} - {"index.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_on_a_page_is_one_and_has_the_options(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for names, rest in COMMAND_LINE.findall(page.read_text()):
        for name in names.split("|"):
            assert name in COMMANDS
            second = rest.split()[:1]
            command = [name, *second] if " ".join([name, *second]) in COMMANDS else [name]
            with pytest.raises(SystemExit, match=r"^0$"):
                main([*command, "--help"])
            known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
            assert set(re.findall(r"--[a-z-]+", rest)) <= known, f"feedback {name}{rest}"
