"""The network as a check sees it, on the engine."""

import abc
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import msgspec

from feedback.engine import program
from feedback.engine.datagrams import UdpSocket
from feedback.engine.icmp import IcmpSocket
from feedback.engine.kept import Kept, ReusableTcp
from feedback.engine.poller import Engine
from feedback.engine.steer import refuse_datagrams, steer
from feedback.engine.stream import TcpStream
from feedback.engine.waiting import Awaited
from feedback.model import Endpoint
from feedback.net import Completed, Egress, Target, endpoint_of


class Network(abc.ABC):
    """`feedback.net.Net` for one coroutine. A subclass knows how that coroutine waits: it is the streams' owner."""

    engine: Engine
    deadline: float
    target: Target
    awaited: Awaited | None = None  # the newest of what was opened
    stage_words: str = ""
    egress: Egress | None = None  # for what is sent to the target's own address
    kept: Kept | None = None
    afresh = False

    @abc.abstractmethod
    def pause(self) -> Awaitable[None]:
        """Wait until there may be something new. Ends the coroutine when its run is over."""

    @abc.abstractmethod
    def resume(self) -> None:
        """Try again: something has happened."""

    def now(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def time_left(self) -> float:
        """Return the seconds until the deadline."""
        return self.deadline - time.monotonic()

    def stage(self, words: str) -> None:
        """Say what the check is at. It is put before the detail of a failure."""
        self.stage_words = words

    def connect_tcp(
        self, target: Target | Endpoint, *, brief: bool = False, reuse: int = 0, privileged_port: bool = False
    ) -> AbstractAsyncContextManager[TcpStream]:
        """Connect, and at the end of the block close, or keep the connection for the next run."""
        endpoint = target.endpoint if isinstance(target, Target) else target
        egress = self._egress_to(endpoint, privileged_port) if self.egress or privileged_port else None
        if reuse:
            return ReusableTcp(self, endpoint, brief, egress, reuse)
        self.awaited = stream = TcpStream(self, endpoint, brief, egress)
        return stream

    def connect_udp(self, target: Target | Endpoint, *, privileged_port: bool = False) -> UdpSocket:
        """Open a UDP socket connected to the target."""
        endpoint = endpoint_of(target)
        egress = self._egress_to(endpoint, privileged_port)
        if egress is not None:
            refuse_datagrams(egress.steering)
        self.awaited = datagrams = UdpSocket(self, endpoint, egress)
        return datagrams

    def connect_icmp(self, target: Target | Endpoint) -> IcmpSocket:
        """Open a socket for ICMP echo requests to the target's address."""
        endpoint = endpoint_of(target)
        self.awaited = echoes = IcmpSocket(self, endpoint, self._egress_to(endpoint))
        return echoes

    def _egress_to(self, endpoint: Endpoint, privileged_port: bool = False) -> Egress | None:
        """Return how packets to an endpoint leave this host. Third parties are reached as the host decides."""
        egress = self.egress if endpoint.address == self.target.endpoint.address else None
        if egress is not None and egress.steering is not None:
            egress = steer(egress.source, egress.steering, endpoint)
        return msgspec.structs.replace(egress or Egress(), privileged_port=True) if privileged_port else egress

    async def run(self, command: Sequence[str], environment: Mapping[str, str], limit: int) -> Completed:
        """Run a program to its end."""
        return await program.run(self, command, environment, limit)
