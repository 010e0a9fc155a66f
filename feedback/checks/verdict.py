"""What the end of a check's coroutine means: the table of outcomes. Pure."""

import functools

from feedback.checks.check import Passed
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.model import CheckResult, Outcome

DETAIL_LENGTH = 300

MAX_WEIGHT_RATIO = 256.0
"""As much as HAProxy's agents may ask for; the kernel's own limit is applied to the weight that comes of it."""

MIN_SLOW_RATIO = 0.1
"""However slow a service is, it keeps this much of its weight: it does answer."""

_PASS = Outcome.PASS


def passed(returned: object, duration_seconds: float, slow_seconds: float | None = None) -> CheckResult:
    """Return the result of a probe that returned. One that took longer than `slow_seconds` lowers the weight."""
    if type(returned) is str:
        hint = None if slow_seconds is None else _hint(None, duration_seconds, slow_seconds)
        return CheckResult(_PASS, "", one_line(returned), duration_seconds, hint)
    if not isinstance(returned, Passed):
        return bug(f"the check returned {type(returned).__name__}, must return its detail as str", duration_seconds)
    ratio = returned.weight_ratio
    if ratio is not None and not 0 <= ratio <= MAX_WEIGHT_RATIO:
        return bug(f"the check returned a weight_ratio of {ratio}, must be 0 to {MAX_WEIGHT_RATIO}", duration_seconds)
    hint = _hint(ratio, duration_seconds, slow_seconds)
    return CheckResult(_PASS, "", one_line(returned.detail), duration_seconds, hint)


def _hint(ratio: float | None, duration_seconds: float, slow_seconds: float | None) -> float | None:
    """Return the smaller of the check's own hint and what is left of the weight of a service so slow."""
    if slow_seconds is None or duration_seconds <= slow_seconds:
        return ratio
    slowness = max(MIN_SLOW_RATIO, slow_seconds / duration_seconds)
    return slowness if ratio is None else min(ratio, slowness)


def failed(error: BaseException, stage: str, duration_seconds: float) -> CheckResult:
    """Return the result of a probe that raised at a stage: what is neither of the service nor of this host is a bug."""
    if isinstance(error, CheckFailed):
        return CheckResult(Outcome.FAIL, error.reason.value, _at(stage, error.detail), duration_seconds)
    if isinstance(error, LocalFault):
        return CheckResult(Outcome.UNKNOWN, Reason.LOCAL.value, _at(stage, str(error)), duration_seconds)
    return bug(f"the check raised {type(error).__name__}: {error}", duration_seconds)


def timed_out(lacking: str, stage: str, timeout_seconds: float, duration_seconds: float) -> CheckResult:
    """Return the result of a probe that its deadline ended: `lacking` says what had not come."""
    detail = _at(stage, f"{lacking} within {timeout_seconds:g} s")
    return CheckResult(Outcome.FAIL, Reason.TIMEOUT.value, detail, duration_seconds)


def bug(detail: str, duration_seconds: float) -> CheckResult:
    """Return the result of a probe that did what it should not: it says nothing of the service."""
    return CheckResult(Outcome.UNKNOWN, Reason.BUG.value, one_line(detail), duration_seconds)


def _at(stage: str, detail: str) -> str:
    return one_line(f"{stage}: {detail}" if stage else detail)


@functools.lru_cache(maxsize=1024)  # most checks say the same every time
def one_line(text: str) -> str:
    """Return a text that fits a log line and a table: printable, in one line, shortened."""
    if text.isprintable() and len(text) <= DETAIL_LENGTH:
        return text
    text = "".join(letter if letter.isprintable() else " " for letter in text[: DETAIL_LENGTH + 1]).strip()
    return text if len(text) <= DETAIL_LENGTH else text[: DETAIL_LENGTH - 1] + "…"
