"""Opening non-blocking sockets that the engine watches."""

import ctypes
import errno
import select
import socket
import struct
from collections.abc import Callable

from feedback.engine import faults
from feedback.engine.poller import Engine
from feedback.model import Endpoint
from feedback.net import Egress

# Plain integers and the plain class: the wrappers around them cost as much as the system calls themselves.
INET = int(socket.AF_INET)
INET6 = int(socket.AF_INET6)
STREAM = int(socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
DATAGRAM = int(socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
IPPROTO_TCP = int(socket.IPPROTO_TCP)
TCP_QUICKACK = int(socket.TCP_QUICKACK)
SOL_SOCKET = int(socket.SOL_SOCKET)
SO_LINGER = int(socket.SO_LINGER)
LINGER_0 = struct.pack("ii", 1, 0)
IP_BIND_ADDRESS_NO_PORT = 24
"""Of linux/in.h, and not of Python 3.11's socket module: the port is chosen when it is known where it goes."""

set_bytes_option = ctypes.PyDLL(None).setsockopt
"""The C library's own. Python's tries two other types first and words an exception for each: 4 us instead of 1."""

CONNECTING = (errno.EINPROGRESS, 0)

WATCHED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
"""One registration for a socket's whole life: an edge wakes its owner, which tries again whatever it was at."""


def connect(
    engine: Engine,
    kind: int,
    endpoint: Endpoint,
    callback: Callable[[int], None],
    brief: bool = False,
    *,
    egress: Egress | None = None,
) -> socket.SocketType:
    """Return a socket that is connecting or connected, and watched. Raises CheckFailed or LocalFault."""
    address = endpoint.address
    try:
        opened = socket.SocketType(INET6 if ":" in address else INET, kind)
    except OSError as error:
        raise faults.at_once(error.errno or 0, endpoint) from None
    if egress is not None:
        leave_by(egress, opened)
    try:
        descriptor = opened.fileno()
        if brief:
            opened.setsockopt(IPPROTO_TCP, TCP_QUICKACK, 0)
            set_bytes_option(descriptor, SOL_SOCKET, SO_LINGER, LINGER_0, len(LINGER_0))
        number = opened.connect_ex((address, endpoint.port))
        if number in CONNECTING:
            engine.watch(descriptor, WATCHED, callback)
            return opened
    except OSError as error:
        number = error.errno or 0
    opened.close()
    raise faults.at_once(number, endpoint)


def leave_by(egress: Egress, opened: socket.SocketType) -> None:
    """Let what a socket sends leave this host as is wanted. Closes it and raises LocalFault where that can't be."""
    option = "fwmark"
    try:
        if egress.fwmark is not None:
            opened.setsockopt(SOL_SOCKET, socket.SO_MARK, struct.pack("I", egress.fwmark))
        option = "interface"
        if egress.interface is not None:
            opened.setsockopt(SOL_SOCKET, socket.SO_BINDTODEVICE, egress.interface.encode())
        option = "source"
        if egress.source is not None:
            _bind(opened, egress.source)
    except OSError as error:
        opened.close()
        raise faults.egress(option, getattr(egress, option), error.errno or 0) from None


def _bind(opened: socket.SocketType, source: str) -> None:
    if opened.family != (INET6 if ":" in source else INET):
        raise OSError(errno.EAFNOSUPPORT, "")
    if opened.type == socket.SOCK_STREAM:
        opened.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    opened.bind((source, 0))
