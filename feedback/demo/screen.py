"""What the demo shows in a terminal: the service as the director's API tells it, and the story so far. Pure."""

from collections.abc import Mapping, Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from feedback.demo.figures import PHASE_SHARES, PhaseLoad, max_over_average
from feedback.director.snapshot import DestinationView, ServiceView
from feedback.model import Admin, Health

MAX_WIDTH = 118
FRAME_WIDTH = 6
TIME_WIDTH = 8  # of a sentence's time
COLUMNS_WIDTH = 58  # of the table without its bars
WEIGHT_SHARE = 0.42  # of what is left for the two bars
PHASE_TITLES = {
    "equal_weights": "equal weights",
    "weights_move": "moving",
    "even_load": "even load",
    "jobs": "jobs",
    "kill": "crash",
    "return": "return",
    "drain": "drain",
}
BUSY_RATIO = 0.75  # from here a bar is yellow
FULL_RATIO = 0.95  # from here red
GREY = "bright_black"


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is on the screen. `told` are the story's sentences, each with its time in seconds."""

    service: ServiceView
    load: PhaseLoad
    phase: str
    phase_age_seconds: float
    told: Sequence[tuple[float, str]]
    speeds: Mapping[str, float]
    dashboard: str


def render(scene: Scene, width: int, height: int) -> RenderableType:
    """Return the whole screen, for a terminal of that size: the story's end gets what room is left."""
    width = min(width, MAX_WIDTH)
    inner = width - FRAME_WIDTH
    room = height - 14 - 2 * len(scene.service.destinations)
    blocks = (
        _phases(scene.phase),
        _destinations(scene, inner - COLUMNS_WIDTH),
        _whys(scene),
        _load(scene),
        render_story(_newest(scene.told, room, inner - TIME_WIDTH)),
        _where(scene),
    )
    return Panel(
        Group(*[line for block in blocks for line in (block, Text())][:-1]),
        title=Text.assemble((" feedback ", "bold reverse"), (" demo ", "bold")),
        title_align="left",
        subtitle=Text(" Ctrl-C ends it ", GREY),
        subtitle_align="right",
        border_style=GREY,
        padding=(1, 2),
        width=width,
    )


def render_story(told: Sequence[tuple[float, str]]) -> RenderableType:
    """Return sentences of the story, each with its time."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style=GREY, no_wrap=True)
    grid.add_column()
    for number, (seconds, sentence) in enumerate(told, 1):
        grid.add_row(f"{seconds:.1f} s", Text(sentence, "bold" if number == len(told) else ""))
    return grid


def _newest(told: Sequence[tuple[float, str]], room: int, width: int) -> Sequence[tuple[float, str]]:
    """Return as many of the newest sentences as there is room for, in lines; always the last one."""
    kept = len(told)
    while kept > 0:
        room -= -(-len(told[kept - 1][1]) // max(width, 1))
        if room < 0 and kept < len(told):
            break
        kept -= 1
    return told[kept:]


def _phases(current: str) -> RenderableType:
    phases = []
    done = bool(current)
    for name in PHASE_SHARES:
        done = done and name != current
        style = "bold cyan" if name == current else "green" if done else GREY
        mark = "●" if name == current else "✓" if done else "○"
        phases.append(Text(f"{mark} {PHASE_TITLES[name]}", style))
    return Text("  ").join(phases)


def _destinations(scene: Scene, bars_width: int) -> RenderableType:
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style=GREY)
    for title in ("realserver", "speed", "weight", "", "utilization", "", "by", "conns", "state"):
        table.add_column(title, justify="right" if title in ("speed", "", "conns") else "left", no_wrap=True)
    heaviest = max((it.weight for it in scene.service.destinations), default=0)
    weight_width = round(bars_width * WEIGHT_SHARE)
    for it in scene.service.destinations:
        share = it.weight / heaviest if heaviest else 0.0
        bars = _bar(share, weight_width, "cyan"), _bar(_used(it) or 0.0, bars_width - weight_width, _heat(it))
        table.add_row(*_destination(it, scene.speeds.get(it.name, 1.0), *bars))
    return table


def _destination(it: DestinationView, speed: float, weight: Text, utilization: Text) -> list[RenderableType]:
    used = _used(it)
    return [
        Text(it.name, "bold" if it.in_table else GREY),
        Text(f"{speed:g}x", GREY),
        weight,
        Text(f"{it.weight:4}" if it.in_table else "   -"),
        utilization,
        Text("   -" if used is None else f"{used:4.0%}", _heat(it)),
        Text(_highest(it), GREY),
        Text(str(it.active_connections)),
        _state(it),
    ]


def _used(it: DestinationView) -> float | None:
    """Return its utilization; None where it has none that counts."""
    return it.utilization if it.health is Health.UP else None


def _highest(it: DestinationView) -> str:
    """Return the metric that its utilization comes from: in the demo every factor is 1."""
    return "" if _used(it) is None else max(it.metrics, key=it.metrics.__getitem__, default="")


def _bar(ratio: float, width: int, style: str) -> Text:
    """Return a bar in steps of half a cell."""
    halves = round(min(1.0, ratio) * width * 2)
    full, half = divmod(halves, 2)
    return Text.assemble(("━" * full + "╸" * half, style), ("━" * (width - full - half), "grey19"))


def _state(it: DestinationView) -> Text:
    if it.health is Health.DOWN:
        return Text("● down", "bold red")
    if it.admin is not Admin.ENABLED:
        return Text(f"● {it.admin}", "bold yellow")
    return Text("● up", "green") if it.health is Health.UP else Text("● unknown", GREY)


def _heat(it: DestinationView) -> str:
    ratio = _used(it) or 0.0
    return "red" if ratio >= FULL_RATIO else "yellow" if ratio >= BUSY_RATIO else "green"


def _whys(scene: Scene) -> RenderableType:
    """Return the director's own sentences about each destination."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=GREY)
    grid.add_column(style=GREY, no_wrap=True, overflow="ellipsis")
    for it in scene.service.destinations:
        grid.add_row(it.name, it.why)
    return grid


def _load(scene: Scene) -> RenderableType:
    load = scene.load
    rate = load.requests / scene.phase_age_seconds if scene.phase_age_seconds > 0 else 0.0
    used = [it.utilization for it in scene.service.destinations if it.in_table and it.weight and it.utilization]
    line = Text(f"{rate:.0f} requests/s", no_wrap=True, overflow="ellipsis")
    if load.latency_p99_seconds is not None:
        line.append(f", 99% within {load.latency_p99_seconds * 1000:.0f} ms")
    line.append("   failed  ", GREY)
    line.append(str(load.failures), "bold red" if load.failures else "green")
    line.append("   busiest/average  ", GREY)
    return line.append(f"{max_over_average(used):.2f}")


def _where(scene: Scene) -> RenderableType:
    return Text.assemble(
        ("in a browser  ", GREY),
        (scene.dashboard, "underline cyan"),
        ("   the service  ", GREY),
        f"http://{scene.service.address}/",
    )
