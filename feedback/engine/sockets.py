"""Opening non-blocking sockets that the engine watches."""

import contextlib
import ctypes
import errno
import random
import select
import socket
import struct
from collections.abc import Callable

from feedback.engine import faults
from feedback.engine.poller import Engine
from feedback.errors import LocalFault
from feedback.model import Endpoint
from feedback.net import Egress

# Plain integers and the plain class: the wrappers around them cost as much as the system calls themselves.
INET = int(socket.AF_INET)
INET6 = int(socket.AF_INET6)
STREAM = int(socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
DATAGRAM = int(socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
RAW = int(socket.SOCK_RAW | socket.SOCK_NONBLOCK)
IPPROTO_TCP = int(socket.IPPROTO_TCP)
TCP_QUICKACK = int(socket.TCP_QUICKACK)
SOL_SOCKET = int(socket.SOL_SOCKET)
SO_LINGER = int(socket.SO_LINGER)
LINGER_0 = struct.pack("ii", 1, 0)
IP_BIND_ADDRESS_NO_PORT = 24
"""Of linux/in.h, and not of Python 3.11's socket module: the port is chosen when it is known where it goes."""

PRIVILEGED_PORTS = range(665, 1024)
"""Those from which the kernel's own NFS client calls: below them are servers' ports."""

set_bytes_option = ctypes.PyDLL(None).setsockopt
"""The C library's own. Python's tries two other types first and words an exception for each: 4 us instead of 1."""

CONNECTING = (errno.EINPROGRESS, 0)

WATCHED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
"""One registration for a socket's whole life: an edge wakes its owner, which tries again whatever it was at."""


class PortTakenError(Exception):
    """A local port can't be used for a connection: it has another one."""


def connect(
    engine: Engine,
    kind: int,
    endpoint: Endpoint,
    callback: Callable[[int], None],
    brief: bool = False,
    *,
    egress: Egress | None = None,
    port: int = 0,
) -> socket.SocketType:
    """Return a socket that is connecting or connected, and watched. Raises CheckFailed or LocalFault.

    `port`: the local one, where it matters. Raises PortTakenError when it is in use.
    """
    if egress is not None and egress.privileged_port and not port:
        return _connect_privileged(engine, kind, endpoint, callback, brief=brief, egress=egress)
    try:
        opened = socket.SocketType(INET6 if ":" in endpoint.address else INET, kind)
    except OSError as error:
        raise faults.at_once(error.errno or 0, endpoint) from None
    if egress is not None:
        leave_by(egress, opened, port)
    number = begin(engine, opened, endpoint, callback, brief)
    if number == 0:
        return opened
    if port and number == errno.EADDRNOTAVAIL:  # not long ago it had another connection to the endpoint
        raise PortTakenError
    raise faults.at_once(number, endpoint)


def begin(
    engine: Engine, opened: socket.SocketType, endpoint: Endpoint, callback: Callable[[int], None], brief: bool = False
) -> int:
    """Let a socket connect, watch it, and return 0; or close it, and return the error's number."""
    try:
        descriptor = opened.fileno()
        if brief:
            opened.setsockopt(IPPROTO_TCP, TCP_QUICKACK, 0)
            set_bytes_option(descriptor, SOL_SOCKET, SO_LINGER, LINGER_0, len(LINGER_0))
        number = opened.connect_ex((endpoint.address, endpoint.port))
        if number in CONNECTING:
            engine.watch(descriptor, WATCHED, callback)
            return 0
    except OSError as error:
        number = error.errno or errno.EIO
    opened.close()
    return number


def _connect_privileged(
    engine: Engine, kind: int, endpoint: Endpoint, callback: Callable[[int], None], *, brief: bool, egress: Egress
) -> socket.SocketType:
    """Connect from a port that only root may use: the first one, from somewhere on, that is not in use."""
    first = random.randrange(len(PRIVILEGED_PORTS))  # noqa: S311 - it need not be a secret
    for port in (*PRIVILEGED_PORTS[first:], *PRIVILEGED_PORTS[:first]):
        with contextlib.suppress(PortTakenError):
            return connect(engine, kind, endpoint, callback, brief, egress=egress, port=port)
    raise LocalFault(f"every port from {PRIVILEGED_PORTS[0]} to {PRIVILEGED_PORTS[-1]} of this host is in use")


def leave_by(egress: Egress, opened: socket.SocketType, port: int = 0) -> None:
    """Let what a socket sends leave this host as is wanted. Closes it and raises LocalFault where that can't be."""
    option = "fwmark"
    try:
        if egress.fwmark is not None:
            opened.setsockopt(SOL_SOCKET, socket.SO_MARK, struct.pack("I", egress.fwmark))
        option = "interface"
        if egress.interface is not None:
            opened.setsockopt(SOL_SOCKET, socket.SO_BINDTODEVICE, egress.interface.encode())
        option = "source"
        if egress.source is not None or port:
            _bind(opened, egress.source, port)
    except OSError as error:
        opened.close()
        if port and error.errno == errno.EADDRINUSE:
            raise PortTakenError from None
        raise faults.egress(option, getattr(egress, option), error.errno or 0) from None


def _bind(opened: socket.SocketType, source: str | None, port: int) -> None:
    if source is not None and opened.family != (INET6 if ":" in source else INET):
        raise OSError(errno.EAFNOSUPPORT, "")
    if opened.type == socket.SOCK_STREAM and port:
        opened.setsockopt(SOL_SOCKET, socket.SO_REUSEADDR, 1)  # for connections to several endpoints
    elif opened.type == socket.SOCK_STREAM:
        opened.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    opened.bind((source or "", port))
