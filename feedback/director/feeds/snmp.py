"""The feed `snmp`: hosts and appliances with an SNMP agent, version 2c: UCD's objects, or HOST-RESOURCES'. Pure."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

import msgspec

from feedback.checks.codecs import snmp_message
from feedback.checks.credentials import Password
from feedback.director.feeds.feed import CpuMeter, Feed
from feedback.errors import CheckFailed, Reason
from feedback.model import Endpoint
from feedback.net import Datagrams, Net
from feedback.options import Port
from feedback.report import Report, is_ratio

_UCD = "1.3.6.1.4.1.2021"
CPU_TIME = tuple(f"{_UCD}.11.{number}.0" for number in (50, 51, 52, 53, 54, 64))
"""ssCpuRawUser, Nice, System, Idle, Wait, Steal. System has the interrupts in it, or they are a trifle."""
IDLE = frozenset({3, 4})
MEMORY_TOTAL, MEMORY_FREE, BUFFERS, CACHED, AVAILABLE = (f"{_UCD}.4.{number}.0" for number in (5, 6, 14, 15, 27))
"""memTotalReal, memAvailReal, memBuffer, memCached, and memSysAvail, which newer agents have."""
UCD = (*CPU_TIME, MEMORY_TOTAL, MEMORY_FREE, BUFFERS, CACHED, AVAILABLE)

PROCESSOR_LOAD = "1.3.6.1.2.1.25.3.3.1.2"
"""hrProcessorLoad: per cent of the last minute in which a processor was not idle."""

TRIES = 3


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """A number to ask for, and what of it is 1."""

    oid: Annotated[str, "its identifier, like 1.3.6.1.4.1.2021.10.1.5.1"]
    limit: Annotated[float, msgspec.Meta(gt=0), "value that means full"]

    def __post_init__(self) -> None:
        if not snmp_message.is_oid(self.oid):
            raise ValueError("oid: must be an object identifier, like 1.3.6.1.4.1.2021.10.1.5.1")


class SnmpFeed(Feed, name="snmp"):
    """What an SNMP agent says, over UDP in version 2c.

    `mib: ucd`, as net-snmp has it: `cpu`, the share of CPU time in use between two questions, and `memory`, what of it
    is not available. `mib: host_resources`, as most others have it: `cpu`, the mean of all processors over the last
    minute. `mib: none` asks for `objects` only.
    """

    port: Annotated[Port, "port of the SNMP agent"] = 161
    community: Annotated[Password, "community that may read"]
    mib: Annotated[Literal["ucd", "host_resources", "none"], "where to find cpu and memory"] = "ucd"
    objects: Annotated[dict[str, Object], "further metrics: by name, a number and its limit"] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        if len(self.objects) > snmp_message.VARIABLES_LIMIT - len(UCD):
            raise ValueError(f"objects: must be at most {snmp_message.VARIABLES_LIMIT - len(UCD)}")
        if self.mib == "none" and not self.objects:
            raise ValueError("objects: must be there where mib is none")
        self._meter = CpuMeter(IDLE)
        self._request_id = 0

    async def ask(self, endpoint: Endpoint, net: Net) -> Report:
        """Ask for all single objects at once, and for the processors where they are a table."""
        wanted = [*(UCD if self.mib == "ucd" else ()), *(one.oid.lstrip(".") for one in self.objects.values())]
        found = dict(await self._get(endpoint, net, wanted)) if wanted else {}
        if self.mib == "host_resources":
            found |= await self._get(endpoint, net, None)
        if not found:
            raise CheckFailed(Reason.CONTENT, "the agent has none of the objects that it was asked for")
        used = None
        if self.mib == "ucd" and CPU_TIME[3] in found:
            used = self._meter.measure(tuple(found.get(oid, 0) for oid in CPU_TIME), net.now())
            if used is None:
                return Report(metrics={})
        return self._report(found, used)

    def forget(self) -> None:
        """Measure anew."""
        self._meter.forget()

    async def _get(self, endpoint: Endpoint, net: Net, oids: list[str] | None) -> Mapping[str, int]:
        """Return the answer to one request, which is sent again where none comes: it may have been lost."""
        self._request_id = (self._request_id + 1) % (1 << 31)
        community = self.community.reveal()
        if oids is None:
            request = snmp_message.get_bulk(self._request_id, community, PROCESSOR_LOAD)
        else:
            request = snmp_message.get(self._request_id, community, oids)
        async with net.connect_udp(endpoint) as datagrams:
            for tries_left in range(TRIES + 1, 1, -1):
                await datagrams.send(request)
                found = await self._response(datagrams, net, net.time_left() / tries_left)
                if found is not None:
                    break
            while found is None:
                found = snmp_message.read_response(await datagrams.receive(), self._request_id)
            return found

    async def _response(self, datagrams: Datagrams, net: Net, seconds: float) -> Mapping[str, int] | None:
        """Return the answer, None when it has not come in time. Late ones to earlier requests are passed over."""
        until = net.now() + seconds
        while (left := until - net.now()) > 0 and (answer := await datagrams.receive_within(left)) is not None:
            found = snmp_message.read_response(answer, self._request_id)
            if found is not None:
                return found
        return None

    def _report(self, found: Mapping[str, int], used: float | None) -> Report:
        metrics = {} if used is None else {"cpu": used}
        metrics |= _memory(found) if self.mib == "ucd" else _processors(found)
        failures = {}
        for name, one in self.objects.items():
            value = found.get(one.oid.lstrip("."))
            if value is not None and is_ratio(value / one.limit):
                metrics[name] = value / one.limit
            else:
                failures[name] = f"the agent has no such number at {one.oid}" if value is None else f"it is {value}"
        if not metrics and not failures:
            raise CheckFailed(Reason.CONTENT, f"the agent has nothing of what mib: {self.mib} names")
        return Report(metrics=metrics, failures=failures)


def _memory(found: Mapping[str, int]) -> dict[str, float]:
    total = found.get(MEMORY_TOTAL, 0)
    free = sum(found.get(oid, 0) for oid in (MEMORY_FREE, BUFFERS, CACHED))
    return {"memory": min(1.0, max(0.0, 1 - found.get(AVAILABLE, free) / total))} if total > 0 else {}


def _processors(found: Mapping[str, int]) -> dict[str, float]:
    """Return the mean of all processors; nothing where they were not asked for."""
    loads = [value for oid, value in found.items() if oid.startswith(f"{PROCESSOR_LOAD}.") and 0 <= value <= 100]
    return {"cpu": sum(loads) / len(loads) / 100} if loads else {}
