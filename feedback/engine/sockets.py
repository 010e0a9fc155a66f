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

set_bytes_option = ctypes.PyDLL(None).setsockopt
"""The C library's own. Python's tries two other types first and words an exception for each: 4 us instead of 1."""

CONNECTING = (errno.EINPROGRESS, 0)

WATCHED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
"""One registration for a socket's whole life: an edge wakes its owner, which tries again whatever it was at."""


def connect(
    engine: Engine, kind: int, endpoint: Endpoint, callback: Callable[[int], None], brief: bool = False
) -> socket.SocketType:
    """Return a socket that is connecting or connected, and watched. Raises CheckFailed or LocalFault."""
    address = endpoint.address
    try:
        opened = socket.SocketType(INET6 if ":" in address else INET, kind)
    except OSError as error:
        raise faults.at_once(error.errno or 0, endpoint) from None
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
