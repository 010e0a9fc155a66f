"""What is said of a program's runs: a rule for each thing that an author can get wrong."""

import pytest

from feedback.agent.process import Finished
from feedback.commands.program_rules import RULES, Asked, Verdict, is_good, use_of, verdicts
from feedback.commands.program_trial import Trial
from feedback.model import Outcome

ASKED = Asked(timeout_seconds=2.0)
GOOD = b"OK - 12 wait | 'in box'=12;100;200;0;400 age=3.5s\n"


def trial(stdout: bytes = GOOD, stderr: bytes = b"", status: int = 0) -> Trial:
    return Trial(finished=Finished(status, stdout, stderr), seconds=0.012)


def wrong(*trials: Trial, own: Trial | None = None, asked: Asked = ASKED) -> dict[str, str]:
    judged = verdicts(trials, own, asked)
    assert {verdict.rule for verdict in judged} <= RULES.keys()
    return {verdict.rule: verdict.detail for verdict in judged if not verdict.ok}


def test_a_program_that_keeps_to_all_rules_is_told_what_was_seen() -> None:
    assert verdicts([trial(), trial()], None, ASKED) == tuple(
        Verdict(rule, True, detail)
        for rule, detail in (
            ("runs", "from /, with nothing but PATH in its environment"),
            ("ends", "after 12 ms, of 2s"),
            ("leaves nothing", "no process of it is left"),
            ("exit status", "0, ok"),
            ("output", "50 bytes, of 8192"),
            ("first line", '"OK - 12 wait"'),
            ("standard error", "nothing"),
            ("value", "in box, age"),
            ("same again", "two runs say the same things"),
        )
    )


@pytest.mark.parametrize(
    "stdout", [b"42\n", b"0.75", b"all is well\n", b"OK | a=U\n", "läuft | a=1".encode(), b"a\tb | c=1\nmore\n|d=2"]
)
def test_bare_numbers_and_plain_words_will_do(stdout: bytes) -> None:
    assert wrong(trial(stdout), trial(stdout)) == {}


@pytest.mark.parametrize("status", [0, 1, 2])
def test_a_plugin_may_warn_and_be_critical(status: int) -> None:
    assert wrong(trial(status=status)) == {}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("can't run x: Permission denied", "can't run x: Permission denied: chmod +x makes a program of a file"),
        (
            "can't run x: Exec format error",
            "can't run x: Exec format error: a script begins with a line like #!/bin/sh",
        ),
        ("the program printed more than 65536 bytes", "the program printed more than 65536 bytes"),
    ],
)
def test_a_program_that_was_not_run_to_its_end_is_judged_by_nothing_else(fault: str, said: str) -> None:
    assert wrong(Trial(fault=fault)) == {"runs": said}
    assert [verdict.rule for verdict in verdicts([Trial(fault=fault)], None, ASKED)] == ["runs", "leaves nothing"]


def test_a_script_whose_interpreter_is_not_there_is_told_of_its_first_line() -> None:
    said = wrong(Trial(fault="can't run ./x: No such file or directory"))["runs"]
    assert said.endswith(": what stands behind #! in its first line must be there, and end with LF, not CR LF")


def test_a_program_that_hangs_is_told_that_it_gets_no_input() -> None:
    said = "still runs after 2s, and was killed; its input is empty, it must not wait for any"
    assert wrong(Trial(seconds=2.0)) == {"ends": said}
    assert wrong(trial(), Trial(seconds=2.0)) == {"ends": said}


def test_what_it_leaves_running_is_named() -> None:
    left = Trial(finished=Finished(0, GOOD, b""), left=("sleep", "sh", "sleep"))
    assert wrong(left) == {
        "leaves nothing": "left sh, sleep running, which was killed: it must wait for what it starts"
    }
    escaped = Trial(finished=Finished(0, GOOD, b""), left=("sh",), escaped=("daemon",))
    assert wrong(trial(), escaped)["leaves nothing"].startswith("left daemon behind in a process group of its own")


def test_what_works_only_where_its_author_is_names_the_environment() -> None:
    bad = trial(b"", b"x: not found\n", 127)
    assert "give it absolute paths" in wrong(bad, own=trial())["environment"]
    assert "environment" not in wrong(bad, own=bad)
    assert "environment" not in wrong(trial(), own=trial())
    assert "environment" in wrong(Trial(seconds=2.0), own=trial())


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (4, "4; it must be 0 (ok), 1 (warning), 2 (critical) or 3 (unknown)"),
        (127, "127, with which a shell says that it does not find a program; it must be 0 "),
        (-9, "was killed by signal 9; it must end by itself"),
    ],
)
def test_an_exit_status_is_one_of_four(status: int, said: str) -> None:
    assert wrong(trial(status=status))["exit status"].startswith(said)


@pytest.mark.parametrize("status", [1, 2])
def test_a_program_that_prints_a_number_must_end_with_0(status: int) -> None:
    assert wrong(trial(b"42", status=status))["exit status"].endswith("where it prints a bare number it must be 0")


def test_a_program_that_knows_nothing_has_no_value_to_judge() -> None:
    usage = trial(b"usage: [-u <uri>] | [-p]", status=3)
    assert wrong(usage) == {"value": "none, as it measures nothing: let it have all that it needs"}


def test_more_output_than_is_read_is_told() -> None:
    assert wrong(trial(GOOD + b"x" * 9000)) == {"output": "9050 bytes; the check reads 8192, the metric 65536"}


@pytest.mark.parametrize(
    ("stdout", "said"),
    [
        (b"| a=1", 'says nothing before the "|"; it must say how things are, for people'),
        (b"", "says nothing in its first line; it must say how things are, for people"),
        (b"\nOK", "says nothing in its first line; it must say how things are, for people"),
        (b"\xff | a=1", "must be UTF-8 text"),
        (b"OK\r\n", "ends with CR LF; it must end with LF"),
        (b"\x1b[32mOK\x1b[0m", "must have no control characters, and is '\\x1b[32mOK\\x1b[0m'"),
    ],
)
def test_the_first_line_is_for_people(stdout: bytes, said: str) -> None:
    assert wrong(trial(stdout))["first line"] == said


def test_what_is_lost_on_standard_error_is_shown() -> None:
    said = '"deprecated" is lost there, as only standard output is shown'
    assert wrong(trial(stderr=b"deprecated\nmore\n")) == {"standard error": said}
    assert wrong(trial(b"", b"no such queue"))["standard error"] == '"no such queue" must be on standard output'


@pytest.mark.parametrize(
    ("stdout", "said"),
    [
        (b"nan", "nan; it must be finite"),
        (b"OK |", 'nothing stands behind the "|"; it must be label=value[unit];warn;crit;min;max'),
        (b"OK | a=0,5", '"a=0,5" has a comma where a decimal point must be: LC_ALL=C in the program helps'),
        (b"OK | a=1 a=1xx", '"a": is there twice: only the first is ever read; "a": "xx" is no unit: '),
    ],
)
def test_values_keep_to_the_convention(stdout: bytes, said: str) -> None:
    assert wrong(trial(stdout))["value"].startswith(said)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (GOOD, b"OK | age=3.5s", "the first run says in box, age [s], the second one age [s]"),
        (b"OK | a=1", b"OK | a=1%", "the first run says a, the second one a [%]"),
        (b"42", b"OK", "the first run says a number, the second one no value"),
    ],
)
def test_a_second_run_says_the_same_things(one: bytes, other: bytes, said: str) -> None:
    wanted = f"{said}; the values may change, the labels must not"
    assert wrong(trial(one), trial(other)) == {"same again": wanted}
    assert wrong(trial(GOOD), trial(GOOD.replace(b"=12;", b"=13;"))) == {}


@pytest.mark.parametrize(
    ("stdout", "limit", "ratio", "how"),
    [
        (b"42", 100.0, 0.42, "42 of 100, which is --limit"),
        (b"42", None, 42.0, "42 of 1, until a limit says what is full"),
        (b"OK | a=75%", None, 0.75, "75% of 100, as it is per cent"),
        (GOOD, None, 0.03, "12 of 400, the maximum that it prints"),
        (GOOD, 24.0, 0.5, "12 of 24, which is --limit"),
        (b"OK", 24.0, None, "the program printed 'OK' where a number should be"),
    ],
)
def test_the_ratio_is_the_one_that_the_agent_would_report(
    stdout: bytes, limit: float | None, ratio: float | None, how: str
) -> None:
    finished = Finished(0, stdout, b"")
    use = use_of("x", finished, Asked(timeout_seconds=2.0, limit=limit))
    assert (use.ratio, use.how) == (ratio, how)


def test_who_gives_a_limit_or_a_label_wants_a_metric() -> None:
    asked = Asked(timeout_seconds=2.0, limit=10.0)
    assert wrong(trial(b"OK"), asked=asked) == {"metric": "the program printed 'OK' where a number should be"}
    missing = 'the program printed no performance data called "wait"'
    assert wrong(trial(), asked=Asked(timeout_seconds=2.0, label="wait")) == {"metric": missing}
    assert wrong(trial(), asked=Asked(timeout_seconds=2.0, label="age")) == {}


@pytest.mark.parametrize(
    ("status", "outcome", "detail"),
    [
        (0, Outcome.PASS, "OK - 12 wait"),
        (1, Outcome.PASS, "warning: OK - 12 wait"),
        (2, Outcome.FAIL, "OK - 12 wait"),
        (3, Outcome.UNKNOWN, "x exited with status 3: OK - 12 wait"),
    ],
)
def test_the_outcome_is_the_one_of_the_check(status: int, outcome: Outcome, detail: str) -> None:
    use = use_of("x", Finished(status, GOOD, b""), ASKED)
    assert (use.outcome, use.detail) == (outcome, detail)


def test_a_run_is_good_when_it_has_something_to_say() -> None:
    assert is_good(trial(status=2))
    assert not is_good(trial(status=3))
    assert not is_good(trial(b"\n", status=1))
    assert not is_good(trial(status=-9))
    assert not is_good(Trial(seconds=2.0))


def test_every_rule_can_be_broken() -> None:
    bad = trial(b"\xff | a=1 a=2" + b" " * 9000, b"oh", status=9)
    hangs = Trial(seconds=2.0, left=("sleep",), escaped=("sleep",))
    broken = {
        *wrong(bad, trial(), own=trial(), asked=Asked(timeout_seconds=2.0, label="x")),
        *wrong(hangs),
        *wrong(Trial(fault="can't run x: Exec format error")),
    }
    assert broken == RULES.keys()
