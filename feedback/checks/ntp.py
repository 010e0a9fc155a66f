"""The `ntp` check: whether a time server has a time to give, and how far it is from ours."""

import secrets
import time
from typing import Annotated

import msgspec

from feedback.checks.asking import ask_twice
from feedback.checks.check import Check
from feedback.checks.codecs import ntp_packet
from feedback.checks.codecs.ntp_packet import NONCE_BYTES, Reading, Reply
from feedback.errors import CheckFailed, Reason
from feedback.net import Net, Target
from feedback.options import Duration, show_duration

unix_nanoseconds = time.time_ns
new_nonce = secrets.token_bytes


class NtpCheck(Check, name="ntp"):
    """Pass when the server answers as a client's server (mode 3 and 4), and is synchronized.

    `max_offset` compares its clock with the one of this host, which had better be right: one that is wrong takes away
    all servers. What the network's delay leaves uncertain counts for the server. A packet may get lost, so a second one
    is sent when half of the time is over.

    Many servers answer only so many packets of one client, and then with a kiss-o'-death, or not at all: except the
    director from that (`restrict` of ntpd, `ratelimit` of chrony), or check every 16 seconds.

    Example:
        - ntp: {max_stratum: 4, max_offset: 100ms}
    """

    max_stratum: Annotated[int, msgspec.Meta(ge=1, le=15), "how many steps it may be from a reference clock"] = 15
    max_offset: Annotated[Duration | None, "how far its clock may be from that of this host"] = None
    max_root_dispersion: Annotated[Duration | None, "how large it may say that its own error is"] = None

    async def probe(self, target: Target, net: Net) -> str:
        """Ask for the time, and look at who says it and what."""
        asking = _Asking(net)
        reply, reading = await ask_twice(net, target, asking.question, asking.read, net.time_left())
        self._judge(reply, reading)
        return f"stratum {reply.stratum}, reference {reply.reference}, offset {_milliseconds(reading)}"

    def _judge(self, reply: Reply, reading: Reading) -> None:
        if reply.stratum > self.max_stratum:
            raise CheckFailed(Reason.CONTENT, f"stratum {reply.stratum}, must be {self.max_stratum} at most")
        if self.max_root_dispersion is not None and reply.root_dispersion > self.max_root_dispersion:
            limit = show_duration(self.max_root_dispersion)
            raise CheckFailed(Reason.CONTENT, f"root dispersion {reply.root_dispersion:.6f} s, must be {limit} at most")
        if self.max_offset is not None and reading.certain_offset > self.max_offset:
            limit = show_duration(self.max_offset)
            raise CheckFailed(Reason.CONTENT, f"offset {_milliseconds(reading)}, must be {limit} at most")


class _Asking:
    """The questions of one probe, each with its time by our clock. The answer to either will do."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._asked: dict[bytes, tuple[int, float]] = {}

    def question(self) -> bytes:
        nonce = new_nonce(NONCE_BYTES)
        self._asked[nonce] = unix_nanoseconds(), self._net.now()
        return ntp_packet.request(nonce)

    def read(self, data: bytes) -> tuple[Reply, Reading] | None:
        """Return what the server says, None when it is no answer to one of our questions."""
        asked = self._asked.get(ntp_packet.nonce_in(data) or b"")
        if asked is None:
            return None
        asked_at, monotonic = asked
        waited = round((self._net.now() - monotonic) * 1e9)  # our clock may be set meanwhile
        reply = ntp_packet.read_reply(data)
        return reply, ntp_packet.reading(ntp_packet.timestamp(asked_at), reply, ntp_packet.timestamp(asked_at + waited))


def _milliseconds(reading: Reading) -> str:
    """Return `+0.125 ms ± 0.040 ms`."""
    return f"{reading.offset * 1000:+.3f} ms ± {reading.delay * 500:.3f} ms"
