"""What agents for HAProxy say of their server: words like `up 75%`, `drain`, or `down #out of disk`. Pure.

The grammar is that of `agent-check` in HAProxy's configuration manual: words between spaces, tabs or commas, in any
order and in either case; of several words for the same thing the last one counts; behind a # stands what is for people.
"""

import re

import msgspec

MAX_WEIGHT = 256
UNKNOWN_SHOWN = 60

_SEPARATORS = re.compile(r"[ \t,]+")
_SHARE = re.compile(r"(?:weight:)?(\d{1,9})%", re.ASCII)
_WEIGHT = re.compile(r"weight:(\d{1,9})", re.ASCII)
_CONNECTIONS = re.compile(r"maxconn:\d{1,9}", re.ASCII)


class Words(msgspec.Struct, frozen=True):
    """What was said, and None or nothing for what was not.

    share: of the base weight. weight: the weight itself. drains: no new connections, by `drain` or `maint`. down: the
    word by which the server is down. unknown: the first word that is none.
    """

    share: float | None = None
    weight: int | None = None
    drains: bool = False
    down: str = ""
    unknown: str = ""

    def ratio(self, base_weight: int) -> float | None:
        """Return how much of its base weight the server is to have, None for nothing in particular."""
        if self.drains:
            return 0.0
        return of_base(self.weight, base_weight) if self.share is None else self.share


def parse(line: str) -> Words:
    """Return what a line says."""
    said = Words()
    for word in filter(None, _SEPARATORS.split(line.partition("#")[0].strip().lower())):
        said = msgspec.structs.replace(said, **_meaning(word, said))
    return said


def _meaning(word: str, before: Words) -> dict[str, float | int | str | bool | None]:
    """Return what a word changes of what was said before it."""
    if word in {"drain", "maint", "ready"}:
        return {"drains": word != "ready"}
    if word in {"down", "fail", "stopped", "up"}:
        return {"down": "" if word == "up" else word}
    if match := _SHARE.fullmatch(word):
        return {"share": min(int(match[1]) / 100, float(MAX_WEIGHT)), "weight": None}
    match = _WEIGHT.fullmatch(word)
    if match and int(match[1]) <= MAX_WEIGHT:
        return {"share": None, "weight": int(match[1])}
    if _CONNECTIONS.fullmatch(word):
        return {}
    return {"unknown": before.unknown or word[:UNKNOWN_SHOWN]}


def of_base(weight: float | None, base_weight: int) -> float | None:
    """Return a weight as a share of the base weight, None without one. Out of nothing, nothing can be made."""
    if weight is None or not base_weight:
        return None
    return min(weight / base_weight, float(MAX_WEIGHT))
