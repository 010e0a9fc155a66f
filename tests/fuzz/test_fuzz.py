"""Some thousand inputs of fuzzing, nearly the same in every run of the tests; `make fuzz` looks for new ones."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from feedback.checks import Check
from feedback.errors import CheckFailed, FeedbackError, Reason
from tests.fuzz.babble import answer, example_checks
from tests.fuzz.parsers import PARSERS

ROOT = Path(__file__).parents[2]
RUNS = 15_000


@pytest.mark.parametrize("name", PARSERS)
def test_the_fuzzer_begins_with_bytes_that_are_understood(name: str) -> None:
    for seed in PARSERS[name].seeds:
        try:
            PARSERS[name].parse(seed)
        except CheckFailed as refusal:  # what a peer refuses is understood, too
            if refusal.reason is Reason.PROTOCOL:
                raise


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_returns_or_raises_one_named_error_whatever_it_gets(name: str) -> None:
    for data in (b"", b"\0", b"\xff" * 4096, *(seed[:-1] for seed in PARSERS[name].seeds)):
        with contextlib.suppress(FeedbackError):
            PARSERS[name].parse(data)


@pytest.mark.parametrize("check", example_checks().values(), ids=example_checks())
def test_a_check_takes_whatever_its_peer_says(check: Check) -> None:
    for data in (b"", b"\0", b"\r\n", b"\xff" * 4096, b"200 \r\n" * 100):
        answer(check, data)


@pytest.mark.loopback
def test_nothing_breaks_under_the_fuzzer(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "fuzz" / "fuzz.py"), "--runs", str(RUNS), "--seed", "1", "together"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert int(re.findall(r"number_of_executed_units: +([0-9]+)", done.stdout)[0]) == RUNS
