"""Weight policies side by side, in virtual time: balance, response times, calm, and what a step of each costs.

    python bench/weights.py [--seeds 3] [--policy NAME ...]

Every figure is the median over the seeds of a simulation that anybody can repeat: nothing here depends on the machine
but the last table.
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import starmap

import msgspec
from measure import table

from feedback.director.config import WeightsConfig
from feedback.director.weights import Member, make_policy
from feedback.simulator.compare import simulate
from feedback.simulator.measure import Figures
from feedback.simulator.scenario import Amount, Scenario, ServerSpec, Stream

SPEEDS = (1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 1.0, 2.0)
POLICIES = ("static", "agent", "agent-10s", "wensong", "grpc", "robinhood", "log-integral", "capacity", "equalize")
LOADS = (0.3, 0.6, 0.8, 0.9)
SCHEDULERS = ("wrr", "wlc")
LASTING_SECONDS = (2.0, 20.0, 60.0, 300.0)
DESTINATIONS = 1000

METHOD = """\
A simulated cluster (feedback simulate): eight servers of speeds 1, 1, 2, 2, 4, 4, 1, 2 that share themselves among
their requests, one of the fast ones with half its CPU at other work; Poisson arrivals, lognormal work of 30 ms at
speed 1, reports every second; ten minutes after two of warming up. With connections that last: no other work,
exponential lengths, six lengths after three of warming up. Medians over {seeds} seeds. max/avg: the busiest server's
mean utilization over the mean of all; churn: how far a weight moves in a minute, up and down, as a ratio; swing: the
standard deviation of the worst weight over its mean."""


def uneven(scheduler: str, load: float, seed: int) -> Scenario:
    servers = {
        f"rs{place}": ServerSpec(speed=speed, background_ratio=0.5 if place == 5 else 0.0)
        for place, speed in enumerate(SPEEDS)
    }
    weights = WeightsConfig(policy="static", response_seconds=10.0)
    return Scenario(name="uneven", scheduler=scheduler, servers=servers, load_ratio=load, weights=weights, seed=seed)


def lasting(scheduler: str, seconds: float, seed: int) -> Scenario:
    scenario = uneven(scheduler, 0.6, seed)
    return msgspec.structs.replace(
        scenario,
        servers={name: ServerSpec(speed=spec.speed) for name, spec in scenario.servers.items()},
        streams={"held": Stream(kind="connection", duration=Amount(mean=seconds), demand=0.01)},
        warm_up_seconds=max(120.0, 3.0 * seconds),
        duration_seconds=max(600.0, 6.0 * seconds),
    )


def run(scenario: Scenario, policy: str) -> Figures:
    return simulate(scenario, policy).figures(policy)


def median(runs: Sequence[Figures], field: str, form: str) -> str:
    values = [value for run in runs if (value := getattr(run, field)) is not None]
    return format(statistics.median(values), form) if values else "-"


def rows(
    pool: ProcessPoolExecutor, cases: Sequence[tuple[str, list[Scenario]]], policies: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """Yield a row for each case and policy; the runs of all go on side by side."""
    waiting = [
        (case, policy, [pool.submit(run, scenario, policy) for scenario in scenarios])
        for case, scenarios in cases
        for policy in policies
    ]
    for case, policy, futures in waiting:
        done = [future.result() for future in futures]
        yield (
            f"{case}, {policy}",
            median(done, "max_over_avg", ".3f"),
            median(done, "mean_ms", ".1f"),
            median(done, "p99_ms", ".0f"),
            median(done, "churn", ".3f"),
            median(done, "writes_per_hour", ".1f"),
            median(done, "swing", ".3f"),
        )


HEAD = ("case, policy", "max/avg", "mean ms", "p99 ms", "churn/min", "writes/h", "swing")


def step_milliseconds(scheduler: str) -> float:
    """Return the CPU time of one step of `equalize` with many destinations, whose utilization is noisy."""
    policy = make_policy("equalize", scheduler=scheduler)
    chance, weights, took = random.Random(1), {f"rs{n}": 100 for n in range(DESTINATIONS)}, []
    for second in range(60):
        members = {
            name: Member(
                base_weight=100,
                weight=weight,
                utilization=min(1.0, max(0.0, chance.gauss(0.5, 0.1))),
                active_connections=40,
                new_connections=12,
                usable_seconds=300.0,
            )
            for name, weight in weights.items()
        }
        before = time.process_time()
        weights = policy.step(float(second), members)
        took.append(time.process_time() - before)
    return statistics.median(took) * 1000.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="simulations of each (default: 3)")
    parser.add_argument("--policy", action="append", dest="policies", choices=POLICIES, help="only these")
    arguments = parser.parse_args()
    policies, seeds = arguments.policies or POLICIES, range(1, arguments.seeds + 1)
    print(METHOD.format(seeds=arguments.seeds), end="\n\n")
    short = [
        (f"{scheduler}, load {load:g}", [uneven(scheduler, load, seed) for seed in seeds])
        for scheduler in SCHEDULERS
        for load in LOADS
    ]
    long = [
        (f"{scheduler}, connections of {seconds:g} s", [lasting(scheduler, seconds, seed) for seed in seeds])
        for scheduler in SCHEDULERS
        for seconds in LASTING_SECONDS
    ]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        print(table(HEAD, list(rows(pool, [*short, *long], policies))), end="\n\n")
    steps = zip(SCHEDULERS, map(step_milliseconds, SCHEDULERS), strict=True)
    print(table(("equalize", "CPU ms per step"), list(starmap(_step_row, steps))))


def _step_row(scheduler: str, milliseconds: float) -> tuple[str, ...]:
    return f"{scheduler}, {DESTINATIONS} destinations", f"{milliseconds:.1f}"


if __name__ == "__main__":
    main()
