"""TCP sockets of a port and their accept queues, as the kernel tells them by netlink (sock_diag(7)). Pure.

`/proc/net/tcp` has the same, and lists every connection of the host to say it.
"""

import errno
import struct

import msgspec

from feedback.agent.source import SourceError

NLM_F_REQUEST = 0x1
NLM_F_DUMP = 0x300
NLMSG_ERROR = 2
NLMSG_DONE = 3
SOCK_DIAG_BY_FAMILY = 20
NETLINK_SOCK_DIAG = 4

AF_INET = 2
AF_INET6 = 10
FAMILIES = (AF_INET, AF_INET6)
IPPROTO_TCP = 6
TCP_ESTABLISHED = 1
TCP_SYN_RECV = 3
TCP_LISTEN = 10

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port id
REQUEST = struct.Struct("=BBBxI")  # family, protocol, extensions, states
SOCKET_ID = struct.Struct("!HH32s")  # source port, destination port, addresses; interface and cookie follow
NO_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
ANSWER = struct.Struct("=BBBB48sIIIII")  # family, state, timer, retransmits, id, expires, queues, uid, inode
ERROR = struct.Struct("=i")


class AcceptQueue(msgspec.Struct, frozen=True):
    """One listening socket: connections that wait to be accepted, and how many may."""

    port: int
    waiting: int
    backlog: int


def pack_request(family: int, port: int, state: int = TCP_LISTEN) -> bytes:
    """Return the request for the TCP sockets of one family that are in a state on a local port."""
    body = REQUEST.pack(family, IPPROTO_TCP, 0, 1 << state) + SOCKET_ID.pack(port, 0, b"") + NO_COOKIE
    return HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0) + body


def parse_answer(data: bytes) -> tuple[list[memoryview], bool]:
    """Read one datagram of the answer; return the sockets in it, and whether it is the last. Raises SourceError.

    `parse_queue` reads such a socket. Where they are only counted, there is no need to.
    """
    view = memoryview(data)
    sockets: list[memoryview] = []
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, _, _, _ = HEADER.unpack_from(data, offset)
        if length < HEADER.size or offset + length > len(data):
            break
        body = view[offset + HEADER.size : offset + length]
        if kind == NLMSG_DONE:
            return sockets, True
        if kind == NLMSG_ERROR and len(body) >= ERROR.size:
            raise SourceError(f"the kernel refuses to tell its sockets: {_error_name(body)}")
        if kind == SOCK_DIAG_BY_FAMILY and len(body) >= ANSWER.size:
            sockets.append(body)
        offset += (length + 3) & ~3
    else:
        return sockets, False
    raise SourceError("the kernel's list of sockets is cut off")


def _error_name(body: memoryview) -> str:
    number: int = -ERROR.unpack_from(body)[0]
    return errno.errorcode.get(number, str(number))


def parse_queue(body: memoryview) -> AcceptQueue:
    """Read a listening socket: its `rqueue` is the length of its accept queue, its `wqueue` the backlog."""
    _, _, _, _, identity, _, waiting, backlog, _, _ = ANSWER.unpack_from(body)
    port, _, _ = SOCKET_ID.unpack_from(identity)
    return AcceptQueue(port, waiting, backlog)
