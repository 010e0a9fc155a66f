"""Pictures of a simulation, with matplotlib: what each server did, what its weight was, how long answers took."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from feedback.simulator.measure import Record

SMOOTH_SECONDS = 10
MILLISECONDS = 1000.0


def write_plots(directory: Path, records: Mapping[str, Record]) -> list[Path]:
    """Write a picture for each policy, and one of all their response times. Return the files."""
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for policy, record in records.items():
        figure = Figure(figsize=(10, 6), layout="constrained")
        utilization, weights = figure.subplots(2, 1, sharex=True)
        _draw(utilization, record, [_smooth(values) for values in record.utilization])
        utilization.set(title=f"{policy}: utilization over {SMOOTH_SECONDS} s", ylim=(0, 1.02))
        _draw(weights, record, record.weights)
        weights.set(title="weight in the table", xlabel="seconds", yscale="log")
        weights.legend(ncols=min(8, len(record.names)), fontsize="small")
        files.append(_save(figure, directory / f"{policy}.png"))
    if any(record.response_seconds for record in records.values()):
        files.append(_save(_response_times(records), directory / "response-times.png"))
    return files


def _draw(axes: Axes, record: Record, series: Sequence[Sequence[float]]) -> None:
    for name, values in zip(record.names, series, strict=True):
        axes.plot(record.times, values, label=name, linewidth=1)
    axes.grid(visible=True, alpha=0.3)


def _response_times(records: Mapping[str, Record]) -> Figure:
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots()
    draw_response_times(axes, records)
    axes.set(title="requests that took longer", ylabel="share")
    axes.legend()
    return figure


def draw_response_times(axes: Axes, records: Mapping[str, Record]) -> None:
    """Draw the share of requests that took longer than a time, a line for each policy."""
    for policy, record in records.items():
        ordered = sorted(record.response_seconds)
        if ordered:
            step = max(1, len(ordered) // 2000)
            times = [value * MILLISECONDS for value in ordered[::step]]
            slower = [1.0 - place / len(ordered) for place in range(0, len(ordered), step)]
            axes.plot(times, slower, label=policy, linewidth=1)
    axes.set(xlabel="milliseconds", xscale="log", yscale="log")
    axes.grid(visible=True, alpha=0.3)


def _smooth(values: Sequence[float]) -> list[float]:
    """Return the mean over the last seconds, at each second."""
    smoothed, total = [], 0.0
    for place, value in enumerate(values):
        total += value - (values[place - SMOOTH_SECONDS] if place >= SMOOTH_SECONDS else 0.0)
        smoothed.append(total / min(place + 1, SMOOTH_SECONDS))
    return smoothed


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=100)
    return path
