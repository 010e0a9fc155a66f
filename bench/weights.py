"""The bars of the weight policies, in virtual time: balance, response times, calm, and what a step costs.

    python bench/weights.py [--quick] [--seeds 3] [--properties 10000] [CASE ...]

Anybody can repeat every figure but the CPU time: the seeds are fixed. All of it takes half an hour of two cores,
`--quick` two minutes, with bounds that mean less: chance has a larger say in short runs.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial

import bars
import msgspec
from bars import QUICK, Bar, Effort
from cost import DESTINATIONS, step_milliseconds
from explore import Explored, explore
from lab import Lab, ours
from measure import table

METHOD = """\
The cluster is that of `feedback simulate`: eight servers of speeds 1, 1, 2, 2, 4, 4, 1, 2 that share themselves among
their requests, one of the fast ones with half its CPU at other work; Poisson arrivals, lognormal work of 30 ms at
speed 1, reports every second, response: 10s. Two models of it:

  events   every request and connection by itself, on the kernel's schedulers; {seeds} seeds
  fluid    load as a flow, so that utilization is what the weights really bring and no chance; what agents report of
           single requests has the chance that a second of them has; {fluid_seeds} seeds, or one where nothing is chance

  max/avg             the busiest server's mean utilization over the mean of all, of {duration:g} s after {warm_up:g} s;
                      median over the seeds. fluid: what the weights would bring, which is not judged
  mean, p99           response times, as a ratio: to the best of those who are not told what servers can do, and to
                      weights in proportion to what other work leaves of them (capacity). All have the same clients
  step                {server} loses 60 % of its CPU to other work at load 0.6. Utilization is pooled: averaged over
                      seeds (twice as many as above, in events eight times) and over 4 s (in events 30 s) before
                      servers are compared, so that chance is small and what a law does every time stays. Settled:
                      from when on max/avg is within the bound in every window that follows (never: not at the end).
                      Overshoot: how far another server's utilization rises above where it ends, its mean in the last
                      third
  0.05 s to 3600 s    connections that last so long (exponential), no other work; a cold start: no connections, base
                      weights. Due after max(3 * response, 2 * length). Settled: as above; in events, where one window
                      is too much chance, max/avg over as long again (at least 300 s) after it is due. Swing: the
                      standard deviation of the worst weight over its mean, after that is due. Above static's: the
                      largest difference of max/avg to static weights in any window after the first minute; in events
                      a difference of {chance:g} is chance. Windows are a hundredth of the length and at least 4 s, in
                      events a quarter and at least 60 s
  bad reports         5 s late, a fifth of them lost, noise of 10 points: twice the bounds
  writes/h            on servers that are equal, and on the cluster above, ten minutes after the start
  CPU                 of one step with {destinations} destinations, on this machine
  properties          random clusters with random disturbances (bench/random_clusters.py): weights within their bounds
                      and never 0; then nothing changes any more and reports are exact: weights come to rest, and
                      servers are equally busy where weights within the bounds make them. The value is how many fail

`ideal` has fixed weights that make all equally busy: what it has is chance, and the floor of what anybody can have."""

CASES: Mapping[str, Callable[[Lab, Effort], Iterator[Bar]]] = {
    "cluster": bars.cluster,
    "step": bars.step,
    "lasting": bars.lasting,
    "reports": bars.reports,
    "steady": bars.steady,
}
OTHER_CASES = ("cpu", "properties")
SHOWN = 3


def cpu() -> Iterator[Bar]:
    """One step of each policy with many destinations."""
    for scheduler in bars.SCHEDULERS:
        values = {name: step_milliseconds(name, scheduler) for name in ours()}
        name = f"{scheduler}, {DESTINATIONS} destinations: CPU ms of a step"
        yield Bar(name=name, at_most=5.0, judged=ours(), form=".1f", values=partial(dict, values))


def properties(
    pool: ProcessPoolExecutor, workers: int, examples: int
) -> tuple[Bar, Mapping[str, list[Future[Explored]]]]:
    """Random clusters, in as many parts as there are processes."""
    parts = {
        name: [pool.submit(explore, name, examples // workers, part) for part in range(workers)] for name in ours()
    }

    def failed() -> Mapping[str, float]:
        return {name: float(sum(len(future.result().failed) for future in futures)) for name, futures in parts.items()}

    name = f"properties: of {examples} random clusters fail"
    return Bar(name=name, at_most=0.0, judged=ours(), form=".0f", values=failed), parts


def is_met(bar: Bar, value: float) -> bool:
    """Say whether a value meets a bar: as it is printed, so that nobody wonders."""
    return float(format(value, bar.form)) <= bar.at_most


def lines(found: Sequence[Bar], names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield a line for each bar: what is judged, whether it is met, and the others beside it."""
    for bar in found:
        values = bar.values()
        cells = []
        for name in names:
            value = values.get(name)
            cells.append("-" if value is None else "never" if math.isinf(value) else format(value, bar.form))
            if name in ours():
                judged = value is not None and name in bar.judged
                cells.append(("yes" if is_met(bar, value or 0.0) else "NO") if judged else "")
        yield (bar.name, f"{bar.at_most:g}", *cells)


def head(names: Sequence[str]) -> list[str]:
    """Return the head of the table."""
    columns = [[name, "met"] if name in ours() else [name] for name in names]
    return ["bar", "at most", *(cell for column in columns for cell in column)]


def arguments_of(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"only these of {', '.join((*CASES, *OTHER_CASES))}")
    parser.add_argument("--quick", action="store_true", help="fewer seeds, shorter runs, fewer clusters")
    parser.add_argument("--seeds", type=int, help="simulations of each by events (default: 3)")
    parser.add_argument("--properties", type=int, metavar="N", help="random clusters (default: 10000)")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one for each CPU)"
    )
    arguments = parser.parse_args(words)
    unknown = [case for case in arguments.cases if case not in {*CASES, *OTHER_CASES}]
    if unknown:
        parser.error(f"there is no case {unknown[0]}; there are {', '.join((*CASES, *OTHER_CASES))}")
    return arguments


def effort_of(arguments: argparse.Namespace) -> Effort:
    """Return how much is asked for."""
    effort = QUICK if arguments.quick else Effort()
    given = {"seeds": arguments.seeds, "examples": arguments.properties}
    return msgspec.structs.replace(effort, **{name: value for name, value in given.items() if value is not None})


def method(effort: Effort) -> str:
    """Return how it was measured."""
    return METHOD.format(
        seeds=effort.seeds,
        fluid_seeds=effort.fluid_seeds,
        duration=effort.duration_seconds,
        warm_up=effort.warm_up_seconds,
        server=bars.STEP_SERVER,
        chance=bars.CHANCE,
        destinations=DESTINATIONS,
    )


def main() -> None:
    """Measure and print."""
    arguments = arguments_of(sys.argv[1:])
    effort, wanted = effort_of(arguments), arguments.cases or [*CASES, *OTHER_CASES]
    print(method(effort), end="\n\n", flush=True)
    found = list(cpu()) if "cpu" in wanted else []  # before anything else runs
    with ProcessPoolExecutor(arguments.workers) as pool:
        lab = Lab(pool)
        explored: Mapping[str, list[Future[Explored]]] = {}
        for name in CASES:
            found += CASES[name](lab, effort) if name in wanted else []
        if "properties" in wanted:
            bar, explored = properties(pool, arguments.workers, effort.examples)
            found.append(bar)
        names = [*ours(), *bars.YARDS]
        rows = list(lines(found, names))
    print(table(head(names), rows), end="\n\n")
    print(summary(rows))
    for name, futures in explored.items():
        print_failed(name, [future.result() for future in futures])


def summary(rows: Sequence[Sequence[str]]) -> str:
    """Return how many are met."""
    judged = [cell for row in rows for cell in row if cell in {"yes", "NO"}]
    return f"{judged.count('yes')} of {len(judged)} bars are met"


def print_failed(policy: str, explored: Sequence[Explored]) -> None:
    """Print the smallest clusters on which a policy fails."""
    failed = [failure for each in explored for failure in each.failed]
    for case, wrong in sorted(failed, key=lambda failure: (len(failure[0].servers), len(failure[0].events)))[:SHOWN]:
        print(f"\n{policy}: {'; '.join(wrong[:SHOWN])}\n  {case}")


if __name__ == "__main__":
    main()
