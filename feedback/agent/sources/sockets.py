"""Connections that wait to be accepted by the server on a port."""

import socket
from collections.abc import Sequence
from typing import Annotated

from feedback.agent.sockdiag import FAMILIES, NETLINK_SOCK_DIAG, AcceptQueue, pack_request, parse_answer
from feedback.agent.source import Sample, Source, SourceError
from feedback.options import Port

DATAGRAM_BYTES = 64 * 1024
MAX_DATAGRAMS = 256


class SocketsSource(Source, name="sockets"):
    """Length of a port's accept queue, as a share of its backlog. A full one turns new clients away.

    Where several sockets listen on the port (IPv4 and IPv6, or one for each worker), the fullest counts.
    """

    port: Annotated[Port, "TCP port that the server listens on"]

    def __post_init__(self) -> None:
        self._listeners = Listeners()

    async def sample(self) -> Sample:
        """Return the fullest queue."""
        return Sample(fullest(self._listeners.on(self.port), self.port))


class Listeners:
    """The kernel's listening TCP sockets, asked for through a netlink socket that stays open."""

    def __init__(self) -> None:
        self._netlink: socket.socket | None = None

    def on(self, port: int) -> list[AcceptQueue]:
        """Return the sockets that listen on a port. The kernel has its answer ready: nothing here waits."""
        try:
            return [queue for family in FAMILIES for queue in self._ask(family, port)]
        except OSError as error:
            self.close()
            raise SourceError(f"can't ask the kernel for its listening sockets: {error.strerror or error}") from None
        except SourceError:
            self.close()  # the rest of a failed answer must not be read as the next one's
            raise

    def close(self) -> None:
        """Close the netlink socket, if it is open."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def __del__(self) -> None:
        self.close()

    def _ask(self, family: int, port: int) -> list[AcceptQueue]:
        if self._netlink is None:
            self._netlink = socket.socket(
                socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, NETLINK_SOCK_DIAG
            )
        self._netlink.send(pack_request(family, port))
        queues: list[AcceptQueue] = []
        for _ in range(MAX_DATAGRAMS):
            found, done = parse_answer(self._netlink.recv(DATAGRAM_BYTES))
            queues += found
            if done:
                return queues
        raise SourceError(f"more than {MAX_DATAGRAMS} datagrams of listening sockets")


def fullest(queues: Sequence[AcceptQueue], port: int) -> float:
    """Return the largest share of a backlog that is in use on `port`."""
    shares = [queue.waiting / max(1, queue.backlog) for queue in queues if queue.port == port]
    if not shares:
        raise SourceError(f"nobody listens on TCP port {port}")
    return max(shares)
