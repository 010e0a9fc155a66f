"""`feedback drain`, `feedback maintain` and `feedback enable`: what an operator wants of a destination."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator

import msgspec

from feedback.commands.arguments import duration
from feedback.commands.client import Client, DirectorError, add_client_arguments, admin_path, make_client, service_path
from feedback.director.events import one_line
from feedback.director.snapshot import DestinationView, ServiceView
from feedback.model import Admin, Transport
from feedback.options import show_duration

STATES = {"drain": Admin.DRAIN, "maintain": Admin.MAINTENANCE, "enable": Admin.ENABLED}
LOOK_SECONDS = 0.5
SETTLE_SECONDS = 2.5
"""A connection that begins while the table is being written is counted when it is established and the table has been
read again: it takes two ticks of quiet to know that there is none."""


class Place(msgspec.Struct, frozen=True):
    """A destination of a service, by their names."""

    service: str
    destination: str

    def __str__(self) -> str:
        return f"{self.destination} in {self.service}"


class Seen(msgspec.Struct, frozen=True):
    """A destination as it is, with what its protocol says of how to count its connections."""

    view: DestinationView
    protocol: str

    @property
    def connections(self) -> int:
        """How many still run. TCP's and SCTP's inactive ones are over; other protocols' may well go on."""
        if not self.view.in_table:
            return 0
        if self.protocol in {Transport.TCP, Transport.SCTP}:
            return self.view.active_connections
        return self.view.active_connections + self.view.inactive_connections


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands' arguments, the same for all three."""
    parser.add_argument("service", metavar="SERVICE")
    parser.add_argument("destination", metavar="DEST")
    parser.add_argument(
        "--wait", action="store_true", help="return when the last connection is gone; after enable: when it serves"
    )
    parser.add_argument("--timeout", type=duration, default=300.0, help="how long --wait waits (default: 5m)")
    add_client_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Set the admin state, and wait where that is asked for."""
    client = make_client(arguments)
    place = Place(arguments.service, arguments.destination)
    state = STATES[arguments.command]
    view = client.put(admin_path(place.service, place.destination), {"state": state}, DestinationView)
    _say(f"{place}: {state}: {view.why}")
    if arguments.wait:
        wait = wait_until_serving if state is Admin.ENABLED else wait_until_gone
        wait(place, _looks(client, place, state, arguments.timeout), arguments.timeout)
    return 0


def wait_until_gone(place: Place, looks: Iterable[tuple[float, Seen]], timeout_seconds: float) -> None:
    """Return when no connection is left. Raises DirectorError when the looks are over before."""
    told = left = 0
    for elapsed_seconds, seen in looks:
        left = seen.connections
        if not left and elapsed_seconds >= SETTLE_SECONDS:
            _say(f"{place}: no connection is left")
            return
        if left and left != told:
            _say(f"{place}: {_count(left)} left")
        told = left
    raise DirectorError(f"{place} still has {_count(left)} after {show_duration(timeout_seconds)}")


def wait_until_serving(place: Place, looks: Iterable[tuple[float, Seen]], timeout_seconds: float) -> None:
    """Return when it takes new connections. Raises DirectorError when the looks are over before."""
    told = ""
    for _, seen in looks:
        if seen.view.in_table and seen.view.weight > 0:
            _say(f"{place}: takes new connections, weight {seen.view.weight}")
            return
        if seen.view.why != told:
            told = seen.view.why
            _say(f"{place}: {told}")
    raise DirectorError(f"{place} takes no new connections after {show_duration(timeout_seconds)}: {told}")


def _looks(client: Client, place: Place, state: Admin, timeout_seconds: float) -> Iterator[tuple[float, Seen]]:
    """Yield seconds since the change and what is seen then, until the time is over.

    Raises DirectorError when somebody else has changed the admin state meanwhile.
    """
    start = time.monotonic()
    while True:
        elapsed_seconds = time.monotonic() - start
        service = client.get(service_path(place.service), ServiceView)
        view = next((view for view in service.destinations if view.name == place.destination), None)
        if view is None:
            raise DirectorError(f"{place} has been taken out of the director's configuration")
        if view.admin is not state:
            raise DirectorError(f"{place} is no longer in {state}: somebody has set it to {view.admin}")
        yield elapsed_seconds, Seen(view, service.protocol)
        if elapsed_seconds + LOOK_SECONDS > timeout_seconds:
            return
        time.sleep(LOOK_SECONDS)


def _count(connections: int) -> str:
    return "1 connection" if connections == 1 else f"{connections} connections"


def _say(sentence: str) -> None:
    sys.stdout.write(f"{one_line(sentence)}\n")
    sys.stdout.flush()
