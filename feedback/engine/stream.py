"""A TCP connection on a non-blocking socket, with TLS or without."""

import select
import socket
import ssl
from types import TracebackType
from typing import Self

from feedback.engine import faults
from feedback.engine.buffered import BufferedReader
from feedback.engine.sockets import STREAM, connect
from feedback.engine.waiting import Owner
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.model import Endpoint

READABLE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
BROKEN = select.EPOLLHUP | select.EPOLLERR
CONNECTED = select.EPOLLOUT | BROKEN

NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


READS_AT_A_STRETCH = 8


class TcpStream(BufferedReader):
    """Connects on entering the block, and is closed on leaving it, however that happens.

    `events` is what the kernel has reported and no system call has yet used up. It saves the call that would only
    say "not yet": most answers have not arrived when the request has just been sent.
    """

    def __init__(self, owner: Owner, endpoint: Endpoint, brief: bool) -> None:
        self.buffer = b""
        self.events = 0
        self._tls = False
        self._received = 0
        self._reads = 0
        self._lacks = "connection to"
        self._owner = owner
        self._endpoint = endpoint
        self._brief = brief
        self._socket: socket.SocketType

    async def __aenter__(self) -> Self:
        self._socket = connect(self._owner.engine, STREAM, self._endpoint, self._happened, self._brief)
        try:
            while not self.events & CONNECTED:
                await self._owner.pause()
            if self.events & BROKEN:
                self._raise_error()
        except BaseException:
            self.close()
            raise
        self._lacks = "answer from"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, by a reset if it is a brief one."""
        self._owner.engine.forget(self._socket.fileno())
        self._socket.close()

    async def write(self, data: bytes) -> None:
        """Send all of `data`."""
        while True:
            try:
                sent = self._socket.send(data)
            except NOT_YET:
                self._lacks = "room for more data at"
                await self._owner.pause()
                self._lacks = "answer from"
            except OSError as error:
                raise self._fault(error) from None
            else:
                if sent == len(data):
                    return
                data = data[sent:]

    async def receive(self, limit: int) -> bytes:
        """Return the next bytes that arrive, at most `limit`; b"" once the peer has ended the stream."""
        self._reads += 1
        if self._reads % READS_AT_A_STRETCH == 0:
            # A peer that sends faster than the check reads must not keep the loop from its timers.
            self._owner.engine.loop.call_soon(self._owner.resume)
            await self._owner.pause()
        while True:
            if self.events & READABLE or self._tls:  # OpenSSL may hold what the kernel no longer tells of
                try:
                    data = self._socket.recv(limit)
                except NOT_YET:
                    self.events &= ~READABLE
                except OSError as error:
                    raise self._fault(error) from None
                else:
                    self._received += len(data)
                    return data
            await self._owner.pause()

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str | None) -> None:
        """Go on in TLS: handshake at once. Raises CheckFailed(tls) with OpenSSL's reason in words."""
        if self.buffer:
            raise CheckFailed(Reason.PROTOCOL, f"{self.peer()} sent more before TLS than it was asked for")
        self._lacks = "TLS handshake with"
        try:
            self._socket = plain = socket.socket(fileno=self._socket.detach())  # the kind that `ssl` can wrap
            plain.setblocking(False)
            wrapped = context.wrap_socket(plain, do_handshake_on_connect=False, server_hostname=server_hostname)
            self._socket = wrapped  # of the same descriptor
            self._tls = True
            while not self._shake_hands(wrapped):
                await self._owner.pause()
        except OSError as error:
            raise self._fault(error) from None
        self._lacks = "answer from"

    def peer_certificate(self) -> bytes | None:
        """Return the peer's certificate in DER form, None without TLS."""
        return self._socket.getpeercert(binary_form=True) if isinstance(self._socket, ssl.SSLSocket) else None

    def peer(self) -> str:
        """Return the other end's address and port."""
        return str(self._endpoint)

    def lacking(self) -> str:
        """Return what has not come yet, in words."""
        if self._received and self._lacks == "answer from":
            return f"no more than {self._received} bytes from {self._endpoint}"
        return f"no {self._lacks} {self._endpoint}"

    def _happened(self, mask: int) -> None:
        self.events |= mask
        self._owner.resume()

    @staticmethod
    def _shake_hands(wrapped: ssl.SSLSocket) -> bool:
        try:
            wrapped.do_handshake()
        except NOT_YET:
            return False
        return True

    def _raise_error(self) -> None:
        """Raise what has broken the connection. A peer that is only gone shows at the next read."""
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise faults.later(number, self._endpoint)

    def _fault(self, error: OSError) -> CheckFailed | LocalFault:
        if isinstance(error, ssl.SSLError):
            return faults.tls(error, self._endpoint)
        return faults.later(error.errno or 0, self._endpoint)
