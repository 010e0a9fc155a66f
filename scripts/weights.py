"""Draws the pictures in docs/weights.md from simulations, the same ones each time. `make plots` runs it.

It takes matplotlib (the extra `plots`) and a minute.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, ScalarFormatter
from PIL import Image

from feedback.director.weights import make_policy
from feedback.simulator.compare import simulate
from feedback.simulator.fluid import run_fluid
from feedback.simulator.measure import Record
from feedback.simulator.plots import draw_response_times
from feedback.simulator.yardsticks import YARDSTICKS
from scripts.relief import CLUSTER, LOSS_SECONDS

IMAGES = Path(__file__).parents[1] / "docs" / "images"

SHOWN_SECONDS = (-60, 300)
LABELS = ("speed 1", "speed 1", "speed 2", "speed 4, then 1.6")
CLUSTERPED = ("equalize", "wensong", "agent-10s")

LATENCIES = msgspec.structs.replace(
    CLUSTER, name="latencies", load_ratio=0.6, warm_up_seconds=900.0, duration_seconds=900.0, events=()
)
TIMED = ("equalize", "latency", "capacity")
SCHEDULERS = ("wrr", "wlc")
RAREST = 1e-3  # beyond it a line is a handful of requests
SOONEST_MS = 3.0
COLORS = 128  # a drawing has few, and is a third as large with a palette


def step_records() -> Mapping[str, Record]:
    """Let a fast server lose 60 % of its CPU under each policy."""
    yardsticks = {name: YARDSTICKS[name](CLUSTER) for name in CLUSTERPED if name in YARDSTICKS}
    ours = {"equalize": make_policy("equalize", scheduler=CLUSTER.scheduler)}
    return {name: run_fluid(CLUSTER, (ours | yardsticks)[name]) for name in CLUSTERPED}


def step_figure(records: Mapping[str, Record]) -> Figure:
    """Draw utilization above shares, a column for each policy."""
    figure = Figure(figsize=(10, 5), layout="constrained")
    rows = figure.subplots(2, len(records), sharex=True, sharey="row")
    for (policy, record), utilization, shares in zip(records.items(), *rows, strict=True):
        _draw(utilization, record, record.utilization)
        utilization.set(title=policy, ylim=(0, 1.05))
        totals = [sum(weights) for weights in zip(*record.weights, strict=True)]
        _draw(shares, record, [_ratios(weights, totals) for weights in record.weights])
        shares.set(xlabel="seconds after the loss", ylim=(0, 0.6), xlim=SHOWN_SECONDS)
    rows[0][0].set(ylabel="utilization")
    rows[1][0].set(ylabel="share of the weights")
    figure.legend(*rows[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(LABELS))
    return figure


def _ratios(values: Sequence[float], totals: Sequence[float]) -> list[float]:
    return [value / total for value, total in zip(values, totals, strict=True)]


def _draw(axes: Axes, record: Record, series: Sequence[Sequence[float]]) -> None:
    seconds = [time - LOSS_SECONDS for time in record.times]
    for label, values in zip(LABELS, series, strict=True):
        axes.plot(seconds, values, label=label, linewidth=1.2)
    axes.axvline(0.0, color="gray", linewidth=0.8, linestyle=":")
    axes.grid(visible=True, alpha=0.3)


def response_times() -> Mapping[str, Mapping[str, Record]]:
    """Let servers of speeds 1, 1, 2 and 4 answer requests, by scheduler and policy."""
    scenarios = {name: msgspec.structs.replace(LATENCIES, scheduler=name) for name in SCHEDULERS}
    return {name: {policy: simulate(scenario, policy) for policy in TIMED} for name, scenario in scenarios.items()}


def response_figure(records: Mapping[str, Mapping[str, Record]]) -> Figure:
    """Draw the share of requests that took longer than a time, a column for each scheduler."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    columns = figure.subplots(1, len(records), sharex=True, sharey=True)
    for axes, (scheduler, policies) in zip(columns, records.items(), strict=True):
        draw_response_times(axes, policies)
        axes.set(title=scheduler, ylim=(RAREST, 1.0), xlim=(SOONEST_MS, None))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:g} %"))
    columns[0].set(ylabel="share of requests that took longer")
    columns[0].legend()
    return figure


def as_png(figure: Figure) -> bytes:
    """Return a figure as a small picture."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=100)
    Image.open(drawn).convert("RGB").quantize(COLORS).save(small, format="png", optimize=True)
    return small.getvalue()


def main() -> None:
    """Write the pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    (IMAGES / "weights-step.png").write_bytes(as_png(step_figure(step_records())))
    (IMAGES / "weights-response-times.png").write_bytes(as_png(response_figure(response_times())))


if __name__ == "__main__":
    main()
