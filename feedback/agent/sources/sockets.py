"""TCP connections of the server on a port: that wait to be accepted, that are open, that were turned away."""

import contextlib
import socket
from collections.abc import Generator, Iterator, Sequence
from typing import Annotated, Literal

import msgspec

from feedback.agent.files import KeptFile
from feedback.agent.sockdiag import (
    FAMILIES,
    NETLINK_SOCK_DIAG,
    TCP_ESTABLISHED,
    TCP_LISTEN,
    TCP_SYN_RECV,
    AcceptQueue,
    pack_request,
    parse_answer,
    parse_queue,
)
from feedback.agent.source import Sample, Source, SourceError
from feedback.agent.text import number
from feedback.agent.window import Span, Window
from feedback.options import Port

NETSTAT = "/proc/net/netstat"
DATAGRAM_BYTES = 64 * 1024
MAX_DATAGRAMS = 4096
STATES = {"established": TCP_ESTABLISHED, "syn_received": TCP_SYN_RECV}

Limit = Annotated[float, msgspec.Meta(gt=0)]


class SocketsSource(Source, name="sockets"):
    """Length of a port's accept queue, as a share of its backlog. A full one turns new clients away.

    Where several sockets listen on the port (IPv4 and IPv6, or one for each worker), the fullest counts. The other
    kinds are shares of a `limit`: connections that are open on the port (`established`) or not yet (`syn_received`:
    the handshake is not over), and connections that the host's servers lost each second because a queue was full
    (`drops`). To count connections takes about 2 ms of CPU for each thousand.

    Example:

        accept.http: {source: sockets, port: 80}
        connections.http: {source: sockets, kind: established, port: 80, limit: 20000, interval: 2s}
        drops: {source: sockets, kind: drops, limit: 10}
    """

    kind: Annotated[
        Literal["queue", "established", "syn_received", "drops"], "what to count: see above; drops are the whole host's"
    ] = "queue"
    port: Annotated[Port | None, "TCP port that the server listens on; all but drops need it"] = None
    limit: Annotated[Limit | None, "how many are too many, drops in a second; all but queue need it"] = None

    def __post_init__(self) -> None:
        if (self.kind == "drops") != (self.port is None):
            raise ValueError("port: must be given, but for drops, which are the whole host's")
        if (self.kind == "queue") != (self.limit is None):
            raise ValueError("limit: must be given, but for queue, whose limit is the backlog")
        self._sockets = Sockets()
        self._netstat = KeptFile(NETSTAT)
        self._drops = Window(lambda: parse_drops(self._netstat.read()))

    async def sample(self) -> Sample:
        """Return the share of the backlog, or of the limit."""
        limit, port = self.limit or 1.0, self.port or 0
        if self.kind == "queue":
            return Sample(fullest(self._sockets.listening(port), port))
        if self.kind == "drops":
            return Sample(drops_per_second(await self._drops.span()) / limit)
        return Sample(await self._sockets.count(port, STATES[self.kind]) / limit)


class Sockets:
    """The kernel's TCP sockets, asked for through a netlink socket that stays open."""

    def __init__(self) -> None:
        self._netlink: socket.socket | None = None

    def listening(self, port: int) -> list[AcceptQueue]:
        """Return the sockets that listen on a port."""
        return [parse_queue(body) for found in self._each(port, TCP_LISTEN) for body in found]

    async def count(self, port: int, state: int) -> int:
        """Return how many sockets are in a state on a port. Between two datagrams of the answer others may run."""
        from asyncio import sleep  # noqa: PLC0415 - see feedback.agent.without_tls

        counted = 0
        with contextlib.closing(self._each(port, state)) as datagrams:
            for found in datagrams:
                counted += len(found)
                await sleep(0)
        return counted

    def close(self) -> None:
        """Close the netlink socket, if it is open."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def __del__(self) -> None:
        self.close()

    def _each(self, port: int, state: int) -> Generator[list[memoryview], None, None]:
        """Yield the sockets in a state, a datagram's at a time. The kernel has them ready: nothing here waits."""
        whole = False
        try:
            for family in FAMILIES:
                yield from self._ask(family, port, state)
            whole = True
        except OSError as error:
            raise SourceError(f"can't ask the kernel for its sockets: {error.strerror or error}") from None
        finally:
            if not whole:
                self.close()  # the rest of an answer must not be read as the next one's

    def _ask(self, family: int, port: int, state: int) -> Iterator[list[memoryview]]:
        if self._netlink is None:
            self._netlink = socket.socket(
                socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, NETLINK_SOCK_DIAG
            )
        self._netlink.send(pack_request(family, port, state))
        for _ in range(MAX_DATAGRAMS):
            found, done = parse_answer(self._netlink.recv(DATAGRAM_BYTES))
            yield found
            if done:
                return
        raise SourceError(f"more than {MAX_DATAGRAMS} datagrams of sockets on TCP port {port}")


def fullest(queues: Sequence[AcceptQueue], port: int) -> float:
    """Return the largest share of a backlog that is in use on `port`."""
    shares = [queue.waiting / max(1, queue.backlog) for queue in queues if queue.port == port]
    if not shares:
        raise SourceError(f"nobody listens on TCP port {port}")
    return max(shares)


def drops_per_second(span: Span[int]) -> float:
    """Return connections lost per second between two readings."""
    return max(0, span.after - span.before) / span.seconds


def parse_drops(data: bytes) -> int:
    """Return how many connections were lost to full queues since boot, from /proc/net/netstat.

    It has pairs of lines, names and then values. ListenDrops counts accept queues that were full (ListenOverflows)
    and whatever else made a listening socket drop a connection.
    """
    names: list[bytes] = []
    for line in data.splitlines():
        words = line.split()
        if b"ListenDrops" in words:
            names = words
        elif names and words and words[0] == names[0] and len(words) == len(names):
            return number(words[names.index(b"ListenDrops")], NETSTAT)
    raise SourceError(f"{NETSTAT}: has no ListenDrops")
