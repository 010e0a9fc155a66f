"""What a program must keep to so that the check `exec` and the source `exec` can use it, judged by runs of it."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from feedback.agent.process import MAX_OUTPUT_BYTES, Finished
from feedback.agent.source import SourceError
from feedback.agent.sources.exec import NAGIOS_UNKNOWN, full, interpret, ratio
from feedback.checks.exec import OUTPUT_LIMIT_BYTES, judge
from feedback.commands.program_trial import Trial
from feedback.errors import CheckFailed, LocalFault
from feedback.model import Outcome
from feedback.net import Completed
from feedback.options import show_duration
from feedback.perfdata import Performance
from feedback.perfdata_grammar import FORM, faults, is_number, labels

RULES: Mapping[str, str] = {
    "runs": "can be started from / with nothing but PATH in its environment",
    "environment": "needs nothing else of its author's directory and environment",
    "ends": "ends within --timeout, and waits for no input",
    "leaves nothing": "leaves no process behind, in its group or out of it",
    "exit status": "ends with 0, 1, 2 or 3; with 0 where it prints one number",
    "output": f"prints at most {OUTPUT_LIMIT_BYTES} bytes",
    "first line": "says in its first line, in UTF-8, how things are",
    "standard error": "prints nothing there, where it would be lost",
    "value": f"prints {FORM}, or one number",
    "metric": "has the value that --limit or --label ask for",
    "same again": "prints the same labels and units a second time",
}

STATUSES = {0: "0, ok", 1: "1, a warning", 2: "2, critical", 3: "3, unknown"}
SHELL_STATUSES = {
    126: "with which a shell says that it may not run a program",
    127: "with which a shell says that it does not find a program",
}
START_HINTS = {
    "Permission denied": "chmod +x makes a program of a file",
    "Exec format error": "a script begins with a line like #!/bin/sh",
    "No such file or directory": "what stands behind #! in its first line must be there, and end with LF, not CR LF",
}


class Verdict(msgspec.Struct, frozen=True):
    """Whether a program keeps to a rule, and what was seen or what would be right."""

    rule: str
    ok: bool
    detail: str


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants of a program. With a limit or a label it is to be a metric."""

    timeout_seconds: float
    limit: float | None = None
    label: str | None = None

    @property
    def metric(self) -> bool:
        """Whether it must print a value."""
        return self.limit is not None or self.label is not None


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What comes of a run. outcome: as a check. ratio: as a metric, with how, or why there is none."""

    outcome: Outcome
    detail: str
    ratio: float | None
    how: str


def verdicts(trials: Sequence[Trial], own: Trial | None, asked: Asked) -> tuple[Verdict, ...]:
    """Return a verdict for each rule that the runs say anything of.

    `trials` are runs as the agent's, one or two of them; `own` is one in the directory and the environment of whoever
    asks, where the others were no good.
    """
    return tuple(_verdicts(trials, own, asked))


def is_good(trial: Trial) -> bool:
    """Return whether a program has ended by itself and has something to say."""
    finished = trial.finished
    return finished is not None and 0 <= finished.status < NAGIOS_UNKNOWN and bool(finished.stdout.strip())


def use_of(program: str, finished: Finished, asked: Asked) -> Use:
    """Return what the check and the source make of a run."""
    outcome, detail = _as_check(program, finished)
    try:
        performance = interpret(finished, asked.label)
    except SourceError as error:
        return Use(outcome=outcome, detail=detail, ratio=None, how=str(error))
    of = f"{performance.value:.12g}{performance.unit} of {full(performance, asked.limit):.12g}"
    how = f"{of}, {_whose_limit(performance, asked.limit)}"
    return Use(outcome=outcome, detail=detail, ratio=ratio(performance, asked.limit), how=how)


def _as_check(program: str, finished: Finished) -> tuple[Outcome, str]:
    completed = Completed(finished.status, finished.stdout[:OUTPUT_LIMIT_BYTES], finished.stderr[:OUTPUT_LIMIT_BYTES])
    try:
        return Outcome.PASS, judge(program, completed)
    except CheckFailed as error:
        return Outcome.FAIL, error.detail
    except LocalFault as error:
        return Outcome.UNKNOWN, str(error)


def _whose_limit(performance: Performance, limit: float | None) -> str:
    if limit:
        return "which is --limit"
    if performance.maximum:
        return "the maximum that it prints"
    return "as it is per cent" if performance.unit == "%" else "until a limit says what is full"


def _verdicts(trials: Sequence[Trial], own: Trial | None, asked: Asked) -> Iterator[Verdict]:
    first = trials[0]
    yield _run(first)
    if own is not None:
        yield from _environment(first, own)
    if not first.fault:
        yield _ends(trials, asked.timeout_seconds)
    yield _leaves(trials)
    if first.finished is not None:
        yield from _says(first.finished, asked)
    if len(trials) > 1:
        yield from _same(*trials[:2])


def _run(trial: Trial) -> Verdict:
    hint = next((hint for words, hint in START_HINTS.items() if words in trial.fault), "")
    detail = f"{trial.fault}: {hint}" if hint else trial.fault
    return Verdict("runs", not trial.fault, detail or "from /, with nothing but PATH in its environment")


def _environment(trial: Trial, own: Trial) -> Iterator[Verdict]:
    if is_good(own) and not is_good(trial):
        yield Verdict(
            "environment",
            False,
            "works in your directory and environment, and not from / with PATH alone, as it is run: give it absolute "
            "paths, and let it set the variables that it needs",
        )


def _ends(trials: Sequence[Trial], timeout_seconds: float) -> Verdict:
    limit = show_duration(timeout_seconds)
    if any(trial.finished is None for trial in trials):
        return Verdict(
            "ends", False, f"still runs after {limit}, and was killed; its input is empty, it must not wait for any"
        )
    return Verdict("ends", True, f"after {max(trial.seconds for trial in trials) * 1000:.0f} ms, of {limit}")


def _leaves(trials: Sequence[Trial]) -> Verdict:
    escaped = _names(name for trial in trials for name in trial.escaped)
    if escaped:
        return Verdict(
            "leaves nothing",
            False,
            f"left {escaped} behind in a process group of its own, which nobody would ever kill: no setsid, no daemon",
        )
    if left := _names(name for trial in trials for name in trial.left):
        return Verdict(
            "leaves nothing", False, f"left {left} running, which was killed: it must wait for what it starts"
        )
    return Verdict("leaves nothing", True, "no process of it is left")


def _names(names: Iterator[str]) -> str:
    return ", ".join(sorted(set(names)))


def _says(finished: Finished, asked: Asked) -> Iterator[Verdict]:
    yield _status(finished)
    yield _size(finished)
    yield _first_line(finished)
    yield _errors(finished)
    yield _value(finished)
    if asked.metric:
        use = use_of("", finished, asked)
        yield Verdict("metric", use.ratio is not None, use.how)


def _status(finished: Finished) -> Verdict:
    status = finished.status
    if status < 0:
        return Verdict("exit status", False, f"was killed by signal {-status}; it must end by itself")
    if status not in STATUSES:
        why = f", {SHELL_STATUSES[status]}" if status in SHELL_STATUSES else ""
        must = "it must be 0 (ok), 1 (warning), 2 (critical) or 3 (unknown)"
        return Verdict("exit status", False, f"{status}{why}; {must}")
    if status in {1, 2} and _bare(finished) is not None:
        return Verdict("exit status", False, f"{STATUSES[status]}; where it prints a bare number it must be 0")
    return Verdict("exit status", True, STATUSES[status])


def _size(finished: Finished) -> Verdict:
    size = len(finished.stdout)
    if size > OUTPUT_LIMIT_BYTES:
        most = f"the check reads {OUTPUT_LIMIT_BYTES}, the metric {MAX_OUTPUT_BYTES}"
        return Verdict("output", False, f"{size} bytes; {most}")
    return Verdict("output", True, f"{size} bytes, of {OUTPUT_LIMIT_BYTES}")


def _first_line(finished: Finished) -> Verdict:
    line, _, _ = finished.stdout.partition(b"\n")
    text = line.partition(b"|")[0].decode("utf-8", "replace").strip(" ")
    if not text.strip():
        where = 'before the "|"' if b"|" in line else "in its first line"
        return Verdict("first line", False, f"says nothing {where}; it must say how things are, for people")
    if "\ufffd" in text:
        return Verdict("first line", False, "must be UTF-8 text")
    if text.endswith("\r"):
        return Verdict("first line", False, "ends with CR LF; it must end with LF")
    if not text.replace("\t", " ").isprintable():
        return Verdict("first line", False, f"must have no control characters, and is {text[:100]!r}")
    return Verdict("first line", True, f'"{text[:100]}"')


def _errors(finished: Finished) -> Verdict:
    said = finished.stderr.decode("utf-8", "replace").strip()
    if said and finished.stdout.strip():
        line = said.partition("\n")[0][:100]
        return Verdict("standard error", False, f'"{line}" is lost there, as only standard output is shown')
    if said:
        return Verdict("standard error", False, f'"{said[:100]}" must be on standard output')
    return Verdict("standard error", True, "nothing")


def _value(finished: Finished) -> Verdict:
    """Judge the performance data, or the bare number."""
    number = _bare(finished)
    if number is not None:
        return Verdict("value", is_number(number), number if is_number(number) else f"{number}; it must be finite")
    if finished.status >= NAGIOS_UNKNOWN:
        return Verdict("value", False, "none, as it measures nothing: let it have all that it needs")
    if wrong := faults(finished.stdout):
        return Verdict("value", False, "; ".join(wrong))
    if found := labels(finished.stdout):
        return Verdict("value", True, ", ".join(label for label, _ in found[:10]))
    if b"|" in finished.stdout:
        return Verdict("value", False, f'nothing stands behind the "|"; it must be {FORM}')
    return Verdict("value", True, "none: it is a check, and no metric")


def _bare(finished: Finished) -> str | None:
    """Return the first line where it is a number and no performance data follows."""
    line = finished.stdout.decode("utf-8", "replace").strip().partition("\n")[0].strip()
    with contextlib.suppress(ValueError):
        float(line)
        return None if b"|" in finished.stdout else line
    return None


def _same(one: Trial, other: Trial) -> Iterator[Verdict]:
    if one.finished is None or other.finished is None:
        return
    shapes = [_shape(one.finished), _shape(other.finished)]
    same = shapes[0] == shapes[1]
    told = "two runs say the same things" if same else f"the first run says {shapes[0]}, the second one {shapes[1]}"
    yield Verdict("same again", same, told if same else f"{told}; the values may change, the labels must not")


def _shape(finished: Finished) -> str:
    if found := labels(finished.stdout):
        return ", ".join(f"{label} [{unit}]" if unit else label for label, unit in found[:10])
    return "a number" if _bare(finished) is not None else "no value"
