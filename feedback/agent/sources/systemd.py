"""Whether a unit of systemd works."""

import contextlib
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from feedback.agent.dbus import (
    ERROR,
    METHOD_RETURN,
    PRELUDE_BYTES,
    Message,
    length_after,
    object_name,
    pack_call,
    parse_message,
)
from feedback.agent.source import Sample, Source, SourceError

if TYPE_CHECKING:  # see feedback.agent.without_tls
    from feedback.agent.stream import Stream

SYSTEM_BUS = "/run/dbus/system_bus_socket"
SYSTEMD = "org.freedesktop.systemd1"
UNIT = f"{SYSTEMD}.Unit"
WORKING = frozenset({"active", "reloading", "refreshing"})
MAX_LINE_BYTES = 1024
MAX_OTHER_MESSAGES = 100

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}")


class SystemdSource(Source, name="systemd"):
    """0 while a unit of systemd works, which is while it is active or reloads, and 1 in every other state.

    So 1 is inactive, failed, and on the way up (activating) or down (deactivating). The state is asked for on the
    system's D-Bus, as everybody may, over one connection that is kept; no program is run. A unit that systemd does not
    know is a failure.

    Example:

        nginx: {source: systemd, unit: nginx.service}
    """

    unit: Annotated[str, "the unit; without a suffix a service is meant"]
    bus: Annotated[str, "Unix socket of the bus"] = SYSTEM_BUS

    def __post_init__(self) -> None:
        if not _UNIT.fullmatch(self.unit):
            raise ValueError("unit: must name a unit, like nginx.service")
        self._unit = self.unit if "." in self.unit else f"{self.unit}.service"
        self._connection: Connection | None = None

    async def sample(self) -> Sample:
        """Ask for the unit's state."""
        connection = self._connection or Connection(self.bus)
        self._connection = None  # unless all goes well: an answer that comes late must not be the next one's
        try:
            state = await self._ask(connection)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        return Sample(ratio_of(state))

    async def _ask(self, connection: "Connection") -> str:
        """Return the unit's state. Of one that is not there systemd says, too, that it is inactive."""
        state = await connection.property(self._unit, "ActiveState")
        if state == "inactive" and await connection.property(self._unit, "LoadState") == "not-found":
            raise SourceError(f"systemd knows no unit {self._unit}")
        return state


def ratio_of(state: str) -> float:
    """Return 0 for a state in which the unit works, 1 for any other."""
    return 0.0 if state in WORKING else 1.0


class Connection:
    """A connection to the bus, made when it is first needed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._open: contextlib.AsyncExitStack | None = None
        self._stream: Stream | None = None
        self._serial = 0

    async def property(self, unit: str, name: str) -> str:
        """Return a property of a unit whose value is text. Raises SourceError."""
        path = f"/org/freedesktop/systemd1/unit/{object_name(unit)}"
        answer = await self._call(SYSTEMD, path, "org.freedesktop.DBus.Properties", "Get", UNIT, name)
        if answer.kind == ERROR:
            raise SourceError(f"systemd does not tell of {unit}: {answer.value or answer.error_name}")
        if answer.value is None:
            raise SourceError(f"systemd says no text for {name} of {unit}")
        return answer.value

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._open is not None:
            await self._open.aclose()
            self._open = self._stream = None

    async def _call(self, destination: str, path: str, interface: str, member: str, *arguments: str) -> Message:
        stream = self._stream or await self._connect()
        self._serial += 1
        with _named(self._path):
            await stream.write(pack_call(self._serial, destination, path, interface, member, *arguments))
            for _ in range(MAX_OTHER_MESSAGES):  # signals, of which the bus sends one to whoever is new
                prelude = await stream.read_exactly(PRELUDE_BYTES)
                message = parse_message(prelude + await stream.read_exactly(length_after(prelude)))
                if message.kind in {METHOD_RETURN, ERROR} and message.reply_serial == self._serial:
                    return message
            raise SourceError(f"{MAX_OTHER_MESSAGES} messages, and no answer among them")

    async def _connect(self) -> "Stream":
        """Say who this is, which the kernel confirms (EXTERNAL), and greet."""
        from feedback.agent.place import Place  # noqa: PLC0415 - see feedback.agent.without_tls
        from feedback.agent.stream import connected  # noqa: PLC0415

        self._open = contextlib.AsyncExitStack()
        self._stream = stream = await self._open.enter_async_context(connected(Place(path=self._path)))
        with _named(self._path):
            await stream.write(b"\0AUTH EXTERNAL %b\r\n" % str(os.getuid()).encode().hex().encode())
            said = await stream.read_until(b"\r\n", MAX_LINE_BYTES)
            if not said.startswith(b"OK "):
                raise SourceError(f"{said[:100]!r} where a bus should let the agent in")
            await stream.write(b"BEGIN\r\n")
        bus = "org.freedesktop.DBus"
        await self._call(bus, "/org/freedesktop/DBus", bus, "Hello")
        return stream


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Put the bus's name before what goes wrong with it."""
    try:
        yield
    except (OSError, SourceError) as error:
        why = (error.strerror or error) if isinstance(error, OSError) else error
        raise SourceError(f"{path}: {why}") from None
