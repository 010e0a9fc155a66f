"""What a check may do with the network: small protocols, and nothing else.

Checks are written against these. `feedback.engine` implements them on epoll for the director and the command
line; `feedback.testing` implements them on a script for tests. Network failures arrive as `CheckFailed` with
the reason already translated, faults of this host as `LocalFault`; a check needs no `except` for either.

A stream reads through one buffer, and every read has a byte limit: a peer can't make a check hold more.
"""

import ssl
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from feedback.model import Endpoint


class Target(msgspec.Struct, frozen=True):
    """What a check is pointed at: a destination's endpoint, and what is known of it and its service.

    vip: the service's own address and port, where it has one.
    """

    endpoint: Endpoint
    destination: str = ""
    service: str = ""
    base_weight: int = 100
    vip: Endpoint | None = None


def endpoint_of(target: Target | Endpoint) -> Endpoint:
    """Return where a target is: a check may name another endpoint than its target's."""
    return target.endpoint if isinstance(target, Target) else target


class Completed(msgspec.Struct, frozen=True):
    """A program that ended: its exit status (negative: the signal that killed it) and what it printed."""

    status: int
    stdout: bytes
    stderr: bytes


class Stream(Protocol):
    """A TCP connection, with TLS or without."""

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

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str | None) -> None:
        """Go on in TLS: handshake at once. Raises CheckFailed(tls) with OpenSSL's reason in words."""

    def peer_certificate(self) -> bytes | None:
        """Return the peer's certificate in DER form, None without TLS."""


class Datagrams(Protocol):
    """A UDP socket connected to one peer."""

    async def send(self, data: bytes) -> None:
        """Send one datagram."""

    async def receive(self) -> bytes:
        """Return the next datagram from the peer. ICMP errors arrive as CheckFailed (refused, unreachable)."""

    async def receive_within(self, seconds: float) -> bytes | None:
        """Return the next datagram like `receive`, or None when none has come after `seconds`."""


class Net(Protocol):
    """The network as a check sees it. A target, or an endpoint of the check's own choice, says where to go."""

    def now(self) -> float:
        """Return monotonic seconds."""

    def time_left(self) -> float:
        """Return the seconds until the check's deadline."""

    def stage(self, words: str) -> None:
        """Say what the check is at, like `step 2, EHLO`. It is put before the detail of a failure."""

    def connect_tcp(self, target: Target | Endpoint, *, brief: bool = False) -> AbstractAsyncContextManager[Stream]:
        """Connect, and close at the end of the block, whatever happened in it.

        `brief`: for an exchange in which the check speaks first, or not at all. The handshake's last packet waits for
        the first data, and at the end the connection is reset: that saves packets, neither side has to remember the
        connection, and a peer to whom nothing was sent never hears of it. Where the peer speaks first, it would cost
        up to 40 ms.
        """

    def connect_udp(self, target: Target | Endpoint) -> AbstractAsyncContextManager[Datagrams]:
        """Open a UDP socket connected to the target."""

    async def run(self, command: Sequence[str], environment: Mapping[str, str], limit: int) -> Completed:
        """Run a program to its end. It is killed with its whole process group when the check is cancelled.

        `environment` is added to this process's own. At most `limit` bytes of each output are kept. What the program
        leaves behind in its process group is killed at its end. Raises LocalFault when it can't be started.
        """
