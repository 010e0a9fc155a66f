"""`feedback plugins new`: writes a plugin that works, with its test, to be changed into one's own."""

import argparse
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feedback.errors import ConfigError, FeedbackError
from feedback.registry import CHECKS, POLICIES, SOURCES, Registry

SKELETONS = Path(__file__).parent / "skeletons"
REGISTRIES: Mapping[str, Registry[Any]] = {"source": SOURCES, "check": CHECKS, "policy": POLICIES}
KINDS = (*REGISTRIES, "executable")
RESERVED = ("new", "test")
"""What stands in the place of a plugin's name in `feedback plugins NAME`."""

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MAX_NAME = 28
"""What is written keeps to lines of 88 characters up to there."""

USAGE = """\
  feedback plugins new source queue_length        a metric for the agent
  feedback plugins new check gearman              a check for the director
  feedback plugins new policy idle                a weight policy
  feedback plugins new executable mail_queue      a program, for both, in sh

What is written works as it is: a package with one module, its test and its
entry point; or one program. Change it into your own, and keep its test passing.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = USAGE
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("name", metavar="NAME", help="what configurations call it, like queue_length")
    parser.add_argument(
        "--directory", type=Path, metavar="DIR", help="the new directory (default: ./feedback-NAME-KIND)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the files, and say what to do with them."""
    kind, name = arguments.kind, arguments.name
    check_name(kind, name)
    words = words_for(kind, name)
    directory = arguments.directory or Path(words["DISTRIBUTION"])
    write(directory, files_of(kind, words))
    article = "an" if kind == "executable" else "a"
    sys.stdout.write(
        f"{directory} has {article} {kind} that works; change it into your own\n\n" + next_steps(kind, name, directory)
    )
    return 0


def check_name(kind: str, name: str) -> None:
    """Raise ConfigError for a name that can't be one, or is taken."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise ConfigError(
            f'a name is of lower-case letters, digits and "_", begins with a letter and has at most {MAX_NAME}, '
            f'like queue_length, and not "{name}"'
        )
    if name in RESERVED:
        raise ConfigError(f'"{name}" can\'t be a name: `feedback plugins {name}` is a command')
    if kind in REGISTRIES:
        registry = REGISTRIES[kind]
        if name in registry.all() or name in registry.broken():
            raise ConfigError(f'there is a {kind} "{name}" already ({registry.origin(name)}); take another name')


def words_for(kind: str, name: str) -> Mapping[str, str]:
    """Return what stands for the placeholders of a skeleton."""
    return {
        "KIND": kind,
        "NAME": name,
        "GROUP": {"policy": "policies"}.get(kind, f"{kind}s"),
        "MODULE": f"{name}_{kind}",
        "CLASS": "".join(part.capitalize() for part in f"{name}_{kind}".split("_")),
        "DISTRIBUTION": f"feedback-{name.replace('_', '-')}-{kind}",
    }


def files_of(kind: str, words: Mapping[str, str]) -> Mapping[str, str]:
    """Return the texts of a new plugin's files, by name."""
    texts = {path.name.removesuffix(".txt"): path.read_text() for path in sorted((SKELETONS / kind).iterdir())}
    if kind in REGISTRIES:
        texts["pyproject.toml"] = (SKELETONS / "pyproject.toml.txt").read_text()
    names = {
        "module.py": f"{words['MODULE']}.py",
        "test_module.py": f"test_{words['MODULE']}.py",
        "program": words["NAME"],
    }
    return {names.get(file, file): fill(text, words) for file, text in texts.items()}


def fill(text: str, words: Mapping[str, str]) -> str:
    """Put words in the places of @THEIR@ names."""
    return re.sub(r"@([A-Z]+)@", lambda found: words[found[1]], text)


def write(directory: Path, files: Mapping[str, str]) -> None:
    """Make the directory and the files in it; what begins like a program may be run."""
    if directory.exists() or directory.is_symlink():
        raise FeedbackError(f"{directory} is there already; name another one with --directory")
    try:
        directory.mkdir()
        for name, text in files.items():
            path = directory / name
            path.write_text(text)
            if text.startswith("#!"):
                path.chmod(0o755)
    except OSError as error:
        raise FeedbackError(f"can't write {error.filename or directory}: {error.strerror}") from None


def next_steps(kind: str, name: str, directory: Path) -> str:
    """Return the commands that follow."""
    place = shlex.quote(f"./{directory}" if not directory.is_absolute() else str(directory))
    commands = {
        "source": [f"feedback agent --once --source {name} path=/tmp limit=100", f"pytest {place}"],
        "check": [f"feedback check {name} 127.0.0.1:7000", f"pytest {place}"],
        "policy": [f"feedback simulate --policy {name}", f"pytest {place}"],
        "executable": [
            f"feedback agent --once --source exec command=[/usr/local/lib/{name}]",
            f"feedback plugins test {place}/{name}",
        ],
    }[kind]
    install = f"pip install {place}" if kind in REGISTRIES else f"install -m 755 {place}/{name} /usr/local/lib/{name}"
    return "".join(f"  {beside(command)}\n" for command in (install, *commands))


def beside(command: str) -> str:
    """Return a command with the path of its program, where the one beside this Python is not the one on PATH."""
    program, _, rest = command.partition(" ")
    own = Path(sys.executable).parent / program
    if not own.exists() or shutil.which(program) == str(own):
        return command
    return f"{shlex.quote(str(own))} {rest}"
