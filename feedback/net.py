"""What a check may do with the network: small protocols, and nothing else.

Checks are written against these. `feedback.engine` implements them on epoll for the director and the command
line; `feedback.testing` implements them on a script for tests. Network failures arrive as `CheckFailed` with
the reason already translated, faults of this host as `LocalFault`; a check needs no `except` for either.

A stream reads through one buffer, and every read has a byte limit: a peer can't make a check hold more.
"""

import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from feedback.model import Endpoint, Forwarding


class Steering(msgspec.Struct, frozen=True):
    """How packets to a service's own address reach one realserver: by a mark that a service of IPVS goes by.

    realserver: its own address. forwarding: how IPVS hands them over.
    """

    fwmark: int
    realserver: str
    forwarding: Forwarding


class Target(msgspec.Struct, frozen=True):
    """What a check is pointed at: a destination's endpoint, and what is known of it and its service.

    vip: the service's own address and port, where it has one. steering: what leads to the destination, where the
    endpoint is not its own but at the service's address (`via: vip`).
    """

    endpoint: Endpoint
    destination: str = ""
    service: str = ""
    base_weight: int = 100
    vip: Endpoint | None = None
    steering: Steering | None = None


class Egress(msgspec.Struct, frozen=True):
    """How packets leave this host where its routing table shall not decide alone.

    source: the local address that they come from. interface: the device that they leave by. fwmark: the mark that they
    bear, for rules of the routing policy and of the packet filter. privileged_port: whether they come from a port below
    1024, which some servers take as a sign that root is asking. steering: what leads them to a realserver; it has a
    mark of its own, and what has no source comes from the address with which this host reaches the realserver.
    """

    source: str | None = None
    interface: str | None = None
    fwmark: int | None = None
    privileged_port: bool = False
    steering: Steering | None = None


def endpoint_of(target: Target | Endpoint) -> Endpoint:
    """Return where a target is: a check may name another endpoint than its target's."""
    return target.endpoint if isinstance(target, Target) else target


class Completed(msgspec.Struct, frozen=True):
    """A program that ended: its exit status (negative: the signal that killed it) and what it printed."""

    status: int
    stdout: bytes
    stderr: bytes


class Negotiated(msgspec.Struct, frozen=True):
    """What a TLS handshake has agreed on: the version, like TLSv1.3, and what the server chose by ALPN, if at all."""

    version: str
    alpn: str | None = None


class Stream(Protocol):
    """A TCP connection, with TLS or without.

    keep: whether it may be kept for the next run, where `connect_tcp` was told to `reuse`. A check that has not read
    its answer to the end, or hears that the peer will close, sets it to False.
    """

    keep: bool

    @property
    def reused(self) -> bool:
        """Whether an earlier run has opened and kept it. Then it is in TLS already, if that was begun."""

    async def write(self, data: bytes) -> None:
        """Send all of `data`."""

    async def read_until(self, separator: bytes, limit: int) -> bytes:
        """Return bytes up to and with `separator`.

        Raises CheckFailed: `closed` when the peer ends the stream first, `limit` when `limit` bytes don't hold it.
        """

    async def read_exactly(self, count: int) -> bytes:
        """Return exactly `count` bytes. Raises CheckFailed(closed) when the peer ends the stream first."""

    async def read_some(self, limit: int) -> bytes:
        """Return what is there, at least one byte and at most `limit`; b"" once the peer has ended the stream."""

    async def start_tls(
        self, context: ssl.SSLContext, server_hostname: str | None, resume: "Stream | None" = None
    ) -> None:
        """Go on in TLS: handshake at once. Raises CheckFailed(tls) with OpenSSL's reason in words.

        `resume`: a connection in TLS whose session to resume, to show that both are one client's. It must have been
        read from.
        """

    def local_endpoint(self) -> Endpoint:
        """Return this end's address and port."""

    def peer_certificate(self) -> bytes | None:
        """Return the peer's certificate in DER form, None without TLS."""

    def negotiated(self) -> Negotiated | None:
        """Return what the TLS handshake has agreed on, None without TLS."""

    def detach(self) -> socket.socket:
        """Hand the connected, non-blocking socket over: the end of the block does not close it any more.

        For a library that brings its own protocol, in a check with `uses_asyncio`. Raises RuntimeError in TLS, or when
        more was received than read.
        """


class Datagrams(Protocol):
    """A UDP socket connected to one peer, or ICMP echo, which brings back what is sent."""

    async def send(self, data: bytes) -> None:
        """Send one datagram."""

    async def receive(self) -> bytes:
        """Return the next datagram from the peer. ICMP errors arrive as CheckFailed (refused, unreachable)."""

    async def receive_within(self, seconds: float) -> bytes | None:
        """Return the next datagram like `receive`, or None when none has come after `seconds`."""

    def local_endpoint(self) -> Endpoint:
        """Return this end's address and port."""


class Net(Protocol):
    """The network as a check sees it. A target, or an endpoint of the check's own choice, says where to go."""

    def now(self) -> float:
        """Return monotonic seconds."""

    def time_left(self) -> float:
        """Return the seconds until the check's deadline."""

    def stage(self, words: str) -> None:
        """Say what the check is at, like `step 2, EHLO`. It is put before the detail of a failure."""

    def connect_tcp(
        self, target: Target | Endpoint, *, brief: bool = False, reuse: int = 0, privileged_port: bool = False
    ) -> AbstractAsyncContextManager[Stream]:
        """Connect, and close at the end of the block, whatever happened in it.

        `brief`: for an exchange in which the check speaks first, or not at all. The handshake's last packet waits for
        the first data, and at the end the connection is reset: that saves packets, neither side has to remember the
        connection, and a peer to whom nothing was sent never hears of it. Where the peer speaks first, it would cost
        up to 40 ms.

        `reuse`: keep the connection at the end of a block that ends well, for the next run of this check on this
        target, at most so many times in a row; `Stream.reused` tells of it. A peer may close an idle connection when it
        likes. Mostly that shows in time, and a new one is made. Where it shows only when the check has written and
        nothing has come yet, the check is thrown out as by its deadline, and `probe` begins again on a new connection:
        so what it has sent may be sent twice (RFC 9112, 9.3.1).

        `privileged_port`: connect from a port below 1024. Raises LocalFault where this process may not.
        """

    def connect_udp(
        self, target: Target | Endpoint, *, privileged_port: bool = False
    ) -> AbstractAsyncContextManager[Datagrams]:
        """Open a UDP socket connected to the target, on a port below 1024 if need be."""

    def connect_icmp(self, target: Target | Endpoint) -> AbstractAsyncContextManager[Datagrams]:
        """Open a socket for ICMP echo: `send` sends a request with its data, `receive` returns a reply's data.

        Replies are the target's, and to a request of this socket; which one, its data must tell. The target's port has
        no meaning. Raises LocalFault on entering where this process may not send ICMP.
        """

    async def run(self, command: Sequence[str], environment: Mapping[str, str], limit: int) -> Completed:
        """Run a program to its end. It is killed with its whole process group when the check is cancelled.

        `environment` is added to this process's own. At most `limit` bytes of each output are kept. What the program
        leaves behind in its process group is killed at its end. Raises LocalFault when it can't be started.
        """
