"""A TCP connection on a non-blocking socket, with TLS or without."""

import contextlib
import select
import socket
import ssl
from types import TracebackType
from typing import Self

from feedback.engine import faults
from feedback.engine.buffered import BufferedReader
from feedback.engine.sockets import STREAM, connect
from feedback.engine.waiting import READS_AT_A_STRETCH, Owner, StaleConnection
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.model import Endpoint
from feedback.net import Egress, Negotiated, Stream

READABLE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
BROKEN = select.EPOLLHUP | select.EPOLLERR
CONNECTED = select.EPOLLOUT | BROKEN

NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class TcpStream(BufferedReader):
    """Connects on entering the block, and is closed on leaving it, however that happens.

    `events` is what the kernel has reported and no system call has yet used up. It saves the call that would only
    say "not yet": most answers have not arrived when the request has just been sent.
    """

    reuses = 0  # how many runs have used it after its first
    reused = False
    keep = True
    _handed_over = False

    def __init__(self, owner: Owner, endpoint: Endpoint, brief: bool, egress: Egress | None = None) -> None:
        self.buffer = b""
        self.owner = owner
        self.endpoint = endpoint
        self.events = 0
        self._tls = False
        self._received = 0
        self._received_when_sent = -1
        self._reads = 0
        self._lacks = "connection to"
        self._brief = brief
        self._egress = egress
        self._socket: socket.SocketType

    async def __aenter__(self) -> Self:
        self._socket = connect(
            self.owner.engine, STREAM, self.endpoint, self._happened, self._brief, egress=self._egress
        )
        try:
            while not self.events & CONNECTED:
                await self.owner.pause()
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
        if self._handed_over:
            return
        self.owner.engine.forget(self._socket.fileno())
        self._socket.close()

    async def write(self, data: bytes) -> None:
        """Send all of `data`."""
        if self._received_when_sent == self._received:
            self._send_at_once()
        self._received_when_sent = self._received
        while True:
            try:
                sent = self._socket.send(data)
            except NOT_YET:
                self._lacks = "room for more data at"
                await self.owner.pause()
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
            self.owner.engine.loop.call_soon(self.owner.resume)
            await self.owner.pause()
        while True:
            if self.events & READABLE or self._tls:  # OpenSSL may hold what the kernel no longer tells of
                try:
                    data = self._socket.recv(limit)
                except NOT_YET:
                    self.events &= ~READABLE
                except OSError as error:
                    raise self._fault(error) from None
                else:
                    if not data and self._is_stale():
                        raise StaleConnection
                    self._received += len(data)
                    return data
            self.owner.awaited = self  # of several streams, the one that the check waits for
            await self.owner.pause()

    async def start_tls(
        self, context: ssl.SSLContext, server_hostname: str | None, resume: Stream | None = None
    ) -> None:
        """Go on in TLS: handshake at once. Raises CheckFailed(tls) with OpenSSL's reason in words."""
        if self.buffer:
            raise CheckFailed(Reason.PROTOCOL, f"{self.peer()} sent more before TLS than it was asked for")
        self._lacks = "TLS handshake with"
        self.owner.awaited = self
        if self._received_when_sent == self._received:
            self._send_at_once()
        try:
            self._socket = plain = socket.socket(fileno=self._socket.detach())  # the kind that `ssl` can wrap
            plain.setblocking(False)
            session = resume.tls_session() if isinstance(resume, TcpStream) else None
            wrapped = context.wrap_socket(
                plain, do_handshake_on_connect=False, server_hostname=server_hostname, session=session
            )
            self._socket = wrapped  # of the same descriptor
            self._tls = True
            while not self._shake_hands(wrapped):
                await self.owner.pause()
        except OSError as error:
            raise self._fault(error) from None
        self._received_when_sent = self._received  # in TLS 1.3, the last word of the handshake was ours
        self._lacks = "answer from"

    def tls_session(self) -> ssl.SSLSession | None:
        """Return the session that another connection may resume. In TLS 1.3 it comes with the first answer."""
        return self._socket.session if isinstance(self._socket, ssl.SSLSocket) else None

    def detach(self) -> socket.socket:
        """Hand the connection over: it is the caller's from now on. Raises RuntimeError where that would lose bytes."""
        if self._tls or self.buffer:
            raise RuntimeError("a stream can't be handed over when it is in TLS or has read ahead")
        self.owner.engine.release(self._socket.fileno())
        self._handed_over = True
        plain = socket.socket(fileno=self._socket.detach())
        plain.setblocking(False)
        return plain

    def is_quiet(self) -> bool:
        """Return whether the connection stands, and nothing has come that was not read."""
        if self._handed_over or self.buffer or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
            return False
        try:
            socket.SocketType.recv(self._socket, 1, socket.MSG_PEEK)  # below TLS
        except BlockingIOError:
            self.events &= ~READABLE
            return True
        except OSError:
            return False
        return False

    def begin_reuse(self, owner: Owner) -> None:
        """Be used again, by another run."""
        self.owner = owner
        self.reused = True
        self.reuses += 1
        self.keep = True
        self._received = 0
        self._received_when_sent = -1

    def local_endpoint(self) -> Endpoint:
        """Return this end's address and port."""
        return Endpoint(*self._socket.getsockname()[:2])

    def peer_certificate(self) -> bytes | None:
        """Return the peer's certificate in DER form, None without TLS."""
        return self._socket.getpeercert(binary_form=True) if isinstance(self._socket, ssl.SSLSocket) else None

    def negotiated(self) -> Negotiated | None:
        """Return what the TLS handshake has agreed on, None without TLS."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return None
        return Negotiated(self._socket.version() or "", self._socket.selected_alpn_protocol())

    def peer(self) -> str:
        """Return the other end's address and port."""
        return str(self.endpoint)

    def lacking(self) -> str:
        """Return what has not come yet, in words."""
        if self._received and self._lacks == "answer from":
            return f"no more than {self._received} bytes from {self.endpoint}"
        return f"no {self._lacks} {self.endpoint}"

    def _happened(self, mask: int) -> None:
        self.events |= mask
        self.owner.resume()

    @staticmethod
    def _shake_hands(wrapped: ssl.SSLSocket) -> bool:
        try:
            wrapped.do_handshake()
        except NOT_YET:
            return False
        return True

    def _send_at_once(self) -> None:
        """Let no packet wait until the peer has acknowledged the one before (Nagle): that may take it 40 ms."""
        with contextlib.suppress(OSError):  # a connection that is broken says so when it is written to
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _raise_error(self) -> None:
        """Raise what has broken the connection. A peer that is only gone shows at the next read."""
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise faults.later(number, self.endpoint)

    def _is_stale(self) -> bool:
        return self.reused and not self._received

    def _fault(self, error: OSError) -> CheckFailed | LocalFault | StaleConnection:
        if self._is_stale():
            return StaleConnection()
        if isinstance(error, ssl.SSLError):
            return faults.tls(error, self.endpoint)
        return faults.later(error.errno or 0, self.endpoint)
