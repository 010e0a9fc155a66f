"""What a command prints that tells a host's load: lines of /proc, a report of the agent, or a number. Pure."""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

import msgspec

from feedback.director.feeds.feed import busy_ratio
from feedback.errors import CheckFailed, Reason
from feedback.perfdata import PerfdataError, parse_output
from feedback.report import MAX_METRICS, Report, failure_line, is_name, is_ratio, known_words

COMMAND = (
    "grep ^cpu /proc/stat; cat /proc/meminfo /proc/loadavg; "
    "grep -s ^some /proc/pressure/cpu /proc/pressure/memory /proc/pressure/io"
)
"""What is run on a host unless another command is configured. No line needs a mark of where it is from."""

METRIC = "command"

Metric = Literal["cpu", "memory", "load", "pressure"]
"""What lines of /proc tell."""

_IDLE = frozenset({3, 4})  # proc(5): idle and iowait, of user nice system idle iowait irq softirq steal
_CPU = re.compile(r"^cpu +([0-9 ]+)$", re.MULTILINE)
_ONE_CPU = re.compile(r"^cpu[0-9]+ ", re.MULTILINE)
_MEMORY = re.compile(r"^(MemTotal|MemAvailable): +([0-9]{1,18}) kB$", re.MULTILINE)
_LOAD = re.compile(r"^([0-9]{1,9}\.[0-9]{2}) [0-9.]+ [0-9.]+ [0-9]+/[0-9]+ [0-9]+$", re.MULTILINE)
_PRESSURE = re.compile(r"^/proc/pressure/(cpu|memory|io):some .* total=([0-9]{1,18})$", re.MULTILINE)


class Reading(msgspec.Struct, frozen=True):
    """Running totals of one moment, in the seconds of whoever read them: ticks of CPU time, microseconds waited."""

    at: float = -math.inf
    cpu_time: tuple[int, ...] = ()
    waited: Mapping[str, int] = {}


def read(
    printed: bytes, before: Reading, now: float, limit: float | None, wanted: Collection[Metric]
) -> tuple[Report, Reading]:
    """Return what an agent would report of what a command has printed, and the totals for the next time.

    Of lines of /proc come the metrics that are `wanted`: none of them before CPU time can be measured, because a host
    of which only the memory is known would look idle. `limit` is what of a bare number is 1. Raises CheckFailed when it
    is nothing of the kind.
    """
    text = printed.decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        return _read_report(printed), before
    if _CPU.search(text):
        return _read_proc(text, before, now, wanted)
    try:
        performance = parse_output(printed, None)
    except PerfdataError as error:
        raise CheckFailed(Reason.CONTENT, str(error)) from None
    full = limit or performance.maximum or (100.0 if performance.unit == "%" else 1.0)
    ratio = performance.value / full
    if not is_ratio(ratio):
        raise CheckFailed(Reason.CONTENT, f"the command printed {performance.value:g}, which is no share of {full:g}")
    return Report(metrics={performance.label if is_name(performance.label) else METRIC: ratio}), before


def _read_report(printed: bytes) -> Report:
    """Read what `feedback agent --once` prints; of a foreign object, its `metrics`."""
    try:
        document: dict[str, Any] = msgspec.json.decode(printed, type=dict[str, Any])
        report = msgspec.convert({**known_words(document)[0], "type": "report"}, Report, strict=True)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise CheckFailed(Reason.CONTENT, f"the command printed no report: {error}") from None
    if len(report.metrics) > MAX_METRICS or len(report.failures) > MAX_METRICS:
        raise CheckFailed(Reason.LIMIT, f"the command printed more than {MAX_METRICS} metrics")
    for name, value in report.metrics.items():
        if not (is_name(name) and is_ratio(value)):
            raise CheckFailed(Reason.CONTENT, f"the command printed the metric {name[:40]!r} of {value}")
    failures = {name: failure_line(why) for name, why in report.failures.items() if is_name(name)}
    return Report(metrics=report.metrics, failures=failures, state=report.state, why=failure_line(report.why))


def _read_proc(text: str, before: Reading, now: float, wanted: Collection[Metric]) -> tuple[Report, Reading]:
    cpu = _CPU.search(text)
    ticks = tuple(int(word) for word in cpu[1].split()[:8]) if cpu else ()
    reading = Reading(now, ticks, {found[1]: int(found[2]) for found in _PRESSURE.finditer(text)})
    used = busy_ratio(before.cpu_time, reading.cpu_time, _IDLE)
    if used is None:
        return Report(metrics={}), reading
    metrics: dict[Metric, float] = {"cpu": used}
    memory = {found[1]: int(found[2]) for found in _MEMORY.finditer(text)}
    if memory.get("MemTotal", 0) > 0 and "MemAvailable" in memory:
        metrics["memory"] = min(1.0, max(0.0, 1 - memory["MemAvailable"] / memory["MemTotal"]))
    cpus = len(_ONE_CPU.findall(text))
    if (load := _LOAD.search(text)) and cpus:
        metrics["load"] = float(load[1]) / cpus
    pressure = _pressure(before, reading)
    if pressure is not None:
        metrics["pressure"] = pressure
    return Report(metrics={name: value for name, value in metrics.items() if name in wanted}), reading


def _pressure(before: Reading, after: Reading) -> float | None:
    """Return the largest share of the time between two readings in which tasks waited for something."""
    seconds = after.at - before.at
    waits = [after.waited[name] - before.waited[name] for name in after.waited.keys() & before.waited.keys()]
    return min(1.0, max(0.0, max(waits) / 1e6 / seconds)) if waits and seconds > 0 else None
