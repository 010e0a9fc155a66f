"""What is wrong with a program's performance data, in sentences: for whoever writes the program. Pure.

What `feedback.perfdata` can't read it leaves out, and goes on with the rest; here that is told.
"""

import math
import re

from feedback.perfdata import ITEM, performance_text

MAX_FAULTS = 5

UNITS = frozenset({"", "%", "c", "s", "ms", "us", "ns", "B"}) | {
    f"{power}{i}B" for power in "kKMGTPE" for i in ("", "i")
}

FORM = "label=value[unit];warn;crit;min;max"

_NUMBER = r"[-+]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})"
_RANGE = re.compile(rf"@?(?:(?:~|{_NUMBER})?:)?(?:{_NUMBER})?")
_HINTS = (
    (re.compile(r";.*"), f"is more than a value may have: {FORM}"),
    (re.compile(r"'[^']*"), "has no second quotation mark"),
    (re.compile(r".*=[-+]?\d+,\d+.*"), "has a comma where a decimal point must be: LC_ALL=C in the program helps"),
    (
        re.compile(r".*=[-+]?(?:nan|inf)[a-z]*\b.*", re.IGNORECASE),
        "must be a finite number, or U where it is not known",
    ),
    (re.compile(rf".*={_NUMBER}[eE][-+]?\d+.*"), "must be written without an exponent"),
    (re.compile(r".*=(?:;.*)?"), "has no value; where it is not known, that is U"),
    (re.compile(r"[^=]*"), "is no value; a label with spaces stands in single quotes, like 'in box'=3"),
)


def labels(output: bytes) -> tuple[tuple[str, str], ...]:
    """Return label and unit of each value that can be read, in their order."""
    return tuple((_label(item), item["unit"]) for item in ITEM.finditer(performance_text(output)))


def faults(output: bytes) -> list[str]:
    """Return what is wrong with the performance data, a sentence for each thing, and of many the first ones."""
    text = performance_text(output)
    found, seen, end = [], set[str](), 0
    for item in ITEM.finditer(text):
        found += _unread(text[end : item.start()])
        found += _wrong(item, seen)
        end = item.end()
    return [*found, *_unread(text[end:])][:MAX_FAULTS]


def _label(item: re.Match[str]) -> str:
    return (item["quoted"] or item["plain"]).replace("''", "'")


def _unread(text: str) -> list[str]:
    """Return what to say of words that are no values."""
    return [f'"{word[:60]}" {_hint(word[:200])}' for word in text.split()[:MAX_FAULTS]]


def _hint(word: str) -> str:
    return next((hint for pattern, hint in _HINTS if pattern.fullmatch(word)), f"is not of the form {FORM}")


def _wrong(item: re.Match[str], seen: set[str]) -> list[str]:
    """Return what is wrong with a value that can be read."""
    label = _label(item)
    wrong = [] if label not in seen else ["is there twice: only the first is ever read"]
    seen.add(label)
    if item["value"] != "U" and not is_number(item["value"]):
        wrong.append(f'"{item["value"]}" must be a number')
    if item["unit"] not in UNITS:
        wrong.append(f'"{item["unit"]}" is no unit: there are none, %, c (a counter), s, ms, us, ns, B, KB, MB, GB, TB')
    wrong += [
        f'"{item[key]}", its {key} range, must be like 80, 10:20, ~:80 or @10:20'
        for key in ("warning", "critical")
        if not _RANGE.fullmatch(item[key] or "")
    ]
    wrong += [
        f'"{item[key]}", its {key}, must be a number without a unit'
        for key in ("minimum", "maximum")
        if item[key] and not is_number(item[key])
    ]
    return [f'"{label[:60]}": {sentence}' for sentence in wrong]


def is_number(text: str) -> bool:
    """Return whether a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
