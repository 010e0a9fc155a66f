"""docs/plugins.md and docs/checks.md: their files are the example's, their commands do what they show, and it is so."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import feedback.testing
from feedback.commands import program_rules
from feedback.errors import Reason
from feedback.net import Datagrams, Net, Stream
from feedback.testing import checks, conform_source, plugins, policies, sources

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "gearman"
PAGE = (ROOT / "docs" / "plugins.md").read_text()
CHECKS = (ROOT / "docs" / "checks.md").read_text()
FILES = dict(re.findall(r"^`([\w.]+)`\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
CONSOLES = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
OWN = "queue_source.py"
"""A file that only the page has."""

SHELL = """\
set -e
pip() { "$PYTHON" -m pip --quiet "$1" --no-deps --no-index --no-build-isolation --target "$SITE" "$2"; }
feedback() { "$PYTHON" -m feedback "$@"; }
pytest() { "$PYTHON" -m pytest -q -p no:cacheprovider "$@"; }
"""


def cells(column: int) -> set[str]:
    """Return every name in backquotes in one column of the tables of checks.md, without what follows it."""
    rows = [line.split(" | ") for line in CHECKS.splitlines() if line.startswith("| ")]
    return {name for row in rows if len(row) > column for name in re.findall(r"`(?:net\.)?(\w+)", row[column])}


@pytest.mark.parametrize("name", FILES.keys() - {OWN})
def test_a_file_on_the_page_is_the_example_s_up_to_what_only_its_developer_needs(name: str) -> None:
    assert (EXAMPLE / name).read_text().partition("\n[tool.pytest")[0] == FILES[name]


def test_the_page_shows_a_plugin_of_each_kind_and_what_makes_it_known() -> None:
    assert FILES.keys() == {
        "gearman_check.py",
        "test_gearman_check.py",
        "two_speeds_policy.py",
        "pyproject.toml",
        OWN,
    }


@pytest.mark.loopback
def test_the_source_on_the_page_conforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / OWN).write_text(FILES[OWN])
    (tmp_path / "queue").write_text("25\n")
    monkeypatch.syspath_prepend(tmp_path)
    import queue_source  # type: ignore[import-not-found]

    conform_source(queue_source.QueueSource, path=str(tmp_path / "queue"), limit=100)
    conform_source(queue_source.QueueSource, failing=True, path=str(tmp_path / "none"), limit=100)


@pytest.mark.parametrize("rules", [plugins.RULES, checks.RULES, sources.RULES, policies.RULES])
def test_the_page_has_every_rule_of_the_kit(rules: Mapping[str, str]) -> None:
    assert [rule for rule, right in rules.items() if f"| `{rule}` | {right} |" not in PAGE] == []


def test_the_page_has_no_rule_that_is_gone() -> None:
    known = {**plugins.RULES, **checks.RULES, **sources.RULES, **policies.RULES}
    listed = re.findall(r"\| rule \| a plugin \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE)
    assert {rule for table in listed for rule in re.findall(r"^\| `([\w ]+)`", table, re.MULTILINE)} == known.keys()


def test_the_page_has_every_rule_that_programs_are_judged_by_and_no_other() -> None:
    (table,) = re.findall(r"\| rule \| a program \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE)
    assert table == "".join(f"| `{rule}` | {right} |\n" for rule, right in program_rules.RULES.items())


def test_the_page_names_everything_in_the_kit() -> None:
    assert [name for name in feedback.testing.__all__ if f"`{name}`" not in PAGE and f"`{name}(" not in PAGE] == []


def test_the_page_of_checks_names_every_reason() -> None:
    assert {str(reason) for reason in Reason} <= cells(0)


def test_the_page_of_checks_names_everything_the_network_can() -> None:
    kinds = (Net, Stream, Datagrams)
    names = {name for kind in kinds for name in {*vars(kind), *kind.__annotations__} if not name.startswith("_")}
    assert names <= cells(0) | cells(1)


@pytest.fixture(scope="module")
def gearman_port() -> Iterator[int]:
    """Answer `version` on a port, once for each connection."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(512)
                connection.sendall(b"OK 1.1.20+ds\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where one reader works through the page, one console after the other."""
    place = tmp_path_factory.mktemp("reader")
    (place / "gearman").symlink_to(EXAMPLE)
    return place


def like(shown: str) -> str:
    """Return a regular expression for what is shown: `...` stands for anything, and every run takes its own time."""
    text = re.escape(re.sub(r"\([\d.]+ ms\)", "(0 ms)", shown)).replace(r"\(0\ ms\)", r"\([\d.]+ ms\)")
    return text.replace(r"\.\.\.", "(?s:.*)")


@pytest.mark.loopback
@pytest.mark.parametrize("console", CONSOLES, ids=range(len(CONSOLES)))
def test_what_a_console_shows_is_what_one_sees(console: str, gearman_port: int, place: Path) -> None:
    site = place / "site"
    environment = {"PYTHON": sys.executable, "SITE": str(site), "PYTHONPATH": str(site), "COLUMNS": "80"}
    for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE):
        done = subprocess.run(
            ["sh", "-c", SHELL + command.replace("4730", str(gearman_port))],
            cwd=place,
            env={"PATH": os.environ["PATH"], "HOME": str(place), **environment},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        seen = done.stdout.replace(str(gearman_port), "4730")
        assert done.returncode in {0, 2 if shown.startswith("FAIL ") else 0}, done.stderr
        assert re.match(like(shown), seen), seen + done.stderr
