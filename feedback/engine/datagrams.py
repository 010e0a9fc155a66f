"""A connected UDP socket."""

import socket
import time
from types import TracebackType
from typing import Self

from feedback.engine import faults
from feedback.engine.sockets import DATAGRAM, connect
from feedback.engine.waiting import READS_AT_A_STRETCH, Owner
from feedback.model import Endpoint
from feedback.net import Egress

DATAGRAM_BYTES = 64 * 1024


class UdpSocket:
    """Opens on entering the block, and is closed on leaving it, however that happens."""

    def __init__(self, owner: Owner, endpoint: Endpoint, egress: Egress | None) -> None:
        self._owner = owner
        self._endpoint = endpoint
        self._egress = egress
        self._reads = 0
        self._socket: socket.SocketType

    async def __aenter__(self) -> Self:
        self._socket = self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owner.engine.forget(self._socket.fileno())
        self._socket.close()

    def open(self) -> socket.SocketType:
        """Return a socket that is connected, and watched."""
        return connect(self._owner.engine, DATAGRAM, self._endpoint, self._happened, egress=self._egress)

    def read(self) -> bytes | None:
        """Return the next datagram; None for one that is for somebody else."""
        return self._socket.recv(DATAGRAM_BYTES)

    async def send(self, data: bytes) -> None:
        """Send one datagram."""
        while True:
            try:
                self._socket.send(data)
            except BlockingIOError:
                await self._owner.pause()
            except OSError as error:
                raise faults.later(error.errno or 0, self._endpoint) from None
            else:
                return

    async def receive(self) -> bytes:
        """Return the next datagram from the peer. ICMP errors arrive as CheckFailed (refused, unreachable)."""
        while (data := self._receive_now()) is None:
            await self._owner.pause()
        return data

    async def receive_within(self, seconds: float) -> bytes | None:
        """Return the next datagram from the peer, or None when none has come after `seconds`."""
        until = time.monotonic() + seconds
        alarms = self._owner.engine.deadlines.add(until, self)
        try:
            while (data := self._receive_now()) is None and time.monotonic() < until:
                await self._owner.pause()
        finally:
            alarms.discard(self)
        return data

    def local_endpoint(self) -> Endpoint:
        """Return this end's address and port."""
        return Endpoint(*self._socket.getsockname()[:2])

    def lacking(self) -> str:
        """Return what has not come yet, in words."""
        return f"no answer from {self._endpoint}"

    def expire(self) -> None:
        """Let the owner see that the time for an answer is over."""
        self._owner.resume()

    def cancel(self) -> None:
        """Do nothing: the engine closes, and the owner is cancelled by its own deadline's entry."""

    def _happened(self, _mask: int) -> None:
        self._owner.resume()

    def _receive_now(self) -> bytes | None:
        data = None
        while data is None:
            self._reads += 1
            if self._reads % READS_AT_A_STRETCH == 0:
                self._owner.engine.loop.call_soon(self._owner.resume)
                return None
            try:
                data = self.read()
            except BlockingIOError:
                return None
            except OSError as error:
                raise faults.later(error.errno or 0, self._endpoint) from None
        return data
