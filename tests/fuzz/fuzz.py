"""Look for bytes that break a parser: coverage-guided, with atheris.

    python tests/fuzz/fuzz.py [--seconds 60] [--runs 0] [--seed 0] [NAME ...]

Every check is a parser, too: of what its peer says. Bytes that break one are kept in the current directory as
`crash-...`, and the exit status is not 0. With the same `--seed`, `--runs` and PYTHONHASHSEED the bytes are the same or
nearly so: addresses and the collector's rounds are chance.
"""

import argparse
import contextlib
import functools
import random
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn
from unittest import mock

import atheris

with atheris.instrument_imports(include=["feedback"], exclude=["feedback.director", "feedback.engine"]):
    from feedback.errors import FeedbackError
    from tests.fuzz.babble import answer, example_checks
    from tests.fuzz.parser import Parser
    from tests.fuzz.parsers import PARSERS

MAX_BYTES = 4096
SLOW_SECONDS = 10  # for one input: a finding, too
TOGETHER = "together"


def known_parsers() -> dict[str, Parser]:
    """Return every parser by its name, and each check as a parser of what its peer says."""
    checks = {name: Parser(functools.partial(answer, check)) for name, check in example_checks().items()}
    return {**PARSERS, **checks}


def together(parsers: Mapping[str, Parser]) -> Parser:
    """Return all parsers as one: the first byte says which it is."""
    order = list(parsers.values())

    def parse(data: bytes) -> object:
        return order[data[0] % len(order)].parse(data[1:]) if data else None

    return Parser(parse, tuple(bytes([place]) + seed for place, parser in enumerate(order) for seed in parser.seeds))


def main() -> int:
    """Fuzz what is named, each in a process of its own, or all together in this one."""
    parsers = known_parsers()
    arguments = _arguments(parsers)
    if arguments.names == [TOGETHER]:
        fuzz(together(parsers), arguments)
    if arguments.alone:
        fuzz(parsers[arguments.names[0]], arguments)
    broken = [name for name in arguments.names or parsers if not _fuzz_apart(name, arguments)]
    return 1 if broken else 0


def _arguments(parsers: Mapping[str, Parser]) -> argparse.Namespace:
    shown = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shown.add_argument("--seconds", type=int, default=60, help="at most, for each (default: 60)")
    shown.add_argument("--runs", type=int, default=0, help="at most, for each (default: as many as there is time for)")
    shown.add_argument(
        "--seed", type=int, default=0, help="nearly the same bytes with the same one (default: others each time)"
    )
    shown.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    shown.add_argument("names", nargs="*", metavar="NAME", help=f"`{TOGETHER}`, or some of: {', '.join(parsers)}")
    arguments = shown.parse_args()
    unknown = set(arguments.names) - parsers.keys() - {TOGETHER}
    if unknown:
        shown.error(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(parsers)}")
    return arguments


def _fuzz_apart(name: str, limits: argparse.Namespace) -> bool:
    """Fuzz one parser in a process of its own, which libFuzzer ends. Show its last line, or all when it broke."""
    options = [f"--seconds={limits.seconds}", f"--runs={limits.runs}", f"--seed={limits.seed}"]
    command = [sys.executable, __file__, "--alone", *options, name]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    runs = re.search(r"number_of_executed_units: +([0-9]+)", done.stdout)
    sys.stdout.write(f"{name}: {runs[1]} runs, nothing broke\n" if runs and not done.returncode else done.stdout)
    sys.stdout.flush()
    return done.returncode == 0


def fuzz(parser: Parser, limits: argparse.Namespace) -> NoReturn:
    """Fuzz in this process, and end it. What a check draws by lot is the same for each input."""
    no_chance = random.Random(limits.seed)
    mock.patch.object(secrets, "_sysrand", no_chance).start()

    def parse(data: bytes) -> None:
        no_chance.seed(limits.seed)
        with contextlib.suppress(FeedbackError):
            parser.parse(data)

    with tempfile.TemporaryDirectory(prefix="feedback-fuzz-") as directory:
        seeds = [Path(directory) / f"seed-{number}" for number in range(len(parser.seeds))]
        for path, seed in zip(seeds, parser.seeds, strict=True):
            path.write_bytes(seed)
        options = [
            f"-max_total_time={limits.seconds}",
            f"-runs={limits.runs or -1}",
            f"-seed={limits.seed}",
            f"-max_len={MAX_BYTES}",
            f"-timeout={SLOW_SECONDS}",
            "-verbosity=0",
            "-print_final_stats=1",
        ]
        if seeds:
            options.append(f"-seed_inputs={','.join(map(str, seeds))}")  # in this order; that of a directory is chance
        atheris.Setup([sys.argv[0], *options], parse)
        atheris.Fuzz()
    sys.exit("the fuzzer has come back")


if __name__ == "__main__":
    sys.exit(main())
