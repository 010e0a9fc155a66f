"""Prints how soon `equalize` relieves a server that has lost 60 % of its CPU: two tables in docs/weights.md.

Medians of 21 simulated runs: by `response`, and by what has taken the CPU. `make plots` runs it; it takes a minute.
"""

import sys
from collections.abc import Sequence
from statistics import fmean, median

import msgspec

from feedback.director.weights import make_policy
from feedback.simulator.fluid import run_fluid
from feedback.simulator.measure import Record
from feedback.simulator.scenario import Event, Reports, Scenario, ServerSpec

LOSS_SECONDS = 900.0
CALM_SECONDS = 300
SLOWER = Event(at_seconds=LOSS_SECONDS, server="rs4", speed=1.6)
OTHER_WORK = Event(at_seconds=LOSS_SECONDS, server="rs4", background_ratio=0.6)
CLUSTER = Scenario(
    name="loss",
    scheduler="wrr",
    servers={name: ServerSpec(speed=speed) for name, speed in {"rs1": 1.0, "rs2": 1.0, "rs3": 2.0, "rs4": 4.0}.items()},
    load_ratio=0.5,
    warm_up_seconds=LOSS_SECONDS,
    duration_seconds=600.0,
    events=(SLOWER,),
)
RESPONSES_SECONDS = (2.0, 5.0, 10.0, 30.0, 120.0)
LOADS = (0.3, 0.4, 0.5, 0.6)
NOISE = 0.1
SEEDS = range(1, 22)
NEAR = 1.1
KEPT_SECONDS = 5


class Relief(msgspec.Struct, frozen=True):
    """How it went: how far off the mean the server was before, as a ratio, and when it was near it again."""

    off_ratio: float
    seconds: float


def relief(record: Record) -> Relief:
    """Return how the last of the servers fared. One that was never relieved took as long as the run."""
    means = [fmean(busy) for busy in zip(*record.utilization, strict=True)]
    ratios = [busy / mean for busy, mean in zip(record.utilization[-1], means, strict=True)]
    loss = next(place for place, time in enumerate(record.times) if time > LOSS_SECONDS)
    calm, after = ratios[loss - CALM_SECONDS : loss], ratios[loss:]
    over = len(after) - KEPT_SECONDS
    seconds = next((at for at in range(over) if max(after[at : at + KEPT_SECONDS]) < NEAR), over)
    return Relief(fmean(abs(ratio - 1.0) for ratio in calm), seconds)


def medians(scenario: Scenario, response_seconds: float = 10.0) -> Relief:
    """Return the medians over all seeds."""
    runs = [
        relief(
            run_fluid(
                msgspec.structs.replace(scenario, seed=seed),
                make_policy("equalize", scheduler=scenario.scheduler, response=response_seconds),
            )
        )
        for seed in SEEDS
    ]
    return Relief(median(run.off_ratio for run in runs), median(run.seconds for run in runs))


def by_response() -> str:
    """Return a table of what `response` does, with good reports and with noisy ones."""
    noisy = msgspec.structs.replace(CLUSTER, reports=Reports(noise=NOISE))
    return _table(
        ("`response`", "relieved after", "off before", "noise: relieved after", "off before"),
        [
            (f"{response:g} s", *_cells(medians(CLUSTER, response)), *_cells(medians(noisy, response)))
            for response in RESPONSES_SECONDS
        ],
    )


def by_cause() -> str:
    """Return a table of what it changes who has taken the CPU."""
    rows = []
    for load in LOADS:
        slower, other = (
            medians(msgspec.structs.replace(CLUSTER, load_ratio=load, events=(event,)))
            for event in (SLOWER, OTHER_WORK)
        )
        rows.append((f"{load}", f"{slower.seconds:g} s", f"{other.seconds:g} s"))
    return _table(("load", "it gets slower: relieved after", "other work takes it"), rows)


def _cells(run: Relief) -> tuple[str, str]:
    return f"{run.seconds:g} s", f"{run.off_ratio:.1%}".replace("%", " %")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(f"{by_response()}\n{by_cause()}")
