"""ICMP echo to one host: what is sent comes back."""

import itertools
import os
import socket
import struct
from collections.abc import Callable

from feedback.engine import echo, faults
from feedback.engine.datagrams import DATAGRAM_BYTES, UdpSocket
from feedback.engine.sockets import DATAGRAM, INET, INET6, RAW, begin, leave_by
from feedback.engine.waiting import Owner
from feedback.errors import LocalFault
from feedback.model import Endpoint, Family
from feedback.net import Egress

ICMP = int(socket.IPPROTO_ICMP)
ICMPV6 = int(socket.IPPROTO_ICMPV6)

# What Python's socket module has no names for: linux/in.h, linux/in6.h, linux/icmp.h, linux/icmpv6.h
IP_RECVERR = 11
IPV6_RECVERR = 25
SOL_RAW = 255
ICMP_FILTER = 1
ICMPV6_FILTER = 1
ONLY_REPLIES_IPV4 = struct.pack("=I", 0xFFFFFFFF & ~(1 << echo.REPLY[Family.IPV4]))
ONLY_REPLIES_IPV6 = struct.pack(
    "=8I", *(0xFFFFFFFF & ~(1 << echo.REPLY[Family.IPV6] % 32 if word == 4 else 0) for word in range(8))
)

Opener = Callable[[int, int, int], socket.SocketType]

_identifiers = itertools.count(os.getpid())


class Host(Endpoint, frozen=True):
    """Where there are no ports."""

    port: int = 0

    def __str__(self) -> str:
        return self.address


class IcmpSocket(UdpSocket):
    """Sends each datagram in an echo request, and receives what is in the replies."""

    def __init__(self, owner: Owner, endpoint: Endpoint, egress: Egress | None) -> None:
        super().__init__(owner, Host(endpoint.address), egress)
        self._family = endpoint.family
        self._identifier = next(_identifiers) & 0xFFFF
        self._sequence = 0

    async def send(self, data: bytes) -> None:
        """Send one echo request."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        await super().send(echo.request(self._family, self._identifier, self._sequence, data))

    def open(self) -> socket.SocketType:
        """Return a socket, of the kind that this process may open."""
        opened = open_socket(self._endpoint)
        self._is_raw = opened.type == socket.SOCK_RAW
        _prepare(opened)
        if self._egress is not None:
            leave_by(self._egress, opened)
        if number := begin(self._owner.engine, opened, self._endpoint, self._happened):
            raise faults.at_once(number, self._endpoint)
        return opened

    def read(self) -> bytes | None:
        """Return the data of the next reply; None for what is none of ours."""
        packet, sender = self._socket.recvfrom(DATAGRAM_BYTES)
        if sender[0].partition("%")[0] != self._endpoint.address:  # the kernel compares no more than the identifier
            return None
        if not self._is_raw:
            return echo.reply(self._family, packet, None)  # the identifier is the kernel's
        if self._family is Family.IPV4:
            packet = echo.without_ip_header(packet)
        return echo.reply(self._family, packet, self._identifier)


def open_socket(endpoint: Endpoint, opener: Opener = socket.SocketType) -> socket.SocketType:
    """Return a socket for echo requests: the kind that needs no privilege, or else a raw one. Raises LocalFault."""
    family, protocol = (INET6, ICMPV6) if endpoint.family is Family.IPV6 else (INET, ICMP)
    try:
        try:
            return opener(family, DATAGRAM, protocol)
        except PermissionError:
            return opener(family, RAW, protocol)
    except PermissionError:
        raise LocalFault("ICMP needs a group of this process in net.ipv4.ping_group_range, or CAP_NET_RAW") from None
    except OSError as error:
        raise faults.at_once(error.errno or 0, endpoint) from None


def _prepare(opened: socket.SocketType) -> None:
    """Let ICMP's errors come to a socket, and of its messages no others than echo replies."""
    is_raw = opened.type == socket.SOCK_RAW
    if opened.family == INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        if is_raw:
            opened.setsockopt(ICMPV6, ICMPV6_FILTER, ONLY_REPLIES_IPV6)
    else:
        opened.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        if is_raw:
            opened.setsockopt(SOL_RAW, ICMP_FILTER, ONLY_REPLIES_IPV4)
