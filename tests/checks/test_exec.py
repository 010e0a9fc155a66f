"""The `exec` check: the convention of Nagios plugins, against programs that end as a script says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.exec import OUTPUT_LIMIT_BYTES, ExecCheck, first_line, judge
from feedback.errors import CheckFailed, LocalFault
from feedback.model import Outcome
from feedback.net import Completed
from feedback.testing import Program, run_check

CHECK = ExecCheck(command=["check_it"])


@pytest.mark.parametrize(
    ("completed", "outcome", "reason", "detail"),
    [
        (Completed(0, b"OK - fine | time=1s;2;3\nmore\n", b""), Outcome.PASS, "", "OK - fine"),
        (Completed(0, b"", b""), Outcome.PASS, "", ""),
        (Completed(1, b"WARNING - slow\n", b""), Outcome.PASS, "", "warning: WARNING - slow"),
        (Completed(1, b"", b""), Outcome.PASS, "", "warning"),
        (Completed(2, b"CRITICAL - gone\n", b"trace\n"), Outcome.FAIL, "exit", "CRITICAL - gone"),
        (Completed(2, b"", b"no such host\n"), Outcome.FAIL, "exit", "no such host"),
        (Completed(2, b"| only=data", b""), Outcome.FAIL, "exit", "check_it exited with status 2"),
        (Completed(3, b"UNKNOWN - ?", b""), Outcome.UNKNOWN, "local", "check_it exited with status 3: UNKNOWN - ?"),
        (Completed(127, b"", b""), Outcome.UNKNOWN, "local", "check_it exited with status 127"),
        (Completed(-9, b"half a li", b""), Outcome.UNKNOWN, "local", "check_it was killed by SIGKILL"),
        (Completed(-11, b"", b""), Outcome.UNKNOWN, "local", "check_it was killed by SIGSEGV"),
        (Completed(-99, b"", b""), Outcome.UNKNOWN, "local", "check_it was killed by signal 99"),
    ],
)
def test_the_end_of_a_program_is_the_outcome(completed: Completed, outcome: Outcome, reason: str, detail: str) -> None:
    program = Program(completed)
    result = run_check(CHECK, program)
    assert (result.outcome, result.reason, result.detail) == (outcome, reason, detail)
    assert program.closed


def test_a_program_that_cannot_be_started_says_nothing_of_the_service() -> None:
    result = run_check(CHECK, Program(fault="check_it can't be started: No such file or directory"))
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "local")
    assert result.detail == "check_it can't be started: No such file or directory"


def test_a_program_that_does_not_end_fails_at_the_deadline_and_is_over() -> None:
    program = Program(hangs=True)
    result = run_check(CHECK, program, timeout_seconds=2.0)
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAIL, "timeout", "no answer within 2 s")
    assert program.closed


def test_a_program_is_told_what_it_checks() -> None:
    program = Program()
    words = ["prog", "-H", "{address}", "{address}:{port}", "{service}/{destination}", "{other} {}", "{{port}}"]
    run_check(ExecCheck(command=words), program)
    assert program.command == [
        "prog",
        "-H",
        "192.0.2.11",
        "192.0.2.11:80",
        "web/rs1",
        "{other} {}",
        "{80}",
    ]
    assert program.environment == {
        "FEEDBACK_ADDRESS": "192.0.2.11",
        "FEEDBACK_PORT": "80",
        "FEEDBACK_SERVICE": "web",
        "FEEDBACK_DESTINATION": "rs1",
    }


def test_a_program_is_told_the_port_and_address_of_the_checks_own_choice() -> None:
    program = Program()
    run_check(ExecCheck(command=["{address}", "{port}"], address="192.0.2.99", port=9000), program)
    assert program.command == ["192.0.2.99", "9000"]
    assert program.environment["FEEDBACK_PORT"] == "9000"


def test_no_more_is_kept_of_the_output_than_the_limit() -> None:
    result = run_check(CHECK, Program(Completed(0, b" " * OUTPUT_LIMIT_BYTES + b"late", b"early")))
    assert result.detail == "early"


@pytest.mark.parametrize("command", [[], [""], ["", "argument"]])
def test_a_command_must_name_a_program(command: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^command: must name a program$"):
        ExecCheck(command=command)


@pytest.mark.parametrize("egress", [{"source": "192.0.2.2"}, {"interface": "eth0"}, {"fwmark": 7}])
def test_a_way_that_the_program_would_not_go_is_refused(egress: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^must have no source, interface or fwmark: the program makes its "):
        ExecCheck(command=["check_it"], **egress)


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (b"", ""),
        (b"\n\n  first  \nsecond", "first"),
        (b"first | a=1\n", "first"),
        (b"first\r\nsecond", "first"),
        (b"| a=1", ""),
        ("schön\n".encode(), "schön"),
        (b"sch\xf6n\n", "sch\N{REPLACEMENT CHARACTER}n"),
    ],
)
def test_the_first_line_is_for_people(output: bytes, line: str) -> None:
    assert first_line(output) == line


@given(st.integers(-200, 300), st.binary(max_size=50), st.binary(max_size=50))
def test_whatever_a_program_does_it_passes_fails_or_is_unknown(status: int, stdout: bytes, stderr: bytes) -> None:
    try:
        judge("prog", Completed(status, stdout, stderr))
    except CheckFailed:
        assert status == 2
    except LocalFault:
        assert status < 0 or status > 2
    else:
        assert status in {0, 1}
