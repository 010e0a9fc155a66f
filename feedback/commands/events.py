"""`feedback events`: what the director changed, and why."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator

import msgspec

from feedback.commands.client import DirectorError, add_client_arguments, make_client
from feedback.director.events import Event, one_line


class _Events(msgspec.Struct, frozen=True):
    events: tuple[Event, ...]


class Missed(msgspec.Struct, frozen=True):
    """How many events a slow listener has lost."""

    missed: int


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--follow", action="store_true", help="go on with what happens from now on, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print each event as a line of JSON")
    add_client_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print events, oldest first."""
    client = make_client(arguments)
    events: Iterable[Event | Missed]
    if arguments.follow:
        events = read_stream(client.lines("/api/v1/events"))
    else:
        events = client.get("/api/v1/events", _Events).events
    for event in events:
        sys.stdout.write((msgspec.json.encode(event).decode() if arguments.json else as_line(event)) + "\n")
        sys.stdout.flush()
    return 0


def as_line(event: Event | Missed) -> str:
    """Return `2026-11-21 03:39:00  removed  web/rs2  rs2 removed from web: ...` in local time."""
    if isinstance(event, Missed):
        return f"... {event.missed} events were missed ..."
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.at))
    return one_line(f"{moment}  {event.kind:<9}  {event.message}")


def read_stream(lines: Iterable[bytes]) -> Iterator[Event | Missed]:
    """Yield what a stream of Server-Sent Events tells: each is its `event` and `data` lines up to an empty one."""
    name = data = b""
    for line in lines:
        field, _, value = line.partition(b":")
        if field == b"event":
            name = value.strip()
        elif field == b"data":
            data = value.strip()
        elif not line and data:
            yield _decode(name, data)
            name = data = b""


def _decode(name: bytes, data: bytes) -> Event | Missed:
    try:
        if name == b"missed":
            return msgspec.json.decode(data, type=Missed)
        return msgspec.json.decode(data, type=Event)
    except msgspec.MsgspecError as error:
        raise DirectorError(f"the stream is not a feedback director's: {error}") from None
