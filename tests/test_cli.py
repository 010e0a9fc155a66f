"""The frame of the command line: what a user reads and what a script sees, whatever happens."""

import importlib
import json
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from feedback import __version__
from feedback.cli import COMMANDS, main
from feedback.errors import ConfigError, FeedbackError

Run = Callable[[Namespace], int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Return a function that puts a command's `run` in the place of every command's."""

    def put(run: Run) -> None:
        def configure(parser: ArgumentParser) -> None:
            parser.add_argument("words", nargs="*")
            parser.add_argument("--flag")

        module = SimpleNamespace(configure=configure, run=run)
        monkeypatch.setattr(importlib, "import_module", lambda _name: module)

    return put


def raiser(error: BaseException) -> Run:
    def run(_arguments: Namespace) -> int:
        raise error

    return run


def test_the_status_is_the_commands_own(command: Callable[[Run], None]) -> None:
    command(lambda arguments: 7 if arguments.words == ["a", "b"] and arguments.command == "drain" else 0)
    assert main(["drain", "a", "b"]) == 7
    assert main(["enable", "a", "b"]) == 0


@pytest.mark.parametrize(
    ("name", "error", "status", "said"),
    [
        ("status", FeedbackError("the director is gone"), 1, "feedback status: the director is gone\n"),
        (
            "status",
            ConfigError("f.yaml:1: a: is odd", "f.yaml:2: b: is odd"),
            2,
            "f.yaml:1: a: is odd\nf.yaml:2: b: is odd\n",
        ),
        ("check", FeedbackError("web can't be resolved"), 3, "feedback check: web can't be resolved\n"),
        ("check", ConfigError("path: is odd"), 3, "path: is odd\n"),
        ("agent", KeyboardInterrupt(), 130, ""),
        ("events", ValueError("a\nb"), 1, "feedback events: unexpected error: ValueError: a b (--debug shows where)\n"),
        ("check", ValueError("a"), 3, "feedback check: unexpected error: ValueError: a (--debug shows where)\n"),
        (
            "demo",
            ModuleNotFoundError("x", name="rich.table"),
            1,
            "feedback demo needs the director extra: pip install 'lvs-feedback[director]'\n",
        ),
        (
            "demo",
            ModuleNotFoundError("no x", name="x"),
            1,
            "feedback demo: unexpected error: ModuleNotFoundError: no x (--debug shows where)\n",
        ),
    ],
)
def test_whatever_goes_wrong_is_words_and_a_status(
    *,
    command: Callable[[Run], None],
    capsys: pytest.CaptureFixture[str],
    name: str,
    error: BaseException,
    status: int,
    said: str,
) -> None:
    command(raiser(error))
    assert main([name]) == status
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(
    ("words", "variable"), [(["--debug", "status"], None), (["status", "--debug"], None), (["status"], "1")]
)
def test_a_developer_gets_the_traceback(
    command: Callable[[Run], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    variable: str | None,
) -> None:
    if variable:
        monkeypatch.setenv("FEEDBACK_DEBUG", variable)
    command(raiser(ValueError("odd")))
    assert main(words) == 1
    assert capsys.readouterr().err.startswith("Traceback (most recent call last):\n")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], 2, "feedback: the following arguments are required: COMMAND"),
        (["fly"], 2, "feedback: argument COMMAND: invalid choice: 'fly' (choose from "),
        (["status", "--loud"], 2, "feedback: unrecognized arguments: --loud"),
        (["plugins", "--flag"], 2, "feedback plugins: argument --flag: expected one argument"),
        (["check", "--flag"], 3, "feedback check: argument --flag: expected one argument"),
        (["check", "--loud"], 3, "feedback: unrecognized arguments: --loud"),
    ],
)
def test_wrong_usage_is_told_with_how_it_goes(
    command: Callable[[Run], None],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    status: int,
    said: str,
) -> None:
    command(lambda _arguments: 0)
    with pytest.raises(SystemExit) as raised:
        main(words)
    usage, _, sentence = capsys.readouterr().err.partition("\nfeedback")
    assert raised.value.code == status
    assert usage.startswith("usage: feedback")
    assert f"feedback{sentence}".startswith(said.removeprefix("\n"))


def test_help_names_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    before = set(sys.modules)
    with pytest.raises(SystemExit) as raised:
        main(["--help"])
    assert raised.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    assert all(f" {name} {command.help}" in out for name, command in COMMANDS.items())
    assert not {name for name in set(sys.modules) - before if name.startswith("feedback.commands")}


def test_a_command_of_two_words_is_one_and_its_first_word_another(monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[str] = []

    def module(name: str) -> SimpleNamespace:
        def configure(parser: ArgumentParser) -> None:
            parser.add_argument("words", nargs="*")

        def note(arguments: Namespace) -> int:
            run.append(f"{name} {arguments.words}")
            return 0

        return SimpleNamespace(configure=configure, run=note)

    monkeypatch.setattr(importlib, "import_module", module)
    assert main(["--debug", "plugins", "test", "x"]) == main(["plugins", "x", "test"]) == main(["plugins"]) == 0
    assert run == [
        "feedback.commands.plugins_test ['x']",
        "feedback.commands.plugins ['x', 'test']",
        "feedback.commands.plugins []",
    ]


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["--version"])
    assert (raised.value.code, capsys.readouterr().out) == (0, f"feedback {__version__}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_module_with_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main([name, "--help"])
    assert raised.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: feedback {name} ")


@pytest.mark.loopback
class TestProcess:
    """As a process of its own."""

    def test_a_command_imports_no_other_and_no_library_it_does_not_use(self) -> None:
        code = (
            "import sys, json; from feedback.cli import main; main(['plugins', 'memory']);"
            "names = ('feedback.commands.', 'aiohttp', 'pyroute2');"
            "json.dump(sorted(name for name in sys.modules if name.startswith(names)), sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
        assert json.loads(done.stderr) == ["feedback.commands.columns", "feedback.commands.plugins"]

    def test_the_module_is_the_command(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "feedback", "--version"], capture_output=True, text=True, check=False, timeout=30
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, f"feedback {__version__}\n", "")

    def test_it_ends_quietly_when_nobody_reads_on(self, tmp_path: Path) -> None:
        errors = tmp_path / "errors"
        code = (
            "import sys, types, importlib; from feedback.cli import main;"
            "command = types.SimpleNamespace(configure=lambda p: None,"
            " run=lambda a: [print('x' * 1000) for _ in range(1000)] and 0);"
            "importlib.import_module = lambda name: command; sys.exit(main(['events']))"
        )
        with errors.open("wb") as stderr:
            process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=stderr)
            assert process.stdout is not None
            process.stdout.read(1)
            process.stdout.close()
            assert process.wait(timeout=30) == 1
        assert errors.read_text() == ""
