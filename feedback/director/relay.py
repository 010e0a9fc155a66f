"""One forwarded TCP connection: two sides, and what either reads goes out at the other."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import cast

from feedback.model import DestinationKey

BUFFER_BYTES = 64 * 1024  # that wait in each direction before their sender is made to wait
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, no time


class Relay:
    """A client's connection and its continuation at a destination.

    `opened` is called when the client has connected, and is to see to `connect` or `reset`; what the client says before
    the destination has answered waits. `closed` is called once, when both sides are gone.
    """

    def __init__(self, opened: "Callable[[Relay], None]", closed: "Callable[[Relay], None]") -> None:
        self._opened = opened
        self._closed = closed
        self.client = Side(self)
        self.server = Side(self)
        self.client.other, self.server.other = self.server, self.client
        self.destination: DestinationKey | None = None
        self.quiet_sweeps = 0  # how often a sweep has found it silent
        self._connecting = False

    @property
    def half_closed(self) -> bool:
        """Whether a side has finished sending."""
        return self.client.finished or self.server.finished

    async def connect(self, destination: DestinationKey, timeout_seconds: float) -> None:
        """Connect the other side. Where that fails, the client's connection is reset."""
        loop = asyncio.get_running_loop()
        self._connecting = True
        try:
            async with asyncio.timeout(timeout_seconds):
                await loop.create_connection(lambda: self.server, destination.address, destination.port)
        except (OSError, TimeoutError):
            self.client.reset()
        finally:
            self._connecting = False
            self._close_if_gone()

    def reset(self) -> None:
        """Cut both sides at once."""
        self.client.reset()
        self.server.reset()

    def made(self, side: "Side") -> None:
        """Take a side that is connected."""
        if side is self.client:
            self._opened(self)
        elif self.client.gone:  # the client went while this was connecting
            side.reset()
        else:
            self.client.speak()

    def lost(self, side: "Side") -> None:
        """Take a side that is gone. Unless both have said all they had to say, the other is cut too."""
        if not (side.finished and side.other.finished):
            side.other.reset()
        self._close_if_gone()

    def _close_if_gone(self) -> None:
        if self.client.gone and self.server.gone and not self._connecting:
            self._closed(self)


class Side(asyncio.Protocol):
    """One side of a relay. `gone` holds before it is connected and after it is lost."""

    __slots__ = ("early", "finished", "gone", "other", "relay", "transport")

    other: "Side"
    transport: asyncio.Transport

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.gone = True
        self.finished = False
        self.early = b""  # said before the other side was there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound what may wait for this side's peer."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=BUFFER_BYTES)
        self.gone = False
        self.relay.made(self)

    def speak(self) -> None:
        """Pass on what was said before the other side was there."""
        self.other.transport.write(self.early)
        self.early = b""
        if self.finished:
            self.other.transport.write_eof()
        self.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Pass it on; before there is another side, keep what one read has brought."""
        self.relay.quiet_sweeps = 0
        if self.other.gone:
            self.early += data
            self.pause_reading()
        else:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Pass the end on, and close when it is the second one. The transport stays open for the other direction."""
        self.finished = True
        if self.other.finished:
            self.transport.close()
            self.other.transport.close()
        elif not self.other.gone:
            self.other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        """Make the sender wait while this side's peer is slow."""
        self.other.pause_reading()

    def resume_writing(self) -> None:
        """Let the sender go on."""
        self.other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - how it was lost makes no difference
        """Tell the relay."""
        self.gone = True
        self.relay.lost(self)

    def pause_reading(self) -> None:
        """Read no more for now."""
        if not self.gone:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again, if there is more to come."""
        if not self.gone and not self.finished:
            self.transport.resume_reading()

    def reset(self) -> None:
        """Cut this side: what waits to be sent is dropped and the peer gets a reset."""
        if self.gone:
            return
        with contextlib.suppress(OSError):  # the peer may have cut it already
            opened = self.transport.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        self.transport.abort()
