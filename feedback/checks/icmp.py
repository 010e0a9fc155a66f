"""The `icmp` check: whether the host answers, as `ping` asks."""

import math
import struct
from typing import Annotated, ClassVar

import msgspec

from feedback.checks.check import Check
from feedback.net import Net, Target
from feedback.options import Ratio

HEADER = struct.Struct("!dQ")
"""What tells one request from another: when it was sent, and its number."""


class IcmpCheck(Check, name="icmp"):
    """Pass when the host answers ICMP echo requests, as `ping` sends them.

    It says that the host is up and can be reached, and nothing of any service: use it beside other checks, or where
    there is nothing else to ask. A packet follows when the one before is answered or has had its share of the time,
    and as soon as enough are answered, no more are sent. So with the defaults a packet that got lost is sent once more
    when half of the time is over.

    It needs a group of the director's process in `net.ipv4.ping_group_range`, where many distributions have all, or
    else CAP_NET_RAW.

    Examples:
        - icmp
        - icmp: {count: 5, max_loss: 0.2, size: 1400}
    """

    count: Annotated[int, msgspec.Meta(ge=1, le=100), "most packets to send"] = 2
    max_loss: Annotated[Ratio, "share of the packets that need no answer; one of them always does"] = 0.5
    size: Annotated[int, msgspec.Meta(ge=HEADER.size, le=65_000), "bytes of data in a packet"] = 56

    uses_port: ClassVar[bool] = False
    steerable: ClassVar[bool] = False  # IPVS leads no echo requests anywhere: the director would answer itself

    def __post_init__(self) -> None:
        may_be_lost = math.floor(round(self.count * self.max_loss, 9))
        self._needed = max(1, self.count - may_be_lost)

    async def probe(self, target: Target, net: Net) -> str:
        """Send packets until enough are answered. The deadline ends what never is."""
        sent: dict[bytes, float] = {}
        trips: list[float] = []
        number = 0
        async with net.connect_icmp(target) as echoes:
            due = net.now()
            while len(trips) < self._needed:
                now = net.now()
                if number < self.count and now >= due:
                    due = now + net.time_left() / (self.count - number)
                    number += 1
                    net.stage(f"packet {number} of {self.count}, {len(trips)} answered")
                    data = self.packet(now, number)
                    sent[data] = now
                    await echoes.send(data)
                answer = await (echoes.receive_within(due - now) if number < self.count else echoes.receive())
                if answer in sent:
                    due = net.now()
                    trips.append(due - sent.pop(answer))
        unanswered = f", {len(sent)} of {number} not answered" if sent else ""
        return f"round trip {sum(trips) / len(trips) * 1000:.2f} ms{unanswered}"

    def packet(self, now: float, number: int) -> bytes:
        """Return the data of a request."""
        return HEADER.pack(now, number).ljust(self.size, b"\0")
