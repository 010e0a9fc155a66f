"""The `websocket` check: the upgrade, and a message or a ping that is answered. wsproto knows the protocol."""

import contextlib
import re
from dataclasses import field
from typing import Annotated, ClassVar

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from feedback.checks.http import host_header
from feedback.checks.matching import excerpt, printable, regex_bytes
from feedback.checks.proxied import ProxiedCheck
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.net import Net, Stream, Target

READ_BYTES = 16 * 1024
LIMIT_BYTES = 256 * 1024
PING = b"feedback"

_AUTHORITY = re.compile(r"([A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = ("host", "upgrade", "connection", "origin", "content-length", "transfer-encoding")


class WebsocketCheck(ProxiedCheck, name="websocket"):
    """Pass when a server accepts a WebSocket (RFC 6455) and answers on it.

    With `expect` the answer is a message that matches, others are passed over; without, the check sends a ping and
    waits for the pong, after `send` too. At the end it closes the WebSocket with code 1000. Many servers look at
    `origin`, and want one of their own names in it.

    Example:

        - websocket: {path: /chat, host: www.example.com, origin: "https://www.example.com"}
        - websocket: {path: /graphql, subprotocols: [graphql-transport-ws], send: '{"type":"ping"}', expect: pong}
    """

    path: Annotated[str, "path to ask for, with the query if there is one"] = "/"
    host: Annotated[str | None, "Host header, by default the address (and a port that is not the usual one)"] = None
    origin: Annotated[str | None, "Origin header, by default none"] = None
    headers: Annotated[dict[str, str], "further headers to send"] = field(default_factory=dict)
    subprotocols: Annotated[list[str], "subprotocols to offer, of which the server must choose one"] = field(
        default_factory=list
    )
    send: Annotated[str | None, "text message to send"] = None
    expect: Annotated[str | None, "regular expression that must be found in a message"] = None

    default_port: ClassVar[int] = 80

    def __post_init__(self) -> None:
        if not re.fullmatch("/[!-~]*", self.path):
            raise ValueError('path: must start with "/", without spaces, and with all else percent-encoded')
        if self.host is not None and not _AUTHORITY.fullmatch(self.host):
            raise ValueError("host: must be a name, like www.example.com")
        if self.origin is not None and not re.fullmatch("[!-~]+", self.origin):
            raise ValueError("origin: must be a scheme and a name, like https://www.example.com")
        if not all(map(_TOKEN.fullmatch, self.subprotocols)):
            raise ValueError("subprotocols: must be names, like mqtt")
        for name, value in self.headers.items():
            if not _TOKEN.fullmatch(name) or not re.fullmatch(r"([!-~]([ -~]*[!-~])?)?", value):
                raise ValueError(f"headers: {name} must be a header's name, and its value one line")
            if name.lower() in _OURS or name.lower().startswith("sec-websocket-"):
                raise ValueError(f"headers: {name} is the check's own")
        self._expected = None if self.expect is None else regex_bytes("expect", self.expect)

    async def probe(self, target: Target, net: Net) -> str:
        """Upgrade, and wait for an answer."""
        async with net.connect_tcp(target) as stream:
            await self.introduce(stream, target)
            expires = await self.begin(stream, target)
            talk = _Talk(stream)
            try:
                chosen = await self._upgrade(talk, target)
                answer = await self._exchange(talk, net)
            finally:
                await talk.close()
        return ", ".join(filter(None, (chosen, answer, expires)))

    async def begin(self, stream: Stream, target: Target) -> str:
        """Begin TLS, where it is spoken, and return when the certificate expires."""
        del stream, target
        return ""

    async def _upgrade(self, talk: "_Talk", target: Target) -> str:
        """Ask for a WebSocket, and return the subprotocol that the server has chosen."""
        extra = [("Origin", self.origin)] if self.origin is not None else []
        fields = [(name.encode(), value.encode()) for name, value in [*extra, *self.headers.items()]]
        host = self.host or host_header(target.endpoint, self.default_port)
        await talk.say(Request(host=host, target=self.path, extra_headers=fields, subprotocols=self.subprotocols))
        accepted = await talk.hear()
        chosen = accepted.subprotocol if isinstance(accepted, AcceptConnection) else None
        if self.subprotocols and chosen is None:
            offered = ", ".join(self.subprotocols)
            raise CheckFailed(Reason.CONTENT, f"the server has chosen none of the subprotocols {offered}")
        return chosen or ""

    async def _exchange(self, talk: "_Talk", net: Net) -> str:
        """Send and expect what there is to, and return what has come."""
        net.stage("in the WebSocket")
        if self.send is not None:
            await talk.say(TextMessage(data=self.send))
        if self._expected is None:
            await talk.say(Ping(payload=PING))
            await talk.pong()
            return "pong"
        while True:
            message = await talk.message()
            if self._expected.search(message):
                return f"got {excerpt(message)}"
            net.stage(f"in the WebSocket, got {excerpt(message)}")


class _Talk:
    """A WebSocket under way."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []
        self._heard = 0

    async def say(self, event: Event) -> None:
        """Say something to a server that is not about to close; why it is, `hear` tells."""
        with contextlib.suppress(LocalProtocolError):
            await self._stream.write(self._protocol.send(event))

    async def close(self) -> None:
        """Close a WebSocket that is open, or answer a Close. What came before is what counts."""
        if self._protocol.state in {ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING}:
            with contextlib.suppress(CheckFailed, LocalFault):
                await self.say(CloseConnection(code=1000))

    async def pong(self) -> None:
        """Return when the ping was answered."""
        while not (isinstance(event := await self.hear(), Pong) and bytes(event.payload) == PING):
            pass

    async def message(self) -> bytes:
        """Return the next whole message."""
        data = b""
        while True:
            event = await self.hear()
            if isinstance(event, TextMessage | BytesMessage):
                data += event.data.encode() if isinstance(event.data, str) else event.data
                if event.message_finished:
                    return data

    async def hear(self) -> Event:
        """Return what happens next; pings are answered. Raises CheckFailed for what ends the WebSocket."""
        while not self._events:
            data = await self._stream.read_some(READ_BYTES)
            if not data:
                raise CheckFailed(Reason.CLOSED, "the connection was closed")
            self._heard += len(data)
            if self._heard > LIMIT_BYTES:
                raise CheckFailed(Reason.LIMIT, f"not in the first {LIMIT_BYTES} bytes")
            self._events += self._take(data)
        event = self._events.pop(0)
        match event:
            case RejectConnection():
                raise CheckFailed(Reason.STATUS, f"status {event.status_code}, must be 101")
            case CloseConnection() if self._protocol.state is ConnectionState.OPEN:  # wsproto can't read on
                raise CheckFailed(Reason.PROTOCOL, f"no WebSocket: {_line(event.reason)}")
            case CloseConnection():
                raise CheckFailed(Reason.CLOSED, f"closed with code {int(event.code)}: {_line(event.reason)}")
            case Ping():
                await self.say(event.response())
        return event

    def _take(self, data: bytes) -> list[Event]:
        """Return what comes of some bytes."""
        try:
            self._protocol.receive_data(data)
            return list(self._protocol.events())
        except (RemoteProtocolError, LocalProtocolError, ValueError) as error:
            raise CheckFailed(Reason.PROTOCOL, f"no WebSocket: {_line(str(error))}") from None


def _line(words: str | None) -> str:
    return printable((words or "no reason given").encode(), 100)
