"""Reads what may act on the host, of agent.yaml: `watches`, and the thresholds of a metric."""

import re
from typing import Annotated, Literal

import msgspec

from feedback.agent.acting import LET_GO_SECONDS, Threshold, Trigger
from feedback.agent.config import WatchConfig
from feedback.agent.readings import INTERVALS_TO_LIVE
from feedback.agent.watches.watch import Watch
from feedback.options import Duration, Port
from feedback.reader import Refused, child, read_class
from feedback.report import MAX_RATIO, HostState
from feedback.tree import Node, Problems

BAND = 0.9
"""Without `below`, what acts ceases to at this share of `above`."""

KINDS = ("listener", "unit", "pressure", "file")

Above = Annotated[float, msgspec.Meta(gt=0, le=MAX_RATIO)]
Wait = Annotated[Duration, msgspec.Meta(ge=0, le=3600)]


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold with all that it may say."""

    above: Annotated[Above, "the ratio from which on it acts"]
    below: Above | None = None
    for_: Wait = msgspec.field(name="for", default=3.0)


class _Pressure(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a watch on pressure."""

    resource: Annotated[Literal["memory", "cpu", "io"], "memory, cpu or io"]
    kind: Annotated[Literal["some", "full"], "some: a task waits; full: nothing but waiting is done"] = "some"
    stall: Annotated[Duration, "how long tasks wait", msgspec.Meta(gt=0)] = 0.3
    window: Annotated[Duration, "within which time", msgspec.Meta(ge=0.5, le=10)] = 2.0


class WatchShape(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the section `watches`."""

    listener: Annotated[Port | None, "the TCP port"] = None
    unit: Annotated[str | None, "the unit, like nginx.service, or the path of its control group"] = None
    pressure: Annotated[_Pressure | None, "what tasks wait for, and for how long"] = None
    file: Annotated[str | None, "absolute path of the file"] = None
    then: Annotated[
        Literal["drain", "down"] | None, "what to ask for; by default down for a listener and a unit, else drain"
    ] = None
    hold: Annotated[Wait, "how long all must be well before it counts as well"] = 3.0


def read_thresholds(
    metric: str, interval_seconds: float, limits: dict[HostState, float | Limit | None], node: Node, problems: Problems
) -> tuple[Threshold, ...]:
    """Return what a metric does above which ratio."""
    thresholds = []
    for state, written in limits.items():
        if written is None:
            continue
        limit = written if isinstance(written, Limit) else Limit(above=written)
        below = limit.above * BAND if limit.below is None else limit.below
        if below > limit.above:
            place = child(child(node, f"{state}_above"), "below")
            problems.add(place, f"must be at most {limit.above:g}, which `above` is, not {below:g}")
        trigger = Trigger(
            name=metric,
            then=state,
            after_seconds=limit.for_,
            hold_seconds=limit.for_,
            let_go_seconds=max(LET_GO_SECONDS, INTERVALS_TO_LIVE * interval_seconds),
        )
        thresholds.append(Threshold(trigger=trigger, above=limit.above, below=below))
    return tuple(thresholds)


def read_watch(name: str, node: Node, problems: Problems) -> WatchConfig | None:
    """Return a watch; None when something is wrong with it, which has been noted."""
    try:
        shape = read_class(WatchShape, node, problems)
    except Refused:
        return None
    kinds = [kind for kind in KINDS if getattr(shape, kind) is not None]
    if len(kinds) != 1:
        if problems.none_at(node.path):
            problems.add(node, f"must have one of {', '.join(KINDS)}, and has {' and '.join(kinds) or 'none'}")
        return None
    for key, wrong in _wrong(shape).items():
        problems.add(child(node, key), wrong)
    watch, usual, confirmed = _make(shape)
    trigger = Trigger(
        name=name,
        then=HostState(shape.then) if shape.then is not None else usual,
        hold_seconds=shape.hold,
        confirmed=confirmed,
    )
    return WatchConfig(trigger=trigger, watch=watch)


def _wrong(shape: WatchShape) -> dict[str, str]:
    """Return what is wrong with options that types can't refuse."""
    wrong = {}
    if shape.unit is not None and not re.fullmatch(r"(/[^/\s]+)*/?[\w:.\\@-]+\.[a-z]+", shape.unit):
        wrong["unit"] = f'must be a unit, like nginx.service, not "{shape.unit}"'
    if shape.file is not None and (not shape.file.startswith("/") or shape.file.endswith("/")):
        wrong["file"] = f'must be the absolute path of a file, like /run/maintenance, not "{shape.file}"'
    if shape.pressure is not None and shape.pressure.stall >= shape.pressure.window:
        wrong["pressure"] = "stall must be shorter than window"
    return wrong


def _make(shape: WatchShape) -> tuple[Watch, HostState, bool]:
    """Return a watch, what it does by default, and whether it must have seen all well before it does."""
    if shape.listener is not None:
        from feedback.agent.watches.listener import ListenerWatch  # noqa: PLC0415 - each is loaded where it is used

        return ListenerWatch(shape.listener), HostState.DOWN, True
    if shape.unit is not None:
        from feedback.agent.watches.unit import UnitWatch  # noqa: PLC0415

        return UnitWatch(shape.unit), HostState.DOWN, True
    if shape.pressure is not None:
        from feedback.agent.watches.pressure import PressureWatch  # noqa: PLC0415

        one = shape.pressure
        return PressureWatch(one.resource, one.kind, one.stall, one.window), HostState.DRAIN, False
    from feedback.agent.watches.flag import FlagWatch  # noqa: PLC0415

    return FlagWatch(shape.file or ""), HostState.DRAIN, False
