"""docs/checks.md: the files it shows are the example's, and what it says of them is so."""

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback.errors import Reason
from feedback.net import Datagrams, Net, Stream

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "gearman_check"
PAGE = (ROOT / "docs" / "checks.md").read_text()
FILES = dict(re.findall(r"^`([\w.]+)`\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def cells(column: int) -> set[str]:
    """Return every name in backquotes in one column of the page's tables, without what follows it."""
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    return {name for row in rows if len(row) > column for name in re.findall(r"`(?:net\.)?(\w+)", row[column])}


def test_the_page_shows_all_files_of_the_example() -> None:
    shown = {path.name for path in EXAMPLE.iterdir() if path.suffix in {".py", ".toml"}}
    assert FILES.keys() == shown


@pytest.mark.parametrize("name", FILES)
def test_a_file_on_the_page_is_the_example_s_up_to_what_only_its_developer_needs(name: str) -> None:
    assert (EXAMPLE / name).read_text().partition("\n[tool.pytest")[0] == FILES[name]


def test_the_page_names_every_reason() -> None:
    assert {str(reason) for reason in Reason} <= cells(0)


def test_the_page_names_everything_the_network_can() -> None:
    kinds = (Net, Stream, Datagrams)
    names = {name for kind in kinds for name in {*vars(kind), *kind.__annotations__} if not name.startswith("_")}
    assert names <= cells(0) | cells(1)


@pytest.fixture
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


@pytest.mark.loopback
def test_the_page_s_console_is_what_one_sees(gearman_port: int, tmp_path: Path) -> None:
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(EXAMPLE)], check=True, timeout=50)
    (console,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    examples = re.findall(r"^\$ feedback (check .*)\n(.*)$", console, re.MULTILINE)
    assert examples
    for command, expected in examples:
        arguments = command.replace("4730", str(gearman_port)).split()
        done = subprocess.run(
            [sys.executable, "-m", "feedback", *arguments],
            env={"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        seen = done.stdout.replace(str(gearman_port), "4730")
        assert re.sub(r"\([\d.]+ ms\)", "(ms)", seen) == re.sub(r"\([\d.]+ ms\)", "(ms)", expected) + "\n"
