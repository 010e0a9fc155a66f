"""`feedback status`: services, destinations, weights, load, health, and why."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from feedback.commands.client import add_client_arguments, make_client, service_path
from feedback.commands.explain import sentence
from feedback.director.control import UnknownNameError
from feedback.director.events import one_line
from feedback.director.snapshot import DestinationView, ServiceView, Snapshot
from feedback.model import Admin, Health

if TYPE_CHECKING:
    from rich.console import RenderableType

HEADINGS = ("destination", "address", "health", "admin", "weight", "base", "load", "active", "inactive", "agent", "why")
NUMBERS = frozenset({"weight", "base", "load", "active", "inactive"})
MAX_FAILURES = 3
LEAST_COLUMNS = 110
"""In fewer, a table would cut what it can't wrap; plain lines go on in the next one."""
COLOURS = {
    Health.UP: "green",
    Health.DOWN: "bold red",
    Health.UNKNOWN: "yellow",
    Admin.DRAIN: "cyan",
    Admin.MAINTENANCE: "cyan",
    "stale": "yellow",
    "out": "dim",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("service", nargs="?", metavar="SERVICE", help="show only this service")
    parser.add_argument("destination", nargs="?", metavar="DEST", help="show only this destination of it")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, as GET /api/v1/services has it")
    form.add_argument(
        "--explain", action="store_true", help="say in a sentence for each destination why its weight is what it is"
    )
    add_client_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the status."""
    client = make_client(arguments)
    if arguments.service is None:
        services = client.get("/api/v1/services", Snapshot).services
    else:
        services = (_only(client.get(service_path(arguments.service), ServiceView), arguments.destination),)
    if arguments.json:
        text = msgspec.json.format(msgspec.json.encode({"services": services})).decode() + "\n"
    else:
        form = as_sentences if arguments.explain else as_text
        text = "\n".join(map(form, services)) or "no service is configured\n"
    if arguments.json or arguments.explain or not (sys.stdout.isatty() and _print_in_colour(services)):
        sys.stdout.write(text)
    return 0


def _only(service: ServiceView, destination: str | None) -> ServiceView:
    """Return the service with that destination alone. Raises UnknownNameError, which names those there are."""
    if destination is None:
        return service
    found = tuple(seen for seen in service.destinations if seen.name == destination)
    if not found:
        names = ", ".join(seen.name for seen in service.destinations) or "none"
        raise UnknownNameError(f'service {service.name} has no destination "{destination}"; there are: {names}')
    return msgspec.structs.replace(service, destinations=found)


def as_sentences(service: ServiceView) -> str:
    """Return a service as its headline and a sentence for each destination."""
    lines = [headline(service), *(f"  {sentence(service, seen)}" for seen in service.destinations)]
    return "".join(f"{line}\n" for line in lines)


def headline(service: ServiceView) -> str:
    """Return `web: tcp 192.0.2.10:80, wlc, masquerade, fallback 127.0.0.1:8080 serves`."""
    parts = [f"{service.protocol} {service.address}".strip(), service.scheduler, service.forwarding]
    if service.fallback is not None:
        parts.append(f"fallback {service.fallback} {'SERVES' if service.fallback_in_table else 'stands by'}")
    if service.overflow is not None:
        parts.append(f"overflow {service.overflow} {'SERVES' if service.overflow_in_table else 'stands by'}")
    if service.policy_failure:
        parts.append(f"POLICY: {service.policy_failure}")
    if service.overloaded:
        parts.append("OVERLOADED")
    return one_line(f"{service.name}: {', '.join(parts)}")


def row(seen: DestinationView) -> tuple[str, ...]:
    """Return a destination's cells, one for each heading; what servers have said made printable."""
    cells = (
        seen.name,
        seen.address,
        seen.health,
        seen.admin,
        str(seen.weight) if seen.in_table else "out",
        str(seen.base_weight),
        "-" if seen.utilization is None else f"{seen.utilization:.2f}",
        str(seen.active_connections),
        str(seen.inactive_connections),
        seen.agent,
        "; ".join([seen.why, *_failures(seen)]),
    )
    return tuple(map(one_line, cells))


def _failures(seen: DestinationView) -> list[str]:
    """Return what its agent can't read, in words; not all of it where that is much."""
    words = [f"can't read {name}: {why}" for name, why in sorted(seen.failures.items())]
    return words if len(words) <= MAX_FAILURES else [*words[:MAX_FAILURES], f"and {len(words) - MAX_FAILURES} more"]


def as_text(service: ServiceView) -> str:
    """Return a service as its headline and aligned columns."""
    rows = [HEADINGS, *map(row, service.destinations)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(f"{line}\n" for line in (headline(service), *(_aligned(cells, widths) for cells in rows)))


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    placed = (
        cell.rjust(width) if heading in NUMBERS else cell.ljust(width)
        for heading, cell, width in zip(HEADINGS, cells, widths, strict=True)
    )
    return f"  {'  '.join(placed)}".rstrip()


def _print_in_colour(services: Sequence[ServiceView]) -> bool:
    """Print tables in the terminal's width. Return False where that is too narrow, or rich is not installed."""
    try:
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it, and an agent's host may lack it
    except ImportError:
        return False
    console = Console(highlight=False)
    if console.width < LEAST_COLUMNS:
        return False
    for service in services:
        console.print(_table(service))
        console.print()
    return True


def _table(service: ServiceView) -> "RenderableType":
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(title=Text(headline(service)), title_justify="left", box=None, header_style="dim", pad_edge=False)
    for heading in HEADINGS:
        wraps = heading == "why"
        table.add_column(
            heading, justify="right" if heading in NUMBERS else "left", no_wrap=not wraps, ratio=1 if wraps else None
        )
    for seen in service.destinations:
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row(seen)))
    return table
