"""What a program's output says: a bare number, or a Nagios plugin's performance data. Pure.

A plugin prints `text | 'label'=value[unit];warn;crit;min;max ...`; more lines may follow, the later ones with a
second `|` before more of the same (Nagios Plugins Development Guidelines, "Performance data").
"""

import re

import msgspec

from feedback.errors import FeedbackError

# Every part is bounded and gives nothing back (`+`), so that no output can make the search slow.
ITEM = re.compile(
    r"""(?<!\S)
    (?:'(?P<quoted>(?:[^']|''){1,200}+)'|(?P<plain>[^\s'=]{1,200}+))
    =(?P<value>U|[-+]?[0-9.]{1,40}+)
    (?P<unit>[^\s;0-9.]{0,20}+)
    (?:;(?P<warning>[^\s;]{0,80}+))?+
    (?:;(?P<critical>[^\s;]{0,80}+))?+
    (?:;(?P<minimum>[^\s;]{0,80}+))?+
    (?:;(?P<maximum>[^\s;]{0,80}+))?+
    (?=\s|;|$)""",
    re.ASCII | re.VERBOSE,
)


class PerfdataError(FeedbackError):
    """What a program printed is neither a number nor performance data, or not the one that is wanted."""


class Performance(msgspec.Struct, frozen=True):
    """One value that a program printed. `maximum` is None where it gave none."""

    label: str
    value: float
    unit: str = ""
    maximum: float | None = None


def parse_output(output: bytes, label: str | None) -> Performance:
    """Return the value called `label`, or the first one. Raises PerfdataError with what was there instead."""
    text = output.decode("utf-8", "replace").strip()
    first = text.partition("\n")[0].strip()
    if "|" not in text:
        if label is not None:
            raise PerfdataError(f'the program printed no performance data, and so no "{label}"')
        return Performance("", _number(first, first))
    for found in ITEM.finditer(performance_text(output)):
        name = (found["quoted"] or found["plain"]).replace("''", "'")
        if label is None or name == label:
            return _performance(name, found)
    raise PerfdataError("the program printed no performance data" + (f' called "{label}"' if label else ""))


def performance_text(output: bytes) -> str:
    """Return what stands behind the first line's `|`, and behind the second `|` of all."""
    first, _, more = output.decode("utf-8", "replace").strip().partition("\n")
    return f"{first.partition('|')[2]} {more.partition('|')[2]}"


def _performance(name: str, found: re.Match[str]) -> Performance:
    if found["value"] == "U":
        raise PerfdataError(f'the program could not determine "{name}" (it printed U)')
    maximum = _number(found["maximum"], name) if found["maximum"] else None
    return Performance(name, _number(found["value"], name), found["unit"], maximum)


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise PerfdataError(f"the program printed {what[:60]!r} where a number should be") from None
