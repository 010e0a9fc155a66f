"""The bars of the weight policies: what is simulated, what is measured, and what it must not exceed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import judge
import msgspec
from judge import Run
from lab import IDEAL, Lab, Model, Runs, ours

from feedback.commands.simulate import UNEVEN
from feedback.simulator.scenario import Amount, Event, Reports, Scenario, ServerSpec, Stream
from feedback.simulator.yardsticks import YARDSTICKS

SCHEDULERS = ("wrr", "wlc")
LOADS = (0.3, 0.6, 0.8, 0.9)
LENGTHS_SECONDS = (0.05, 2.0, 20.0, 60.0, 300.0, 3600.0)
RESPONSE_SECONDS = 10.0
TOLD = ("capacity", IDEAL)
"""Who is told what the servers can do."""
YARDS = ("static", *(name for name in YARDSTICKS if name != "agent"), IDEAL)
FEW = ("static", IDEAL)
BAD_REPORTS = Reports(delay_seconds=5.0, loss_ratio=0.2, noise=0.1)
STEP_AT_SECONDS = 300
AFTER_STEP_SECONDS = 200
STEP_SERVER = "rs5"
FIRST_MINUTE = 60
SETTLED_SECONDS = 300
LONG_SECONDS = 1000.0
CHANCE = 0.02
"""What pooled max/avg of events still is off by chance, where two contenders are compared window by window."""


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs, and how long."""

    seeds: int = 3
    fluid_seeds: int = 16
    warm_up_seconds: float = 200.0
    duration_seconds: float = 600.0
    steady_seconds: float = 3600.0
    longest_seconds: float = 3600.0
    examples: int = 10_000


QUICK = Effort(
    seeds=1,
    fluid_seeds=8,
    warm_up_seconds=120.0,
    duration_seconds=180.0,
    steady_seconds=900.0,
    longest_seconds=300.0,
    examples=200,
)


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One bar: the value of each contender is to be at most so much, for those of ours that `judged` names."""

    name: str
    at_most: float
    judged: Sequence[str]
    values: Callable[[], Mapping[str, float]]
    form: str = ".3f"


def each(runs: Mapping[str, Runs], value: Callable[[list[Run]], float]) -> Callable[[], Mapping[str, float]]:
    """Return what works out a value for every contender once its runs are there."""
    return lambda: {contender: value(those()) for contender, those in runs.items()}


def cluster(lab: Lab, effort: Effort) -> Iterator[Bar]:
    """Balance and response times of single requests."""
    for scheduler in SCHEDULERS:
        for load in LOADS:
            yield from _cluster(lab, effort, _uneven(effort, scheduler=scheduler, load_ratio=load))


def _uneven(effort: Effort, **changes: object) -> Scenario:
    timed = {"warm_up_seconds": effort.warm_up_seconds, "duration_seconds": effort.duration_seconds}
    return msgspec.structs.replace(UNEVEN, **(timed | changes))


def _cluster(lab: Lab, effort: Effort, scenario: Scenario) -> Iterator[Bar]:
    title, load = f"{scenario.scheduler}, load {scenario.load_ratio:g}", scenario.load_ratio
    runs = {name: lab.runs("events", scenario, name, effort.seeds) for name in (*ours(), *YARDS)}
    flows = {name: lab.runs("fluid", scenario, name, effort.fluid_seeds) for name in (*ours(), *YARDS)}
    if load in {0.6, 0.8}:
        balance = each(runs, lambda them: judge.median(them, "max_over_avg"))
        yield Bar(name=f"{title}: max/avg", at_most=1.01, judged=["equalize"], values=balance)
        balance = each(flows, lambda them: judge.median(them, "max_over_avg"))
        # Not judged: who answers chance in real load evens it out, and here it is in the reports alone
        yield Bar(name=f"{title}: max/avg, fluid", at_most=1.01, judged=(), values=balance)
    untold = [name for name in YARDS if name not in TOLD]
    mean = _over(runs, "mean_ms", untold)
    yield Bar(name=f"{title}: mean / best untold", at_most=1.0, judged=["equalize"], values=mean)
    for field in ("mean_ms", "p99_ms"):
        ratio = _over(runs, field, ["capacity"])
        name = f"{title}: {field.removesuffix('_ms')} / capacity"
        yield Bar(name=name, at_most=1.03, judged=["latency"], values=ratio)


def _over(runs: Mapping[str, Runs], field: str, others: Iterable[str]) -> Callable[[], Mapping[str, float]]:
    """Return what works out the median of a figure over the least of the others' medians."""

    def ratios() -> Mapping[str, float]:
        medians = {name: judge.median(them(), field) for name, them in runs.items()}
        least = min(medians[name] for name in others)
        return {name: value / least for name, value in medians.items()}

    return ratios


def step(lab: Lab, effort: Effort) -> Iterator[Bar]:
    """One of the fast servers loses most of its CPU."""
    yield from _step(lab, effort, Reports(), 1.0)


def _step(lab: Lab, effort: Effort, reports: Reports, slack: float) -> Iterator[Bar]:
    last = STEP_AT_SECONDS + AFTER_STEP_SECONDS
    event = Event(at_seconds=float(STEP_AT_SECONDS), server=STEP_SERVER, background_ratio=0.6)
    besides = list(UNEVEN.servers).index(STEP_SERVER)
    for scheduler in SCHEDULERS:
        scenario = msgspec.structs.replace(
            UNEVEN, scheduler=scheduler, events=(event,), reports=reports, warm_up_seconds=0.0, duration_seconds=last
        )
        flows = {name: lab.runs("fluid", scenario, name, 2 * effort.fluid_seeds) for name in (*ours(), *YARDS)}
        few = FEW if scheduler == "wrr" else ("static",)  # no formula knows the ideal of the others
        runs = {name: lab.runs("events", scenario, name, 8 * effort.seeds) for name in (*ours(), *few)}
        for model, them, width in (("fluid", flows, 4), ("events", runs, 30)):
            yield Bar(
                name=f"{scheduler}, step, {model}: s until max/avg <= {1 + 0.05 * slack:g}",
                at_most=3.0 * RESPONSE_SECONDS * slack + (width if model == "events" else 0),
                judged=["equalize"],
                form=".0f",
                values=each(them, _settled(STEP_AT_SECONDS, last, width, 1 + 0.05 * slack)),
            )
            yield Bar(
                name=f"{scheduler}, step, {model}: overshoot of the others",
                at_most=0.05 * slack,
                judged=["equalize"],
                values=each(them, _overshoot(STEP_AT_SECONDS, last, width, besides)),
            )


def _settled(since: int, last: int, width: int, bound: float) -> Callable[[list[Run]], float]:
    return lambda them: judge.settled_seconds(them, since, last, width, bound)


def _overshoot(since: int, last: int, width: int, besides: int) -> Callable[[list[Run]], float]:
    return lambda them: judge.overshoot(them, since, last, width, besides)


def lasting(lab: Lab, effort: Effort) -> Iterator[Bar]:
    """Connections that last, from a cold start."""
    for seconds in LENGTHS_SECONDS:
        if seconds <= effort.longest_seconds:
            for scheduler in SCHEDULERS:
                scenario = held(scheduler, seconds)
                yield from _lasting(lab, scenario, "fluid", seeds=1, others=YARDS)
                yield from _lasting(lab, scenario, "events", seeds=effort.seeds, others=FEW)


def held(scheduler: str, seconds: float) -> Scenario:
    """Return the cluster without other work, from its first second on, with connections of some length."""
    servers = {name: ServerSpec(speed=spec.speed) for name, spec in UNEVEN.servers.items()}
    demand = max(0.0002, 0.03 / seconds)  # 300 connections a second, and no more than 51000 at a time
    return msgspec.structs.replace(
        UNEVEN,
        scheduler=scheduler,
        servers=servers,
        streams={"held": Stream(kind="connection", duration=Amount(mean=seconds), demand=demand)},
        warm_up_seconds=0.0,
        duration_seconds=deadline(seconds) + max(600.0, 2.0 * seconds),
    )


def deadline(seconds: float) -> float:
    """Return until when weights and load are to have settled."""
    return max(3.0 * RESPONSE_SECONDS, 2.0 * seconds)


def _lasting(
    lab: Lab, scenario: Scenario, model: Model, *, seeds: int, others: Sequence[str], slack: float = 1.0
) -> Iterator[Bar]:
    (stream,) = scenario.streams.values()
    seconds, last = stream.duration.mean, round(scenario.duration_seconds)
    due = round(deadline(seconds))
    title = f"{scenario.scheduler}, {seconds:g} s, {model}"
    runs = {name: lab.runs(model, scenario, name, seeds) for name in (*ours(), *others)}
    width = max(4, round(seconds / 100)) if model == "fluid" else max(60, round(seconds / 4))
    yield Bar(
        name=f"{title}: swing of a weight",
        at_most=0.03 * slack,
        judged=ours(),
        values=each(runs, lambda them: judge.swing(them, due, last)),
    )
    if model == "fluid":
        yield Bar(
            name=f"{title}: s until max/avg <= {1 + 0.05 * slack:g}",
            at_most=due * slack,
            judged=["equalize"],
            form=".0f",
            values=each(runs, _settled(0, last, width, 1 + 0.05 * slack)),
        )
    else:  # too much chance to tell when: what counts is that it has settled
        after = min(last, due + max(SETTLED_SECONDS, due))
        yield Bar(
            name=f"{title}: max/avg when that is due",
            at_most=1 + 0.05 * slack,
            judged=["equalize"],
            values=each(runs, lambda them: judge.spread(them, due, after)),
        )
    static = runs["static"]
    yield Bar(
        name=f"{title}: max/avg above static's",
        at_most=CHANCE if model == "events" else 0.001,
        judged=["equalize"],
        values=each(runs, lambda them: judge.excess(them, static(), FIRST_MINUTE, last, width)),
    )


def reports(lab: Lab, effort: Effort) -> Iterator[Bar]:
    """Reports 5 s late, a fifth of them lost, with noise of 10 points: bounds half as tight."""
    yield from (_renamed(bar) for bar in _step(lab, effort, BAD_REPORTS, 2.0))
    for seconds in LENGTHS_SECONDS:
        if seconds <= effort.longest_seconds:
            for scheduler in SCHEDULERS:
                scenario = msgspec.structs.replace(held(scheduler, seconds), reports=BAD_REPORTS)
                seeds = effort.fluid_seeds if seconds < LONG_SECONDS else effort.seeds
                them = _lasting(lab, scenario, "fluid", seeds=seeds, others=FEW, slack=2.0)
                yield from (_renamed(bar) for bar in them)


def _renamed(bar: Bar) -> Bar:
    return msgspec.structs.replace(bar, name=f"bad reports: {bar.name}")


def steady(lab: Lab, effort: Effort) -> Iterator[Bar]:
    """Weights written when nothing happens any more."""
    even = {name: ServerSpec(speed=2.0) for name in UNEVEN.servers}
    for name, servers in (("even", even), ("uneven", UNEVEN.servers)):
        for scheduler in SCHEDULERS:
            scenario = msgspec.structs.replace(
                UNEVEN,
                scheduler=scheduler,
                servers=servers,
                warm_up_seconds=600.0,
                duration_seconds=effort.steady_seconds,
            )
            runs = {each: lab.runs("events", scenario, each, effort.seeds) for each in ours()}
            yield Bar(
                name=f"{scheduler}, {name}: writes/h of a destination",
                at_most=6.0,
                judged=ours(),
                form=".1f",
                values=each(runs, lambda them: judge.median(them, "writes_per_hour")),
            )
