"""Clusters to which something happens, moment by moment: what a policy is stepped through."""

from collections.abc import Callable, Mapping
from typing import Any

from feedback.director.weights import Member
from feedback.report import MAX_RATIO

Moment = tuple[float, dict[str, Member]]


def _member(utilization: float | None, base_weight: int = 100, **more: Any) -> Member:
    fields = {"weight": base_weight, "usable_seconds": 1000.0, **more}
    return Member(base_weight=base_weight, utilization=utilization, **fields)


def eventful() -> list[Moment]:
    """Return a story: members come and go, some are silent for a while, and time is irregular and stands still."""
    moments: list[Moment] = []
    now = 50_000.0
    for number in range(120):
        now += (1.0, 0.1, 3.0, 1.0, 0.0)[number % 5] + (3600.0 if number == 90 else 0.0)
        members = {
            "rs1": _member(0.2 + 0.6 * (number % 7) / 7),
            "rs2": _member(0.9, 50, active_connections=number, new_connections=3),
            "old": _member(0.4, 0),
        }
        if number % 40 >= 20:
            members["guest"] = _member(0.1, 1 + number // 40, usable_seconds=float(number % 20))
        if 30 <= number < 60:
            members["rs2"] = _member(None, 50)
        if number >= 100:
            members["rs1"] = _member(0.5, 200)
        moments.append((now, members))
    return moments


def _still(members: dict[str, Member]) -> list[Moment]:
    return [(7.0, dict(members))] * 20 + [(8.0 + second, dict(members)) for second in range(40)]


STORIES: Mapping[str, Callable[[], list[Moment]]] = {
    "nobody": lambda: [(float(second), {}) for second in range(5)],
    "one member": lambda: _still({"rs1": _member(0.7)}),
    "hundreds of members": lambda: [
        (float(second), {f"rs{number}": _member((number + second) % 10 / 10) for number in range(300)})
        for second in range(20)
    ],
    "nobody busy": lambda: _still({"rs1": _member(0.0), "rs2": _member(0.0)}),
    "one idle, one as busy as can be told": lambda: _still({"rs1": _member(0.0), "rs2": _member(MAX_RATIO)}),
    "nobody ever reports": lambda: _still({"rs1": _member(None), "rs2": _member(None, 7)}),
    "weights from 1 to what the kernel takes": lambda: _still({"rs1": _member(0.5, 1), "rs2": _member(0.5, 2**31 - 1)}),
    "weights that another hand has written": lambda: _still(
        {"rs1": _member(0.5, weight=0), "rs2": _member(0.5, weight=100_000)}
    ),
    "as many connections as can be": lambda: _still(
        {"rs1": _member(0.5, active_connections=2**32, new_connections=2**32), "rs2": _member(0.5)}
    ),
    "members that have only just become usable": lambda: _still({"rs1": _member(0.5, usable_seconds=0.0)}),
}
