"""The `exec` check: the conventions of many monitors, against programs that end as a script says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.exec import OUTPUT_LIMIT_BYTES, ExecCheck, first_line, judge
from feedback.errors import CheckFailed, LocalFault
from feedback.model import Endpoint, Outcome
from feedback.net import Completed, Target
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


# Other monitors' programs

TARGET = Target(Endpoint("192.0.2.11", 8080), "rs1", "web", base_weight=50, vip=Endpoint("192.0.2.10", 80))


@pytest.mark.parametrize(
    ("convention", "arguments"),
    [
        ("nagios", []),
        ("keepalived", []),
        ("ldirectord", ["192.0.2.10", "80", "192.0.2.11", "8080"]),
        ("haproxy", ["192.0.2.10", "80", "192.0.2.11", "8080"]),
        ("mon", ["192.0.2.11"]),
    ],
)
def test_a_program_is_told_what_its_convention_has(convention: Any, arguments: list[str]) -> None:
    program = Program()
    assert run_check(ExecCheck(command=["it", "-v"], convention=convention), program, target=TARGET).detail == ""
    assert program.command == ["it", "-v", *arguments]
    assert program.environment["FEEDBACK_VIP"] == "192.0.2.10"
    assert program.environment["FEEDBACK_VIP_PORT"] == "80"


@pytest.mark.parametrize("convention", ["keepalived", "ldirectord", "haproxy", "mon"])
def test_elsewhere_every_status_but_0_is_a_failure(convention: Any) -> None:
    check = ExecCheck(command=["it"], convention=convention)
    assert run_check(check, Program(Completed(0, b"fine\n", b""))).detail == "fine"
    for status in (1, 2, 3, 127, 255):
        result = run_check(check, Program(Completed(status, b"", b"")))
        assert (result.outcome, result.reason, result.detail) == (
            Outcome.FAIL,
            "exit",
            f"it exited with status {status}",
        )
    assert run_check(check, Program(Completed(-9, b"", b""))).outcome is Outcome.UNKNOWN


def test_a_mon_monitors_detail_is_what_follows_the_hosts_that_failed() -> None:
    check = ExecCheck(command=["it"], convention="mon")
    printed = b"192.0.2.11\n\n192.0.2.11 could not connect\nmore\n"
    assert run_check(check, Program(Completed(1, printed, b""))).detail == "192.0.2.11 could not connect"
    assert run_check(check, Program(Completed(1, b"192.0.2.11\n", b""))).detail == "192.0.2.11"
    assert (
        run_check(check, Program(Completed(0, b"\nHOST 192.0.2.11: ok\n200 OK\n", b""))).detail == "HOST 192.0.2.11: ok"
    )


@pytest.mark.parametrize(
    ("status", "printed", "outcome", "reason", "detail"),
    [
        (0, b"UP\n", Outcome.PASS, "", "UP"),
        (0, b"UP", Outcome.PASS, "", "UP"),
        (0, b"UP\n\n", Outcome.FAIL, "content", r'printed "UP\n\n", must be "UP"'),
        (0, b"UPS\n", Outcome.FAIL, "content", r'printed "UPS\n", must be "UP"'),
        (0, b"", Outcome.FAIL, "content", 'printed "", must be "UP"'),
        (1, b"UP\n", Outcome.FAIL, "exit", "UP"),
    ],
)
def test_a_piranha_program_must_print_what_is_expected_and_succeed(
    status: int, printed: bytes, outcome: Outcome, reason: str, detail: str
) -> None:
    program = Program(Completed(status, printed, b""))
    check = ExecCheck(command=["ask", "%h", "-p%p", "100%"], convention="piranha", expect="UP")
    result = run_check(check, program, target=TARGET)
    assert (result.outcome, result.reason, result.detail) == (outcome, reason, detail)
    assert program.command == ["ask", "192.0.2.11", "-p8080", "100%"]


def test_a_piranha_program_that_does_not_end_fails() -> None:
    check = ExecCheck(command=["ask"], convention="piranha", expect="UP")
    assert run_check(check, Program(hangs=True)).reason == "timeout"


def test_what_a_plugin_prints_can_be_compared_too() -> None:
    check = ExecCheck(command=["it"], expect="OK")
    assert run_check(check, Program(Completed(0, b"OK\n", b""))).outcome is Outcome.PASS
    assert run_check(check, Program(Completed(0, b"OK - fine\n", b""))).reason == "content"


# Weights


@pytest.mark.parametrize(
    ("status", "ratio"), [(0, None), (2, 0.0), (3, 0.02), (27, 0.5), (52, 1.0), (102, 2.0), (255, 5.06)]
)
def test_misc_dynamics_exit_status_is_a_weight(status: int, ratio: float | None) -> None:
    check = ExecCheck(command=["it"], convention="keepalived", weight_from="exit_status")
    result = run_check(check, Program(Completed(status, b"busy\n", b"")), target=TARGET)
    assert (result.outcome, result.detail, result.weight_ratio) == (Outcome.PASS, "busy", ratio)


def test_misc_dynamics_status_1_fails_and_a_kill_leaves_nothing_behind() -> None:
    """A script that is killed has no say; the next one's weight is again what it says, and not what adds up."""
    check = ExecCheck(command=["it"], convention="keepalived", weight_from="exit_status")
    assert run_check(check, Program(Completed(1, b"", b"")), target=TARGET).reason == "exit"
    result = run_check(check, Program(Completed(-15, b"", b"")), target=TARGET)
    assert (result.outcome, result.weight_ratio) == (Outcome.UNKNOWN, None)
    for _ in range(3):
        assert run_check(check, Program(Completed(27, b"", b"")), target=TARGET).weight_ratio == 0.5


def test_a_destination_without_a_weight_gets_none_by_a_number() -> None:
    check = ExecCheck(command=["it"], convention="keepalived", weight_from="exit_status")
    target = Target(Endpoint("192.0.2.11", 80), base_weight=0)
    assert run_check(check, Program(Completed(27, b"", b"")), target=target).weight_ratio is None


@pytest.mark.parametrize(
    ("printed", "ratio", "detail"),
    [
        (b"75%\n", 0.75, "75%"),
        (b"up weight:25 # fine\n", 0.5, "up weight:25 # fine"),
        (b"drain\n", 0.0, "drain"),
        (b"up\nweight:1\n", None, "up"),
        (b"", None, ""),
        (b"failed 50%\n", 0.5, 'failed 50%, knows no word "failed"'),
    ],
)
def test_an_agents_words_are_a_weight(printed: bytes, ratio: float | None, detail: str) -> None:
    check = ExecCheck(command=["it"], weight_from="words")
    result = run_check(check, Program(Completed(0, printed, b"")), target=TARGET)
    assert (result.outcome, result.detail, result.weight_ratio) == (Outcome.PASS, detail, ratio)


@pytest.mark.parametrize("word", ["down", "fail", "stopped"])
def test_an_agent_that_says_down_fails(word: str) -> None:
    check = ExecCheck(command=["it"], weight_from="words")
    result = run_check(check, Program(Completed(0, f"50% {word} #out of disk\n".encode(), b"")))
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAIL, "status", f"50% {word} #out of disk")


@pytest.mark.parametrize(
    ("printed", "ratio", "detail"),
    [
        (b"OK | weight=30%", 0.3, "OK"),
        (b"OK | load=3 weight=30;;;0;100", 0.6, "OK"),
        (b"OK | weight=0", 0.0, "OK"),
        (b"OK | weight=99999999999", 256.0, "OK"),
        (b"OK | weight=99999999999%", 256.0, "OK"),
        (b"OK | weight=-5", None, "OK, no weight: weight is -5"),
        (b"OK | weight=U", None, 'OK, no weight: the program could not determine "weight" (it printed U)'),
        (b"OK", None, 'OK, no weight: the program printed no performance data, and so no "weight"'),
        (b"| load=3", None, 'no weight: the program printed no performance data called "weight"'),
    ],
)
def test_a_value_of_the_performance_data_is_a_weight(printed: bytes, ratio: float | None, detail: str) -> None:
    check = ExecCheck(command=["it"], weight_from="perfdata")
    result = run_check(check, Program(Completed(0, printed, b"")), target=TARGET)
    assert (result.outcome, result.detail, result.weight_ratio) == (Outcome.PASS, detail, ratio)


def test_the_value_may_have_another_name() -> None:
    check = ExecCheck(command=["it"], weight_from="perfdata", label="free")
    assert run_check(check, Program(Completed(1, b"so | used=80% free=20%", b""))).weight_ratio == 0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"convention": "piranha"}, r"^expect: must say what the program prints, as convention: piranha goes by that$"),
        ({"weight_from": "exit_status"}, r"^weight_from: exit_status goes with convention: keepalived$"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExecCheck(command=["it"], **options)
