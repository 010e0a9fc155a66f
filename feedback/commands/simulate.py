"""`feedback simulate`: a cluster in virtual time, under one policy after the other."""

import argparse
import sys
from pathlib import Path

import msgspec

from feedback.director.scheduling import SCHEDULERS
from feedback.errors import FeedbackError
from feedback.simulator.compare import as_table, known_policies, simulate
from feedback.simulator.measure import Record
from feedback.simulator.scenario import Scenario, ServerSpec
from feedback.simulator.scenario_file import load_scenario

MAX_LOAD = 10.0

UNEVEN = Scenario(
    name="uneven",
    servers={
        f"rs{number}": ServerSpec(speed=speed, background_ratio=background)
        for number, (speed, background) in enumerate(
            [(1.0, 0.0), (1.0, 0.0), (2.0, 0.0), (2.0, 0.0), (4.0, 0.0), (4.0, 0.5), (1.0, 0.0), (2.0, 0.0)], 1
        )
    },
)
"""What is simulated where no file is given: servers of speeds 1 to 4, one with half its CPU at other work."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("scenario", nargs="?", metavar="FILE", help="a scenario, as in examples/simulate (YAML)")
    parser.add_argument(
        "--policy",
        action="append",
        dest="policies",
        metavar="NAME",
        help="a policy to try, again and again for several (default: all, and the laws of others beside them)",
    )
    parser.add_argument("--scheduler", choices=SCHEDULERS, help="another one than the scenario's")
    parser.add_argument("--load", type=_load, metavar="RATIO", help="another load than the scenario's, like 0.8")
    parser.add_argument("--seed", type=int, help="another seed than the scenario's")
    parser.add_argument("--plots", type=Path, metavar="DIRECTORY", help="write pictures there (needs matplotlib)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Simulate, and show what came of it."""
    scenario = _changed(load_scenario(arguments.scenario) if arguments.scenario else UNEVEN, arguments)
    records: dict[str, Record] = {}
    for policy in dict.fromkeys(arguments.policies or known_policies()):
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{policy} ...")
        records[policy] = simulate(scenario, policy)
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    figures = [record.figures(policy) for policy, record in records.items()]
    if arguments.json:
        sys.stdout.write(msgspec.json.encode({"scenario": scenario, "policies": figures}).decode() + "\n")
    else:
        sys.stdout.write(f"{_title(scenario)}\n\n{as_table(figures)}\n")
    if arguments.plots:
        _plot(arguments.plots, records)
    return 0


def _changed(scenario: Scenario, arguments: argparse.Namespace) -> Scenario:
    given = {"scheduler": arguments.scheduler, "load_ratio": arguments.load, "seed": arguments.seed}
    return msgspec.structs.replace(scenario, **{name: value for name, value in given.items() if value is not None})


def _load(text: str) -> float:
    load = float(text)
    if not 0 < load <= MAX_LOAD:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {MAX_LOAD:g}, not {text}")
    return load


def _title(scenario: Scenario) -> str:
    return (
        f"{scenario.name}: {len(scenario.servers)} servers, {scenario.scheduler}, load {scenario.load_ratio:g}, "
        f"{scenario.duration_seconds:g} s after a warm-up of {scenario.warm_up_seconds:g} s"
    )


def _plot(directory: Path, records: dict[str, Record]) -> None:
    try:
        from feedback.simulator.plots import write_plots  # noqa: PLC0415 - matplotlib is an extra
    except ImportError as error:
        raise FeedbackError(f"--plots needs the plots extra: pip install 'lvs-feedback[plots]' ({error})") from None
    for path in write_plots(directory, records):
        sys.stderr.write(f"{path}\n")
