"""Whether a zone is as new as elsewhere: the `serial` option of the `dns` check."""

import weakref
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated

import msgspec

from feedback.checks.codecs import dns_message
from feedback.checks.dns_client import ask_over_udp
from feedback.checks.serials import Lag, Reference, Sightings, newest
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.model import Endpoint
from feedback.net import Net, Target
from feedback.options import Duration, show_duration

DNS_PORT = 53

AUTHORITY_SHARE = 0.8
"""How much of the time that is left the authority has for its answer: its silence must not look like the service's."""

POLL_SECONDS = 0.05


@dataclass(kw_only=True)
class Serial:
    """Which serial a zone must have."""

    authority: Annotated[
        str | None,
        "address of the zone's authority, and its port if that is not 53; by default, what counts is the newest serial "
        "among the service's destinations",
    ] = None
    max_behind: Annotated[int, msgspec.Meta(ge=0), "by how much a destination may be behind"] = 0
    max_behind_for: Annotated[Duration, "for how long it may be behind by more than that"] = 0.0
    cache: Annotated[
        Duration,
        msgspec.Meta(gt=0),
        "how long it is good for what the authority or another destination has said; longer than the check's interval",
    ] = 30.0

    def __post_init__(self) -> None:
        try:
            self.endpoint = None if self.authority is None else Endpoint.parse(self.authority, DNS_PORT)
        except ValueError as error:
            raise ValueError(f"authority: {error}") from None


class _Memory:
    """What is known of a zone. Checks that want the same share it, so a reload does not forget who is behind."""

    def __init__(self) -> None:
        self.sightings = Sightings()
        self.reference = Reference()


_memories: weakref.WeakValueDictionary[Hashable, _Memory] = weakref.WeakValueDictionary()


class Comparison:
    """Compares serials as a `Serial` says. `place`: where else than at its destinations a check looks."""

    def __init__(self, wanted: Serial, zone: str, of_class: str, place: Hashable) -> None:
        self._wanted = wanted
        self._authority = wanted.endpoint
        self._question = dns_message.make_question(zone, "SOA", of_class)
        key = (self._question, wanted.endpoint, wanted.cache, place)
        memory = _memories.get(key)
        if memory is None:
            memory = _memories[key] = _Memory()
        self._memory = memory

    async def compare(self, serial: int, target: Target, net: Net) -> str:
        """Return in words how a destination's serial is.

        Raises CheckFailed when it is not as wanted, LocalFault when that can't be told.
        """
        sightings, destination = self._memory.sightings, (target.destination, target.endpoint)
        sightings.note(target.service, destination, serial, net.now())
        if self._authority is None:
            reference, whose = self._newest(target.service, net.now())
        else:
            reference, whose = await self._ask(self._authority, serial, net), f"the authority {self._authority}"
        lag = sightings.lag(target.service, destination, reference, net.now())
        self._judge(lag, f"serial {serial}", f"{whose}, which has {reference}")
        return f"serial {serial}, {f'{lag.count} behind' if lag.count else 'like'} {whose}"

    def _newest(self, service: str, now: float) -> tuple[int, str]:
        """Return the newest serial among a service's destinations, and whose it is in words."""
        serials = self._memory.sightings.current(service, now, self._wanted.cache)
        found = newest(serials)
        if found is None:
            shown = ", ".join(map(str, sorted(set(serials))))
            raise LocalFault(f"the destinations' serials are too far apart to say which is the newest: {shown}")
        return found, "itself, as no other is known" if len(
            serials
        ) == 1 else f"the newest of {len(serials)} destinations"

    def _judge(self, lag: Lag, own: str, other: str) -> None:
        """Raise CheckFailed when a lag is too large."""
        wanted = self._wanted
        if lag.count is None:
            raise CheckFailed(Reason.CONTENT, f"{own} can't be compared with {other}: half of all lie between")
        if lag.count < 0:
            raise CheckFailed(Reason.CONTENT, f"{own} is {-lag.count} ahead of {other}")
        tolerated = wanted.max_behind_for > 0 and lag.seconds <= wanted.max_behind_for
        if lag.count > wanted.max_behind and not tolerated:
            limit = f"{wanted.max_behind} at most" if wanted.max_behind else "the same"
            limit += f", or for {show_duration(wanted.max_behind_for)} at most" if wanted.max_behind_for else ""
            since = f", for {lag.seconds:.0f} s" if lag.seconds else ""
            raise CheckFailed(Reason.CONTENT, f"{own} is {lag.count} behind {other}{since}, must be {limit}")

    async def _ask(self, authority: Endpoint, serial: int, net: Net) -> int:
        """Return the authority's serial: as remembered, or what another check is just being told, or asked now."""
        reference = self._memory.reference
        since, reserve = net.now(), net.time_left() * (1 - AUTHORITY_SHARE)
        while not reference.will_do(serial, since, self._wanted.cache):
            if not reference.being_asked:
                await self._refresh(authority, reference, net)
            elif net.time_left() > reserve:
                await _wait(authority, reference, net, reserve)
            else:
                raise LocalFault(self._fault(authority, "another check waits for it, too"))
        return reference.serial()

    async def _refresh(self, authority: Endpoint, reference: Reference, net: Net) -> None:
        """Ask, and let the others who want to know wait."""
        asked_at = net.now()
        reference.being_asked = True
        try:
            reference.note(await self._serial_at(authority, net), asked_at)
        except (CheckFailed, LocalFault) as error:
            words = error.detail if isinstance(error, CheckFailed) else str(error)
            reference.note_fault(self._fault(authority, words), net.now())
        finally:
            reference.being_asked = False

    async def _serial_at(self, authority: Endpoint, net: Net) -> int:
        answer = await ask_over_udp(net, authority, self._question, net.time_left() * AUTHORITY_SHARE)
        if answer.rcode != "NOERROR":
            raise LocalFault(f"it answers {answer.rcode}")
        if answer.truncated:
            raise LocalFault("its answer is truncated")
        if not answer.authoritative or answer.serial is None:
            raise LocalFault("it has no authority over the zone")
        return answer.serial

    def _fault(self, authority: Endpoint, words: str) -> str:
        return f"the authority {authority} did not tell the serial of {self._question.text}: {words}"


async def _wait(authority: Endpoint, reference: Reference, net: Net, reserve: float) -> None:
    """Wait for what another check is told, until so much time is left.

    On a socket to which nothing is sent, and to which nothing comes: there is nothing else to wait on.
    """
    async with net.connect_udp(authority) as idle:
        while reference.being_asked and net.time_left() > reserve:
            await idle.receive_within(POLL_SECONDS)
