"""The frame of the command line: finds the command, runs it, and turns whatever happens into words and a status.

Only the module of the command that is asked for is imported.
"""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

import msgspec

from feedback import __version__, extras
from feedback.errors import ConfigError, FeedbackError

DEBUG_VARIABLE = "FEEDBACK_DEBUG"
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class Command(msgspec.Struct, frozen=True):
    """A command: its module in `feedback.commands`, its line of help, and its exit statuses."""

    module: str
    help: str
    usage_status: int = 2
    failed_status: int = 1


COMMANDS = {
    "director": Command("director", "run the controller on a director"),
    "agent": Command("agent", "run the agent on a realserver, enrol it, or tell it to drain"),
    "pki": Command("pki", "give agents their certificates, and take them back"),
    "check": Command("check", "run one check once", usage_status=3, failed_status=3),  # a plugin's 1 is a warning
    "status": Command("status", "show services, destinations, weights, load, health, and why"),
    "drain": Command("admin", "let a destination's connections end, and send it no new ones"),
    "maintain": Command("admin", "take a destination out of service for maintenance"),
    "enable": Command("admin", "bring a destination back from drain or maintenance"),
    "reload": Command("reload", "have the director read its configuration again"),
    "events": Command("events", "show what the director changed, and why"),
    "plugins": Command("plugins", "show what can be configured by name, with its options"),
    "plugins new": Command("plugins_new", "write a plugin to begin with: a package with a test"),
    "plugins test": Command("plugins_test", "judge a program that is to be a check or a metric"),
    "simulate": Command("simulate", "compare weight policies on a cluster in virtual time"),
    "demo": Command("demo", "run a whole cluster on this host: nothing to install, no root"),
}


class Parser(argparse.ArgumentParser):
    """A parser with the exit status of its command."""

    usage_status = 2

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and how it goes."""
        self.print_usage(sys.stderr)
        self.exit(self.usage_status, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    words = _join(list(sys.argv[1:] if argv is None else argv))
    name = next((word for word in words if not word.startswith("-")), "")
    try:
        return _run(name, COMMANDS.get(name, Command("", "")), words)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - nobody but the developer is helped by a traceback
        return explain(error, name, debug="--debug" in words)


def explain(error: BaseException, name: str, *, debug: bool = False) -> int:
    """Say in words what has ended a command, and return its exit status."""
    command = COMMANDS.get(name, Command("", ""))
    match error:
        case ConfigError():
            return _say(str(error), command.usage_status)
        case FeedbackError():
            return _say(f"feedback {name}: {error}", command.failed_status)
        case KeyboardInterrupt():
            return INTERRUPTED
        case BrokenPipeError():
            return _close_output()
        case _:
            return _explain(name, error, command.failed_status, debug=debug)


def _join(words: list[str]) -> list[str]:
    """Return the words with a command of two words as one."""
    first = next((place for place, word in enumerate(words) if not word.startswith("-")), 0)
    pair = " ".join(words[first : first + 2])
    return [*words[:first], pair, *words[first + 2 :]] if pair in COMMANDS and " " in pair else words


def _run(name: str, command: Command, words: Sequence[str]) -> int:
    module = importlib.import_module(f"feedback.commands.{command.module}") if command.module else None
    parser = _parser(name, module)
    arguments, rest = parser.parse_known_args(words)
    if "options" in arguments and not any(word.startswith("-") for word in rest):
        arguments.options += rest  # argparse takes `key=value` words only up to the next `--option`
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    status: int = module.run(arguments) if module else 2  # argparse has refused what is no command
    sys.stdout.flush()
    return status


def _parser(name: str, module: ModuleType | None) -> Parser:
    """Return the whole parser, with the arguments of the one command that is asked for."""
    parser = Parser(prog="feedback", description="Health checks and load feedback for Linux Virtual Server (IPVS).")
    parser.add_argument("--version", action="version", version=f"feedback {__version__}")
    parser.usage_status = COMMANDS[name].usage_status if module else 2
    _add_debug(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for other, command in COMMANDS.items():
        sub = commands.add_parser(other, help=command.help, description=f"{command.help[0].upper()}{command.help[1:]}.")
        sub.usage_status = command.usage_status
        if other == name and module is not None:
            _add_debug(sub)
            module.configure(sub)
    return parser


def _add_debug(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help=f"show where an unexpected error comes from (or set {DEBUG_VARIABLE}=1)",
    )


def _say(sentence: str, status: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return status


def _explain(name: str, error: BaseException, status: int, *, debug: bool) -> int:
    if sentence := extras.lacking(error):
        return _say(f"feedback {name} {sentence}", status)
    if debug or os.environ.get(DEBUG_VARIABLE, "0") not in {"", "0"}:
        traceback.print_exception(error)
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return _say(f"feedback {name}: unexpected error: {words} (--debug shows where)", status)


def _close_output() -> int:
    """Whoever read the output has gone: end as quietly, without the interpreter's own last flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
