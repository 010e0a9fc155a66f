"""`feedback plugins new`: what it writes works as it is, and what can't be written is refused."""

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from feedback.cli import main
from feedback.commands.plugins_new import KINDS, MAX_NAME, REGISTRIES, files_of, words_for

MODULES = ["source", "check", "policy"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    try:
        status = main(["plugins", "new", *words])
    except SystemExit as error:
        status = int(error.code or 0)
    return status, capsys.readouterr().err


@pytest.mark.parametrize("kind", MODULES)
def test_a_package_has_a_module_a_test_and_an_entry_point(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "new", kind, "queue_length"]) == 0
    directory = Path(f"feedback-queue-length-{kind}")
    module = f"queue_length_{kind}"
    files = sorted(path.name for path in directory.iterdir())
    assert files == ["README.md", "pyproject.toml", f"{module}.py", f"test_{module}.py"]
    project = (directory / "pyproject.toml").read_text()
    assert f'queue_length = "{module}:QueueLength{kind.capitalize()}"' in project
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{directory} has a {kind} that works; change it into your own"
    assert [f" ./{directory}" in line for line in lines[2:]] == [True, False, True]


def test_an_executable_is_a_program_that_may_be_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "own place"
    assert main(["plugins", "new", "executable", "mail_queue", "--directory", str(target)]) == 0
    assert sorted(path.name for path in target.iterdir()) == ["README.md", "mail_queue"]
    assert os.access(target / "mail_queue", os.X_OK)
    told = capsys.readouterr().out
    assert told.startswith(f"{target} has an executable that works")
    assert f"install -m 755 '{target}'/mail_queue /usr/local/lib/mail_queue" in told
    assert f"plugins test '{target}'/mail_queue" in told


@pytest.mark.parametrize("kind", KINDS)
def test_no_placeholder_is_left(kind: str) -> None:
    for name, text in files_of(kind, words_for(kind, "queue")).items():
        assert "@" not in name + text


@pytest.mark.parametrize(
    "name", ["Queue", "9lives", "queue-length", "queue.mail", "", "queue__x", "ü", "a" * 29, "x y"]
)
def test_a_name_that_no_module_can_have_is_refused(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, said = refusal(capsys, "source", name)
    assert status == 2
    assert said.startswith('a name is of lower-case letters, digits and "_", begins with a letter and has at most 28')
    assert said.endswith(f', like queue_length, and not "{name}"\n')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("source", "cpu", 'there is a source "cpu" already (built in); take another name'),
        ("check", "imap", 'there is a check "imap" already (built in); take another name'),
        ("policy", "static", 'there is a policy "static" already (built in); take another name'),
        ("source", "test", '"test" can\'t be a name: `feedback plugins test` is a command'),
        ("executable", "new", '"new" can\'t be a name: `feedback plugins new` is a command'),
        ("feed", "x", "feedback plugins new: argument KIND: invalid choice: 'feed' (choose from 'source', 'check', "),
    ],
)
def test_a_name_that_is_taken_or_a_kind_that_is_none_is_refused(
    kind: str, name: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, told = refusal(capsys, kind, name)
    assert status == 2
    assert said in told
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_a_plugin_that_lacks_a_library_is_taken_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(REGISTRIES["check"], "broken", lambda: {"far": "check far needs something"})
    assert 'there is a check "far" already' in refusal(capsys, "check", "far")[1]


def test_a_name_is_taken_in_its_own_kind_alone() -> None:
    assert main(["plugins", "new", "source", "http"]) == 0


@pytest.mark.parametrize("kind", ["directory", "file", "link"])
def test_what_is_there_is_left_alone(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "mine"
    if kind == "directory":
        target.mkdir()
    elif kind == "file":
        target.touch()
    else:
        target.symlink_to("nowhere")
    status, said = refusal(capsys, "source", "x", "--directory", str(target))
    assert (status, said) == (
        1,
        f"feedback plugins new: {target} is there already; name another one with --directory\n",
    )


def test_a_directory_that_can_not_be_made_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, said = refusal(capsys, "source", "x", "--directory", "no/where")
    assert (status, said) == (1, "feedback plugins new: can't write no/where: No such file or directory\n")
    (tmp_path / "file").touch()
    assert refusal(capsys, "source", "x", "--directory", "file/x")[1].endswith("can't write file/x: Not a directory\n")


def test_the_help_is_no_wider_than_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    refusal_status, _ = refusal(capsys, "--help")
    assert refusal_status == 0
    for words in (["new"], ["test"], []):
        with pytest.raises(SystemExit):
            main(["plugins", *words, "--help"])
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def written(directory: Path, names: Mapping[str, str]) -> list[Path]:
    """Write a plugin of each kind; return their directories."""
    for kind, name in names.items():
        assert main(["plugins", "new", kind, name, "--directory", str(directory / kind)]) == 0
    return [directory / kind for kind in names]


def succeed(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, command)),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.loopback
class TestWritten:
    """What is written, used as an author would."""

    def test_it_passes_ruff_as_it_is_and_mypy_whatever_the_length_of_its_name(self, tmp_path: Path) -> None:
        for name in ("x", "queue_length", "x" * MAX_NAME):
            (tmp_path / name).mkdir()
            directories = written(tmp_path / name, dict.fromkeys(MODULES, name))
            succeed(sys.executable, "-m", "ruff", "check", *directories)
            succeed(sys.executable, "-m", "ruff", "format", "--check", *directories)
            cache = f"--cache-dir={tmp_path / 'cache'}"
            succeed(sys.executable, "-m", "mypy", "--strict", "--config-file=", cache, *directories)

    @pytest.mark.parametrize("kind", MODULES)
    def test_it_passes_its_own_test(self, kind: str, tmp_path: Path) -> None:
        (directory,) = written(tmp_path, {kind: "queue_length"})
        pytest_of_its_own = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", str(directory)]
        assert "3 passed" in succeed(sys.executable, "-W", "error", *pytest_of_its_own)

    def test_it_is_installed_without_a_network_and_shown_with_where_it_comes_from(self, tmp_path: Path) -> None:
        directories = written(tmp_path, {kind: f"own_{kind}" for kind in MODULES})
        site = tmp_path / "site"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        succeed(*pip, "--target", site, *directories)
        shown = json.loads(succeed(sys.executable, "-m", "feedback", "plugins", "--json", PYTHONPATH=str(site)))
        origins = {(plugin["kind"], plugin["name"]): plugin["origin"] for plugin in shown["plugins"]}
        for kind in MODULES:
            assert origins[kind, f"own_{kind}"] == f"feedback-own-{kind}-{kind} 0.1.0"
        assert origins["source", "cpu"] == "built in"
        (tmp_path / "one").touch()
        once = [sys.executable, "-m", "feedback", "agent", "--once", "--source", "own_source"]
        report = json.loads(succeed(*once, f"path={tmp_path}", "limit=100", PYTHONPATH=str(site)))
        assert report["metrics"] == {"own_source": len(list(tmp_path.iterdir())) / 100}

    def test_an_executable_conforms(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (directory,) = written(tmp_path, {"executable": "mail_queue"})
        (tmp_path / "spool").mkdir()
        for number in range(60):
            (tmp_path / "spool" / f"a {number}").touch()
        program = str(directory / "mail_queue")
        assert main(["plugins", "test", "--timeout", "10s", program, str(tmp_path / "spool")]) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert "WARNING - 60 in " in told
        assert "0.6: 60 of 100, the maximum that it prints" in told
        assert main(["plugins", "test", "--timeout", "10s", program, str(directory / "gone")]) == 1
        assert "exit status     3, unknown" in capsys.readouterr().out


def test_the_distribution_that_a_skeleton_needs_is_this_one() -> None:
    needed = (files_of("source", words_for("source", "x"))["pyproject.toml"]).partition('dependencies = ["')[2]
    assert needed.partition('"')[0] == importlib.metadata.metadata("lvs-feedback")["Name"]
