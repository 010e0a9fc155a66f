"""`feedback plugins test`: whether `exec` can use a program, in whatever language, and what is wrong with it."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from feedback.commands.arguments import duration
from feedback.commands.columns import fill
from feedback.commands.program_rules import RULES, Asked, Use, Verdict, is_good, use_of, verdicts
from feedback.commands.program_trial import ENVIRONMENT, PATH, Trial, try_program
from feedback.errors import ConfigError
from feedback.registry import CHECKS, POLICIES, SOURCES

RULE_COLUMNS = 16

USAGE = """\
  feedback plugins test ./check_queue
  feedback plugins test --limit 2000 ./mail_queue --verbose
  feedback plugins test --timeout 10s /usr/lib/nagios/plugins/check_disk -w 20%

Options stand before the program; what follows it is the program's own. It is
run twice, as the agent and the director run it. Try it as their user:
sudo -u feedback feedback plugins test ...

It ends with 0 (ok), 1 (warning), 2 (critical) or 3 (unknown), and prints a line
for people, behind which performance data may stand; or one number, and nothing
else, to be a metric alone:

  OK - 12 wait | 'in box'=12;100;200;0;400 age=3.5s

A program

"""

STATUSES = "\nExit status: 0 it conforms, 1 it does not, 2 wrong usage."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = USAGE + "".join(f"  {rule:<{RULE_COLUMNS}}{right}\n" for rule, right in RULES.items()) + STATUSES
    parser.add_argument(
        "--timeout", type=duration, default=2.0, metavar="TIME", help="how long it may take (default: 2s)"
    )
    parser.add_argument("--limit", type=_limit, metavar="NUMBER", help="as a metric: the value that means full")
    parser.add_argument("--label", help="as a metric: which value of the performance data (default: the first)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("program", metavar="PROGRAM", help="path of the program, like ./my_plugin")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="ARGUMENT", help="what it is told")


def run(arguments: argparse.Namespace) -> int:
    """Run the program, print a line for each rule, and tell whether it keeps to all of them."""
    asked = Asked(timeout_seconds=arguments.timeout, limit=arguments.limit, label=arguments.label)
    command = [find_program(arguments.program), *arguments.words]
    trials, own = _try(command, asked.timeout_seconds)
    judged = verdicts(trials, own, asked)
    finished = trials[0].finished
    use = None if finished is None else use_of(command[0], finished, asked)
    conforms = all(verdict.ok for verdict in judged)
    show = as_json if arguments.json else as_text
    sys.stdout.write(show([arguments.program, *command[1:]], judged, use, conforms=conforms))
    return 0 if conforms else 1


def _limit(text: str) -> float:
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise argparse.ArgumentTypeError(f'must be a number more than 0, not "{text}"')
    return limit


def find_program(text: str) -> str:
    """Return a program's absolute path. Raises ConfigError where there is none."""
    path = Path(text).absolute() if "/" in text else None
    if path is None and (found := shutil.which(text, path=PATH)):
        path = Path(found)
    if path is None:
        raise ConfigError(f'there is no program "{text}" in {PATH}{_hint(text)}')
    if (path / "pyproject.toml").exists():
        raise ConfigError(f"{text} is a package and no program: its own test proves it, by pytest {text}")
    if path.is_dir():
        raise ConfigError(f"{text} is a directory; name the program in it")
    if not os.path.lexists(path):
        raise ConfigError(f"there is no program {text}")
    return str(path)


def _hint(text: str) -> str:
    """Return what else may have been meant."""
    if Path(text).exists():
        return f"; the one in this directory is ./{text}"
    for registry in (CHECKS, SOURCES, POLICIES):
        if text in registry.all():
            return f"; the {registry.kind} {text} is no program: conform_{registry.kind} of feedback.testing proves it"
    return ""


def _try(command: Sequence[str], timeout_seconds: float) -> tuple[list[Trial], Trial | None]:
    """Run a program twice as the agent does; and as whoever asks would, where it is no good otherwise."""
    trials = [try_program(command, timeout_seconds, "/", ENVIRONMENT)]
    if trials[0].finished is not None:
        trials.append(try_program(command, timeout_seconds, "/", ENVIRONMENT))
    if is_good(trials[0]) or trials[0].fault:
        return trials, None
    return trials, try_program(command, timeout_seconds, ".", dict(os.environ))


def as_json(command: Sequence[str], judged: Sequence[Verdict], use: Use | None, *, conforms: bool) -> str:
    """Return everything as one line of JSON."""
    check = None if use is None else {"outcome": use.outcome, "detail": use.detail}
    metric = None if use is None else {"ratio": use.ratio, "detail": use.how}
    found = {"command": command, "conforms": conforms, "rules": judged, "check": check, "metric": metric}
    return msgspec.json.encode(found).decode() + "\n"


def as_text(command: Sequence[str], judged: Sequence[Verdict], use: Use | None, *, conforms: bool) -> str:
    """Return a line for each rule, and what the check and the source make of the program."""
    lines = [_line("ok" if verdict.ok else "not ok", verdict.rule, verdict.detail) for verdict in judged]
    if use is not None:
        said = f": {use.detail}" if use.detail else ""
        lines.append(_line("", "as a check", f"{use.outcome.upper()}{said}"))
        lines.append(_line("", "as a metric", use.how if use.ratio is None else f"{use.ratio:.4g}: {use.how}"))
    if behind := [word for word in command[1:] if word.partition("=")[0] in {"--limit", "--label", "--json"}]:
        lines.append(_line("note", behind[0], "stands behind the program, and is the program's own"))
    wrong = sum(not verdict.ok for verdict in judged)
    rules = "one rule" if wrong == 1 else f"{wrong} rules"
    lines.append(f"{command[0]} " + ("conforms" if conforms else f"does not conform: it breaks {rules}"))
    return "\n".join(lines) + "\n"


def _line(word: str, rule: str, detail: str) -> str:
    head = f"{word:<6}  {rule:<{RULE_COLUMNS}}"
    return fill(detail, head, " " * len(head))
