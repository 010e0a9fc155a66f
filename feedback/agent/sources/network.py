"""Traffic of a network interface, as a share of what it can carry."""

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

from feedback.agent.files import KeptFile, has_proc
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.text import number
from feedback.agent.window import Span, Window
from feedback.options import Unit

DEV = "/proc/net/dev"
ROUTE = "/proc/net/route"

UNITS = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
WRITTEN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([kMGT])bit")


def parse_capacity(value: object) -> float:
    """Return the bits per second that `100Mbit` or `2.5Gbit` stand for. Raises ValueError with what would be right."""
    found = WRITTEN.fullmatch(str(value))
    if found is None or float(found[1]) == 0:
        raise ValueError("must be a capacity, like 100Mbit or 2.5Gbit")
    return float(found[1]) * UNITS[found[2]]


def show_capacity(bits_per_second: float) -> str:
    """Write bits per second as one would in a configuration."""
    unit = max((unit for unit in UNITS if UNITS[unit] <= bits_per_second), key=UNITS.__getitem__, default="k")
    return f"{bits_per_second / UNITS[unit]:g}{unit}bit"


Capacity = Annotated[float, Unit("capacity", parse_capacity, show_capacity)]
"""Bits per second; written with a unit: 100Mbit, 2.5Gbit."""


class Traffic(msgspec.Struct, frozen=True):
    """Bytes that an interface has received and sent since it came up."""

    received: int
    sent: int


class NetworkSource(Source, name="network"):
    """Bits per second, of the busier direction, as a share of the interface's capacity.

    Example:

        network: {interface: eth0, capacity: 1Gbit}
    """

    interface: Annotated[str | None, "by default the default route's, and without one the busiest"] = None
    capacity: Annotated[Capacity | None, "what one direction can carry, by default the link's speed"] = None

    def __post_init__(self) -> None:
        self._dev = KeptFile(DEV)
        self._route = KeptFile(ROUTE)
        self._speeds: dict[str, KeptFile] = {}
        self._window: Window[Mapping[str, Traffic]] = Window(self._read)

    async def sample(self) -> Sample:
        """Return the share of the capacity in use."""
        return self._used(await self._window.span())

    def look(self) -> Sample | None:
        """Return the share of the capacity in use, once there is a reading to look back to."""
        span = self._window.next()
        return None if span is None else self._used(span)

    def _used(self, span: Span[Mapping[str, Traffic]]) -> Sample:
        interface = self.interface or self._default(span)
        bits_per_second = rate(span, interface)
        return Sample(bits_per_second / (self.capacity or self._speed(interface)))

    def _read(self) -> Mapping[str, Traffic]:
        if has_proc():
            return parse_dev(self._dev.read_table(), self.interface)
        from feedback.agent import elsewhere  # noqa: PLC0415 - Linux needs none of it

        return elsewhere.traffic()

    def _default(self, span: Span[Mapping[str, Traffic]]) -> str:
        return (parse_default_route(self._route.read()) if has_proc() else None) or busiest(span)

    def _speed(self, interface: str) -> float:
        """Return the link's speed in bits per second. It may change, so it is read each time."""
        try:
            return self._read_speed(interface)
        except SourceError:
            raise SourceError(
                f"the speed of {interface} is not known: give its capacity, like `capacity: 1Gbit`"
            ) from None

    def _read_speed(self, interface: str) -> float:
        if not has_proc():
            from feedback.agent import elsewhere  # noqa: PLC0415 - Linux needs none of it

            return elsewhere.bits_per_second(interface)
        if interface not in self._speeds:
            self._speeds = {interface: KeptFile(f"/sys/class/net/{interface}/speed")}
        return parse_speed(self._speeds[interface].read())


def rate(span: Span[Mapping[str, Traffic]], interface: str) -> float:
    """Return bits per second of the busier direction. Counters that went back (the link was made anew) say 0."""
    try:
        before, after = span.before[interface], span.after[interface]
    except KeyError:
        raise SourceError(f"there is no interface {interface}") from None
    most = max(after.received - before.received, after.sent - before.sent, 0)
    return most * 8 / span.seconds


def busiest(span: Span[Mapping[str, Traffic]]) -> str:
    """Return the interface with the most traffic, other than the loopback."""
    names = [name for name in span.after if name in span.before and name != "lo"]
    if not names:
        raise SourceError("there is no interface but the loopback")
    return max(names, key=lambda name: (rate(span, name), span.after[name].received, name))


def parse_dev(data: bytes, interface: str | None = None) -> dict[str, Traffic]:
    """Read /proc/net/dev: two lines of titles, then `name: received-bytes 7 more sent-bytes 7 more`.

    Where one interface is asked for, nothing is made of the others.
    """
    traffic = {}
    for line in data.splitlines()[2:]:
        written, colon, rest = line.rpartition(b":")
        name = written.strip().decode("utf-8", "replace")
        if interface in {None, name} or not colon:
            counts = rest.split(None, 9)
            if not colon or len(counts) < 9:
                raise SourceError(f"{DEV}: {line[:40]!r} where an interface should be")
            traffic[name] = Traffic(number(counts[0], DEV), number(counts[8], DEV))
    return traffic


def parse_default_route(data: bytes) -> str | None:
    """Return the interface of the IPv4 default route with the lowest metric, None without one.

    The kernel lists default routes first, so that the table's first piece is enough, however long it is.
    Columns of /proc/net/route: interface, destination, gateway, flags, two counts, metric, mask.
    """
    routes = []
    for line in data.splitlines()[1:]:
        words = line.split()
        if len(words) >= 8 and words[1] == words[7] == b"00000000":
            routes.append((number(words[6], ROUTE), words[0].decode("utf-8", "replace")))
    return min(routes)[1] if routes else None


def parse_speed(data: bytes) -> float:
    """Read /sys/class/net/*/speed, in Mbit/s, as bits per second. Virtual links say -1 or nothing."""
    megabits = number(data.strip(), "speed")
    if megabits == 0:
        raise SourceError("speed: is 0")
    return megabits * 1e6
