"""The weight policies on a real kernel's table: `python bench/weights_lab.py [--seconds 480] [LOAD ...]`.

The host boots the lab (tests/lab/uml.py), which runs this very file again inside and prints the lines below. The lab's
clock leaves out idle time, so the six runs take some minutes.
"""

import argparse
import contextlib
import io
import resource
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from measure import table  # noqa: E402 - found by the line above, as are those below

from tests.lab.throttled import SERVICE_SECONDS  # noqa: E402
from tests.lab.uml import Machine  # noqa: E402
from tests.lab.uneven import PORTS, RESPONSE, SPEEDS, Measured, Uneven  # noqa: E402

INSIDE = "--inside"
LOADS = (0.4, 0.55)
POLICIES = ("static", "availability", "equalize")
WARM_UP_SECONDS = 240.0
SECONDS = 480.0
LIMIT_SECONDS = 1800
FILES = 16384
"""Sockets of clients that wait for an overloaded server, and of the server."""

METHOD = f"""\
Real HTTP servers that work at one request after the other, for {1000 * SERVICE_SECONDS:g} ms over their speeds of
{", ".join(f"{speed:g}" for speed in SPEEDS.values())}, three behind wrr and three behind wlc; Poisson arrivals through
the VIP that wait for nobody; agents that report each second how busy the servers were; weights of 100 to begin with,
response: {RESPONSE}. Load is the share of what all servers together can do. What comes of the first
{WARM_UP_SECONDS:g} s is not counted.

  busy       the share of the time that each server has worked, by its own clock
  max/avg    the busiest server's share over the mean of all
  mean, p99  how long clients waited, in ms. Beyond a busy share of 1 they wait the longer the longer it lasts
  writes/h   weights written, for each destination and hour"""


def main() -> None:
    """On the host: boot the lab and print what this file prints inside."""
    command = shlex.join([sys.executable, str(Path(__file__).resolve()), INSIDE, *sys.argv[1:]])
    arguments_of(sys.argv[1:])  # before anything is booted
    with Machine(f"cd {shlex.quote(str(ROOT))}\nexec {command}\n", LIMIT_SECONDS) as machine:
        status = machine.wait()
        if status != "0":
            sys.exit(f"the bench failed in the lab\n{machine.account()}")
        print((machine.directory / "output").read_text(), end="")


def arguments_of(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loads", nargs="*", type=float, metavar="LOAD", default=LOADS, help="default: 0.4 0.55")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of each run (default: {SECONDS:g})")
    return parser.parse_args(words)


def inside(arguments: argparse.Namespace) -> None:
    """In the lab: measure and print."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    print(METHOD, flush=True)
    for load in arguments.loads:
        runs = {policy: run(load, policy, arguments.seconds) for policy in POLICIES}
        for name in PORTS:
            rows = lines({policy: found[name] for policy, found in runs.items()})
            print(f"\n{table([f'{name}, load {load:g}', *HEAD], rows)}", flush=True)


def run(load_ratio: float, policy: str, seconds: float) -> dict[str, Measured]:
    """Measure a policy on a cluster that begins with equal weights."""
    # A director prints its log at its end
    with (
        tempfile.TemporaryDirectory() as directory,
        contextlib.redirect_stdout(io.StringIO()),
        Uneven(Path(directory), load_ratio=load_ratio, policy=policy) as uneven,
    ):
        uneven.live(WARM_UP_SECONDS)
        return uneven.measure(seconds)


HEAD = ["busy", "max/avg", "mean", "p99", "writes/h", "weights", "failed"]


def lines(found: Mapping[str, Measured]) -> Iterator[Sequence[str]]:
    """Yield a line for each policy."""
    for policy, each in found.items():
        yield (
            policy,
            " ".join(f"{each.busy[host]:.3f}" for host in SPEEDS),
            f"{each.max_over_avg:.3f}",
            f"{1000 * each.mean_seconds:.0f}",
            f"{1000 * each.p99_seconds:.0f}",
            f"{each.writes_per_hour:.0f}",
            ":".join(str(each.weights[host]) for host in SPEEDS),
            str(len(each.failed)),
        )


if __name__ == "__main__":
    if sys.argv[1:2] == [INSIDE]:
        inside(arguments_of(sys.argv[2:]))
    else:
        main()
