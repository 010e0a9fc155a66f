"""Look for bytes that break a parser: coverage-guided, with atheris.

    python tests/fuzz/fuzz.py [--seconds 60] [NAME ...]

Every check is a parser, too: of what its peer says. Bytes that break one are kept in the current directory as
`crash-...`, and the exit status is not 0.
"""

import argparse
import contextlib
import functools
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

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
        fuzz(together(parsers), arguments.seconds, arguments.seed)
    if arguments.alone:
        fuzz(parsers[arguments.names[0]], arguments.seconds, arguments.seed)
    broken = [name for name in arguments.names or parsers if not _fuzz_apart(name, arguments.seconds)]
    return 1 if broken else 0


def _arguments(parsers: Mapping[str, Parser]) -> argparse.Namespace:
    shown = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shown.add_argument("--seconds", type=int, default=60, help="for each (default: 60)")
    shown.add_argument(
        "--seed", type=int, default=0, help="the same bytes with the same one (default: others each time)"
    )
    shown.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    shown.add_argument("names", nargs="*", metavar="NAME", help=f"`{TOGETHER}`, or some of: {', '.join(parsers)}")
    arguments = shown.parse_args()
    unknown = set(arguments.names) - parsers.keys() - {TOGETHER}
    if unknown:
        shown.error(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(parsers)}")
    return arguments


def _fuzz_apart(name: str, seconds: int) -> bool:
    """Fuzz one parser in a process of its own, which libFuzzer ends. Show its last line, or all when it broke."""
    command = [sys.executable, __file__, "--alone", "--seconds", str(seconds), name]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    runs = re.search(r"number_of_executed_units: +([0-9]+)", done.stdout)
    sys.stdout.write(f"{name}: {runs[1]} runs, nothing broke\n" if runs and not done.returncode else done.stdout)
    sys.stdout.flush()
    return done.returncode == 0


def fuzz(parser: Parser, seconds: int, chance: int) -> NoReturn:
    """Fuzz in this process, and end it."""

    def parse(data: bytes) -> None:
        with contextlib.suppress(FeedbackError):
            parser.parse(data)

    with tempfile.TemporaryDirectory(prefix="feedback-fuzz-") as directory:
        for number, seed in enumerate(parser.seeds):
            (Path(directory) / f"seed-{number}").write_bytes(seed)
        limits = [f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", f"-timeout={SLOW_SECONDS}", f"-seed={chance}"]
        atheris.Setup([sys.argv[0], *limits, "-verbosity=0", "-print_final_stats=1", directory], parse)
        atheris.Fuzz()
    sys.exit("the fuzzer has come back")


if __name__ == "__main__":
    sys.exit(main())
