"""Whether anybody listens on a TCP port, told by the kernel when the last listener is gone."""

import array
import asyncio
import contextlib
import errno
import socket
import struct

from feedback.agent.acting import Sighting
from feedback.agent.sockdiag import NETLINK_SOCK_DIAG
from feedback.agent.sources.sockets import Sockets
from feedback.agent.watches.attend import readable
from feedback.agent.watches.destroyed import GROUPS, INSTRUCTION, listener_filter
from feedback.agent.watches.watch import Watch

SO_ATTACH_FILTER = 26
FILTER_PROGRAM = struct.Struct("@HP")  # struct sock_fprog: how many instructions, and where they are

MISSING_SECONDS = 0.1
"""The kernel tells nobody of a new listener: while there is none, it is asked this often."""

MAX_EVENTS = 64


class ListenerWatch(Watch):
    """Wrong while nobody listens on `port`, in the agent's own network namespace, on any address.

    The kernel tells of listeners that are gone, to any user, whatever ended them. Its word is only the reason to ask
    which listeners are left: other processes may listen on the same port, or have the socket too.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._sockets = Sockets()
        self._events: socket.socket | None = None
        self._missing = False

    def look(self) -> Sighting:
        """Ask the kernel for the port's listeners."""
        if self._events is None:
            self._events = destroyed_listeners(self._port)
        self._missing = not any(queue.port == self._port for queue in self._sockets.listening(self._port))
        return Sighting(self._missing, f"nobody listens on TCP port {self._port}")

    async def change(self) -> None:
        """Wait until a listener is gone, or while there is none for a moment."""
        if self._missing or self._events is None:
            await asyncio.sleep(MISSING_SECONDS)
        else:
            await readable(self._events.fileno())
            _drain(self._events)

    def close(self) -> None:
        """Close the netlink sockets."""
        self._sockets.close()
        if self._events is not None:
            self._events.close()
            self._events = None


def destroyed_listeners(port: int) -> socket.socket:
    """Return a netlink socket that gets a message for every listener on a port that ceases to exist."""
    events = socket.socket(
        socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, NETLINK_SOCK_DIAG
    )
    try:
        program = array.array("B", listener_filter(port))
        address, length = program.buffer_info()
        events.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, FILTER_PROGRAM.pack(length // INSTRUCTION.size, address))
        events.bind((0, GROUPS))
    except BaseException:
        events.close()
        raise
    return events


def _drain(events: socket.socket) -> None:
    """Take what has come. What it says does not matter, nor does it when some of it was lost."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(MAX_EVENTS):
            try:
                events.recv(4096)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
