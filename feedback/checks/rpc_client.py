"""Calling ONC RPC programs: over TCP in records, over UDP again and again; and what rpcbind lists. Pure."""

import contextlib
from types import TracebackType
from typing import Protocol, Self

from feedback.checks.codecs import rpc_message, rpcbind, xdr
from feedback.checks.codecs.rpc_message import AUTH_NONE, XID_MASK, Procedure, VersionRefusedError
from feedback.checks.codecs.rpcbind import Registration, Transport
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.model import Endpoint
from feedback.net import Datagrams, Net, Stream

RECORD_LIMIT_BYTES = 256 * 1024
FIRST_WAIT_SECONDS = 1.0
"""The longest time until a datagram is sent once more. Every further wait is twice as long as the one before."""

FIRST_WAIT_RATIO = 0.25
"""And its share of what is left until the deadline: a call that gets no answer is sent three times at least."""

NEWEST_RPCBIND, OLDEST_RPCBIND = 4, 2


class _Wire(Protocol):
    """How calls and replies travel."""

    async def send(self, message: bytes) -> None:
        """Send a call."""

    async def reply(self, message: bytes, xid: int) -> xdr.Reader:
        """Return the results of a call that has been sent. Waits for them until the deadline."""


class Client:
    """Calls to one program, one after the other. Each call is named in what a failure says.

    async with Client(net, Endpoint("192.0.2.11", 2049), "nfs", "tcp") as nfs:
        await nfs.call(rpc_message.null(100003, 3))

    `privileged_port`: call from a port below 1024, which servers take as a sign that root is calling.
    """

    def __init__(
        self, net: Net, endpoint: Endpoint, name: str, transport: Transport, *, privileged_port: bool = False
    ) -> None:
        self._net = net
        self._endpoint = endpoint
        self._name = name
        self._transport = transport
        self._privileged_port = privileged_port
        # Servers tell a new call from one that was sent once more by its port and this number.
        self._xid = int(net.now() * 1_000_000)
        self._opened = contextlib.AsyncExitStack()
        self._wire: _Wire

    async def __aenter__(self) -> Self:
        self._net.stage(self._name)
        if self._transport == "udp":
            udp = self._net.connect_udp(self._endpoint, privileged_port=self._privileged_port)
            self._wire = _Udp(self._net, await self._opened.enter_async_context(udp))
        else:
            tcp = self._net.connect_tcp(self._endpoint, privileged_port=self._privileged_port)
            self._wire = _Tcp(await self._opened.enter_async_context(tcp))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def call(
        self, procedure: Procedure, arguments: bytes = b"", credential: bytes = AUTH_NONE, subject: str = ""
    ) -> xdr.Reader:
        """Call, and return the results. Raises CheckFailed when the server says that it did not do it.

        `subject`: what the call is about, for people.
        """
        self._net.stage(f"{self._name} {procedure.name} {subject}".rstrip())
        message = self._next_message(procedure, arguments, credential)
        await self._wire.send(message)
        return await self._wire.reply(message, self._xid)

    async def tell(self, procedure: Procedure, arguments: bytes, credential: bytes) -> None:
        """Call without waiting for the answer, if that is still possible: to say goodbye after a failure."""
        with contextlib.suppress(CheckFailed, LocalFault):
            await self._wire.send(self._next_message(procedure, arguments, credential))

    def _next_message(self, procedure: Procedure, arguments: bytes, credential: bytes) -> bytes:
        self._xid = self._xid + 1 & XID_MASK
        return rpc_message.call(self._xid, procedure, arguments, credential)


class _Tcp:
    """Records on a connection."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def send(self, message: bytes) -> None:
        await self._stream.write(rpc_message.record(message))

    async def reply(self, _message: bytes, xid: int) -> xdr.Reader:
        results = rpc_message.results(await self._record(), xid)
        if results is None:
            raise CheckFailed(Reason.PROTOCOL, "the answer is one to another call")
        return results

    async def _record(self) -> bytes:
        """Read a record, which may come in fragments."""
        record, last = bytearray(), False
        while not last:
            length, last = rpc_message.fragment(await self._stream.read_exactly(4))
            if len(record) + length > RECORD_LIMIT_BYTES:
                raise CheckFailed(
                    Reason.LIMIT,
                    f"the answer announces {len(record) + length} bytes, must be {RECORD_LIMIT_BYTES} at most",
                )
            record += await self._stream.read_exactly(length)
        return bytes(record)


class _Udp:
    """Datagrams, any of which may get lost."""

    def __init__(self, net: Net, datagrams: Datagrams) -> None:
        self._net = net
        self._datagrams = datagrams

    async def send(self, message: bytes) -> None:
        await self._datagrams.send(message)

    async def reply(self, message: bytes, xid: int) -> xdr.Reader:
        wait = min(FIRST_WAIT_SECONDS, self._net.time_left() * FIRST_WAIT_RATIO)
        while wait < self._net.time_left():
            results = await self._reply_within(wait, xid)
            if results is not None:
                return results
            await self._datagrams.send(message)
            wait *= 2
        while True:
            results = rpc_message.results(await self._datagrams.receive(), xid)
            if results is not None:
                return results

    async def _reply_within(self, seconds: float, xid: int) -> xdr.Reader | None:
        """Return the results, None when they have not come in time. Late answers to earlier calls are passed over."""
        until = self._net.now() + seconds
        while (left := until - self._net.now()) > 0:
            datagram = await self._datagrams.receive_within(left)
            results = None if datagram is None else rpc_message.results(datagram, xid)
            if results is not None:
                return results
        return None


async def listing(
    net: Net, endpoint: Endpoint, transport: Transport | None, newest: int = NEWEST_RPCBIND
) -> rpcbind.Listing:
    """Return what the rpcbind at an endpoint lists for its address, on a transport or on both.

    It is asked in the newest version that it has, beginning with `newest`; on TCP, unless `transport` is UDP.
    """
    netids = rpcbind.netids(endpoint.address, transport)
    async with Client(net, endpoint, "rpcbind", transport or "tcp") as client:
        listed = await _dump(client, newest)
    return rpcbind.Listing(netids, tuple(registration for registration in listed if registration.netid in netids))


async def _dump(client: Client, newest: int) -> list[Registration]:
    for version in range(newest, OLDEST_RPCBIND, -1):
        with contextlib.suppress(VersionRefusedError):
            return rpcbind.read_dump(version, await client.call(rpcbind.dump(version)))
    return rpcbind.read_dump(OLDEST_RPCBIND, await client.call(rpcbind.dump(OLDEST_RPCBIND)))


async def ask(net: Net, address: str, registration: Registration) -> None:
    """Call a registered program's NULL procedure, which does nothing but answer."""
    endpoint = Endpoint(address, registration.port)
    async with Client(net, endpoint, str(registration), registration.transport) as client:
        await client.call(rpc_message.null(registration.program, registration.version))
