"""Where agents connect: the WebSocket at /agent. A thin shell; what frames mean is in `feedback.director.agents`."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import WebSocketError, WSCloseCode, WSMessage, WSMsgType, web

from feedback.director.agents import Agents
from feedback.director.identity import Identity
from feedback.director.link import CutOffError, Link, Refusal
from feedback.errors import EnrolmentError
from feedback.report import MAX_FRAME_BYTES, encode
from feedback.secret import Secret

if TYPE_CHECKING:
    from feedback.director.secure import Tls  # what it imports, few directors need

HELLO_SECONDS = 5.0
"""How long a connection may be open without a hello."""
KEEPALIVE_IDLE_SECONDS = 3
KEEPALIVE_INTERVAL_SECONDS = 1
KEEPALIVE_PROBES = 3
USER_TIMEOUT_MILLISECONDS = 6000
"""The kernel notices within six seconds that a peer is gone without a word. Pings of our own would cost every report
a callback, and would tell no more: an agent that hangs on a living host shows in its missing reports."""
SEND_SECONDS = 1.0
"""How long an agent may take to read its new certificate; reports are received meanwhile."""
CLOSE_SECONDS = 1.0
"""How long a connection that is cut off has to answer the Close."""

MAX_NAMELESS = 1024
MAX_NAMELESS_PER_ADDRESS = 256
"""Connections that have not said hello yet. After it there is one for each agent of the configuration."""

_WATCH = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MILLISECONDS),
)
_CLOSE_CODES = {Refusal.SIZE: 1009, Refusal.GARBAGE: 1007, Refusal.TAKEN: 1013, Refusal.CERTIFICATE: 1013}
"""RFC 6455 section 7.4; 1013, try again later: the name's holder may be gone by then, and an expired certificate be
renewed. All others: 1008, policy."""
_POLICY = 1008
_GOING_AWAY = 1001
_MAX_CLOSE_BYTES = 123


class Receiver:
    """Takes agents' connections and frames.

    `wake` is called when something has come that the director should look at before its next tick. `now` returns
    monotonic seconds. Over TLS with an authority, agents are known by their certificates; else by the `token`, and
    without one every connection is welcome.
    """

    def __init__(
        self,
        agents: Agents,
        wake: Callable[[], None],
        now: Callable[[], float],
        token: Secret | None = None,
        tls: "Tls | None" = None,
    ) -> None:
        self.agents = agents
        self.wake = wake
        self.now = now
        self._token = token
        self._tls = tls
        self._nameless: Counter[str] = Counter()
        self._connections: set[_Connection] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        address = request.remote or ""
        identity = self._admit(request, address)
        websocket = web.WebSocketResponse(
            max_msg_size=MAX_FRAME_BYTES,
            timeout=CLOSE_SECONDS,
            compress=False,
            autoping=False,  # pings count among the frames that may not come too often
        )
        connection = _Connection(self, websocket, request, identity)
        self._nameless[address] += 1
        self._connections.add(connection)
        try:
            await websocket.prepare(request)
            await self._note_shown(identity)
            await connection.serve()
        finally:
            self._connections.discard(connection)
            self.named(connection)
        return websocket

    def named(self, connection: "_Connection") -> None:
        """Count a connection among the nameless no more, the first time it is asked."""
        if connection.nameless:
            connection.nameless = False
            self._nameless[connection.address] -= 1
            self._nameless += Counter()  # drops what is zero

    async def close(self) -> None:
        """Let every connection end: the director goes away."""
        for connection in self._connections:
            connection.leave()

    async def review(self) -> None:
        """Look at the certificates of all connections again: cut off what is revoked or expired, renew what is due."""
        if self._tls is None:
            return
        for connection in list(self._connections):
            identity = connection.identity
            if identity is None:
                continue
            if wrong := self._tls.wrong_with(identity):
                connection.cut_off(CutOffError(Refusal.CERTIFICATE, wrong))
            elif not connection.renewed and not connection.nameless and self._tls.is_due(identity):
                await connection.renew(self._tls)

    def _admit(self, request: web.Request, address: str) -> Identity | None:
        """Refuse, before the upgrade, who may not speak here and what is too much; return whose certificate it is."""
        if "Origin" in request.headers:  # browsers send it, agents don't: no web page may speak for an agent
            raise web.HTTPForbidden(text="agents connect here, web pages can't")
        identity = None
        if self._tls is not None and self._tls.asks and request.secure:
            identity = self._identify(self._tls, request, address)
        elif self._token is not None and not self._token.matches(bearer(request)):
            self._refuse(address, CutOffError(Refusal.TOKEN, "it does not have this director's token"))
            raise web.HTTPUnauthorized(
                text="this director wants its token: set token_file in the agent's configuration",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if self._nameless[address] >= MAX_NAMELESS_PER_ADDRESS or self._nameless.total() >= MAX_NAMELESS:
            self._refuse(address, CutOffError(Refusal.CONNECTIONS, "too many connections have not said hello yet"))
            raise web.HTTPServiceUnavailable(text="too many agents connect at once: try again")
        return identity

    def _identify(self, tls: "Tls", request: web.Request, address: str) -> Identity:
        identity = tls.identity(request)
        wrong = "it shows no certificate" if identity is None else tls.wrong_with(identity)
        if identity is None or wrong:
            self._refuse(address, CutOffError(Refusal.CERTIFICATE, wrong))
            raise web.HTTPForbidden(
                text=f"{wrong}: an agent needs one of this director's authority (feedback agent enroll)"
            )
        return identity

    async def _note_shown(self, identity: Identity | None) -> None:
        if self._tls is not None and identity is not None:
            try:
                await self._tls.note_shown(identity)
            except EnrolmentError as error:
                self.agents.note(f"a certificate that is shown can't be noted: {error}", self.now())

    def _refuse(self, address: str, error: CutOffError) -> None:
        self.agents.refuse(f"a connection from {address}", error, self.now())


class _Connection:
    """One agent's connection. Whatever ends it from this side lets its deadline pass at once."""

    def __init__(
        self, receiver: Receiver, websocket: web.WebSocketResponse, request: web.Request, identity: Identity | None
    ) -> None:
        self.address = request.remote or ""
        self.nameless = True
        self.identity = identity
        self.renewed = False
        self._request = request
        self._receiver = receiver
        self._agents = receiver.agents
        self._websocket = websocket
        self._link = Link(_peer(request), self._cut, None if identity is None else identity.names)
        self._deadline = asyncio.timeout(HELLO_SECONDS)
        self._close: tuple[int, str] | None = None

    async def serve(self) -> None:
        """Converse until the connection ends, and close it with a reason where this side ends it."""
        why, close_seconds = "the director ends it", None
        try:
            async with self._deadline:
                why = await self._converse()
        except CutOffError as error:
            self._close = _close_of(error)
            if error.refusal is Refusal.RATE:
                close_seconds = 0.0  # what it sends meanwhile would all be read
        except ConnectionError as error:
            why = f"connection lost: {error}"
        except TimeoutError:
            if self._close is None:
                late = CutOffError(Refusal.HELLO, f"no hello within {HELLO_SECONDS:g} s")
                self._agents.cut_off(self._link, late, self._receiver.now())
        finally:
            self._agents.lose(self._link, why, self._receiver.now())
            if self._link.name is not None:
                self._receiver.wake()
        if self._close is not None:
            code, reason = self._close
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(close_seconds):
                    await self._websocket.close(code=code, message=reason.encode("ascii", "replace")[:_MAX_CLOSE_BYTES])

    def leave(self) -> None:
        """Let the connection end, because the director goes away."""
        self._end(_GOING_AWAY, "the director ends")

    def cut_off(self, error: CutOffError) -> None:
        """Let the connection end for what its agent is."""
        self._agents.cut_off(self._link, error, self._receiver.now())

    async def renew(self, tls: "Tls") -> None:
        """Send the agent a new certificate, once on a connection: with it it will come again."""
        self.renewed = True
        name = self._link.name or self.address
        try:
            renewed = await tls.renewed(self._request)
            async with asyncio.timeout(SEND_SECONDS):
                await self._websocket.send_bytes(encode(renewed))
        except (EnrolmentError, ConnectionError, TimeoutError) as error:
            self._agents.note(f"the certificate of agent {name} is not renewed: {error}", self._receiver.now())
        else:
            self._agents.note(f"agent {name} has got a new certificate", self._receiver.now())

    def _cut(self, error: CutOffError) -> None:
        self._end(*_close_of(error))

    def _end(self, code: int, reason: str) -> None:
        self._close = code, reason
        with contextlib.suppress(RuntimeError):  # the conversation has not begun, or has just ended by itself
            self._deadline.reschedule(0)

    async def _converse(self) -> str:
        """Take frames until the agent ends the connection; return why it did. Raises CutOffError."""
        receiver, agents, link, websocket = self._receiver, self._agents, self._link, self._websocket
        while True:
            message = await websocket.receive()
            if message.type is not WSMsgType.BINARY:
                if message.type is WSMsgType.PING:
                    agents.ping(link, receiver.now())
                    await websocket.pong(message.data)
                elif message.type is not WSMsgType.PONG:
                    return self._ended(message)
                continue
            heard = agents.hear(link, message.data, receiver.now())
            if self.nameless:
                receiver.named(self)
                self._deadline.reschedule(None)
            if heard.matters:
                receiver.wake()
            if heard.answer:
                await websocket.send_bytes(heard.answer)

    def _ended(self, message: WSMessage) -> str:
        """Return why the conversation is over. Raises CutOffError where the agent has broken the rules."""
        if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSING}:
            return "it closed the connection"
        if message.type is WSMsgType.TEXT:
            error = CutOffError(Refusal.GARBAGE, "it sent text, where the protocol has binary frames")
        elif not isinstance(message.data, WebSocketError):
            return f"connection lost: {message.data}" if message.data else "connection lost"
        elif message.data.code == WSCloseCode.MESSAGE_TOO_BIG:
            error = CutOffError(Refusal.SIZE, f"a frame of more than {MAX_FRAME_BYTES} bytes")
        else:
            error = CutOffError(Refusal.GARBAGE, f"not a WebSocket's frame: {message.data}")
        self._agents.cut_off(self._link, error, self._receiver.now())
        raise error


def bearer(request: web.Request) -> str:
    """Return the token that a request brings, "" without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _close_of(error: CutOffError) -> tuple[int, str]:
    return _CLOSE_CODES.get(error.refusal, _POLICY), str(error)


def _peer(request: web.Request) -> str:
    """Return the other end as an endpoint, and let the kernel watch that it lives."""
    transport = request.transport
    if transport is None:  # it has gone already
        return ""
    connected = transport.get_extra_info("socket")
    for level, option, value in _WATCH:
        with contextlib.suppress(OSError):  # it has gone meanwhile
            connected.setsockopt(level, option, value)
    host, port = transport.get_extra_info("peername")[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
