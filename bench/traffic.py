"""What one run of a check sends, receives and waits for, counted at the engine's own streams and datagrams."""

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self
from unittest.mock import patch

from feedback.engine import kept, network
from feedback.engine.datagrams import UdpSocket
from feedback.engine.icmp import IcmpSocket
from feedback.engine.stream import TcpStream
from feedback.net import Stream

# struct tcp_info of linux/tcp.h: state; bytes received; not yet sent; sent, and of these sent again
TCP_INFO = struct.Struct("=B 127x Q 8x I 52x QQ")
CLOSE_WAIT = 8
"""The peer has ended the stream: the kernel counts that as a byte."""

TLS_ROUND_TRIPS = {"TLSv1.3": 1}
"""One more in TLS 1.2 and before."""


class Traffic:
    """Counts bytes, TLS included but no headers of TCP, UDP, ICMP or IP; and round trips.

    A round trip: something went out, and then the check waits for the peer. A TCP handshake is one, and so is that of
    TLS. A server that speaks first makes the check wait once more: its words answer the end of the handshake.
    """

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.received_bytes = 0
        self.round_trips = 0
        self._spoken = False

    def speak(self) -> None:
        """Note that something goes out."""
        self._spoken = True

    def wait(self) -> None:
        """Note that the check waits for the peer."""
        self.round_trips += self._spoken
        self._spoken = False

    def shake_hands(self, round_trips: int) -> None:
        """Note a handshake, whose last words are the check's."""
        self.round_trips += round_trips
        self._spoken = True

    def add(self, connection: socket.SocketType) -> None:
        """Note what went over a connection until now, as the kernel has counted it."""
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size)
        state, received, unsent, sent, again = TCP_INFO.unpack(info)
        self.sent_bytes += sent - again + unsent
        self.received_bytes += received - (state == CLOSE_WAIT)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what every check does within the block."""
        stream = partial(CountedStream, self)
        with (
            patch.object(network, "TcpStream", stream),
            patch.object(kept, "TcpStream", stream),
            patch.object(network, "UdpSocket", partial(CountedUdp, self)),
            patch.object(network, "IcmpSocket", partial(CountedIcmp, self)),
        ):
            yield


class CountedStream(TcpStream):
    """A connection that counts."""

    def __init__(self, traffic: Traffic, *words: Any) -> None:
        super().__init__(*words)
        self._traffic = traffic

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._traffic.shake_hands(1)
        return self

    async def write(self, data: bytes) -> None:
        self._traffic.speak()
        await super().write(data)

    async def receive(self, limit: int) -> bytes:
        self._traffic.wait()
        return await super().receive(limit)

    async def start_tls(
        self, context: ssl.SSLContext, server_hostname: str | None, resume: Stream | None = None
    ) -> None:
        await super().start_tls(context, server_hostname, resume=resume)
        negotiated = self.negotiated()
        self._traffic.shake_hands(TLS_ROUND_TRIPS.get(negotiated.version if negotiated else "", 2))

    def close(self) -> None:
        if not self._handed_over:
            self._traffic.add(self._socket)
        super().close()

    def detach(self) -> socket.socket:
        return CountedSocket(self._traffic, super().detach())


class CountedSocket(socket.socket):
    """A connection that a library has taken over, on a loop that calls its methods: asyncio's own."""

    def __init__(self, traffic: Traffic, plain: socket.socket) -> None:
        super().__init__(fileno=plain.detach())
        self.setblocking(False)
        self._traffic = traffic

    def send(self, *words: Any) -> int:
        self._traffic.speak()
        return super().send(*words)

    def recv(self, *words: Any) -> bytes:
        self._traffic.wait()
        return super().recv(*words)

    def close(self) -> None:
        if self.fileno() >= 0:
            self._traffic.add(self)
        super().close()


class CountedUdp(UdpSocket):
    """A UDP socket that counts."""

    def __init__(self, traffic: Traffic, *words: Any) -> None:
        super().__init__(*words)
        self._traffic = traffic

    async def send(self, data: bytes) -> None:
        self._traffic.speak()
        self._traffic.sent_bytes += len(data)
        await super().send(data)

    async def receive(self) -> bytes:
        self._traffic.wait()
        data = await super().receive()
        self._traffic.received_bytes += len(data)
        return data

    async def receive_within(self, seconds: float) -> bytes | None:
        self._traffic.wait()
        data = await super().receive_within(seconds)
        self._traffic.received_bytes += len(data or b"")
        return data


class CountedIcmp(CountedUdp, IcmpSocket):
    """ICMP echo that counts. What it counts are the messages' contents."""
