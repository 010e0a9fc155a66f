"""The agent's end of a WebSocket (RFC 6455) without any I/O: bytes in, messages and bytes to answer out.

wsproto knows the protocol; this module decides what an agent makes of it: what is too much, what is garbage,
and whether a director that ends a connection should be asked again soon or late.
"""

import msgspec
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from feedback.agent.url import DirectorUrl
from feedback.errors import WireError
from feedback.report import failure_line
from feedback.secret import Secret

MAX_MESSAGE_BYTES = 4096
"""The largest message a director may send. It only sends answers of a few bytes."""

MAX_REASON_BYTES = 200


class LostError(WireError):
    """The connection is over. Another attempt may succeed soon."""


class RefusedError(WireError):
    """The director does not want this agent, and says why. Another attempt needs an administrator first."""


class Heard(msgspec.Struct, frozen=True):
    """What came of some bytes: whole messages, bytes to send back (pongs, a Close), and why the connection is over.

    `end` is a RefusedError when the director refuses in its own words, a LostError when it closes, breaks the protocol
    or says too much, and None while the connection lives.
    """

    messages: tuple[bytes, ...] = ()
    reply: bytes = b""
    end: WireError | None = None


class WebSocketClient:
    """One connection's state."""

    def __init__(self) -> None:
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._message = bytearray()
        self._rejection = bytearray()
        self._status: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether the director has accepted, and nobody has closed."""
        return self._protocol.state is ConnectionState.OPEN

    def request(self, url: DirectorUrl, token: Secret | None) -> bytes:
        """Return the opening HTTP request."""
        headers = [] if token is None else [(b"authorization", b"Bearer " + token.reveal().encode())]
        return self._protocol.send(Request(host=url.host_header, target=url.target, extra_headers=headers))

    def message(self, payload: bytes) -> bytes:
        """Return a binary message as bytes for the wire. Raises LostError when the connection is closing."""
        return self._send(BytesMessage(data=payload))

    def ping(self) -> bytes:
        """Return a ping as bytes for the wire. Raises LostError when the connection is closing."""
        return self._send(Ping())

    def close(self) -> bytes:
        """Return a normal Close. The director's own Close says that it has read all that came before."""
        return self._send(CloseConnection(code=1000))

    def feed(self, data: bytes) -> Heard:
        """Take bytes from the wire; b"" says that the director has ended the stream."""
        if not data:
            return Heard(end=self._ended())
        messages: list[bytes] = []
        replies: list[bytes] = []
        try:
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                self._take(event, messages, replies)
        except (RemoteProtocolError, LocalProtocolError) as error:
            end: WireError | None = LostError(f"the answer is not a WebSocket's: {failure_line(str(error))}")
        except WireError as error:
            end = error
        else:
            end = None
        return Heard(tuple(messages), b"".join(replies), end)

    def _send(self, event: Event) -> bytes:
        try:
            return self._protocol.send(event)
        except LocalProtocolError:
            raise LostError("the connection is closing") from None

    def _take(self, event: Event, messages: list[bytes], replies: list[bytes]) -> None:
        """Deal with one event. Raises what ends the connection."""
        match event:
            case BytesMessage():
                self._collect(event, messages)
            case TextMessage():
                raise LostError("the director sent text, where the protocol has binary messages only")
            case Ping():
                replies.append(self._protocol.send(event.response()))
            case CloseConnection():
                if self._protocol.state is ConnectionState.REMOTE_CLOSING:
                    replies.append(self._protocol.send(event.response()))
                raise self._closed(event)
            case RejectConnection():
                self._status = event.status_code
            case RejectData():
                self._rejection += event.data[: MAX_REASON_BYTES - len(self._rejection)]
                if event.body_finished or len(self._rejection) == MAX_REASON_BYTES:
                    raise self._ended()
            case _:  # the connection is accepted, or a pong: a sign of life and no more
                pass

    def _collect(self, event: BytesMessage, messages: list[bytes]) -> None:
        self._message += event.data
        if len(self._message) > MAX_MESSAGE_BYTES:
            raise LostError(f"the director sent a message of more than {MAX_MESSAGE_BYTES} bytes")
        if event.message_finished:
            messages.append(bytes(self._message))
            self._message.clear()

    def _closed(self, event: CloseConnection) -> WireError:
        reason = failure_line(event.reason or "") or "no reason given"
        if self._protocol.state is ConnectionState.OPEN:  # wsproto's way to say that it can't read on
            return LostError(f"the director broke the WebSocket protocol: {reason}")
        kind = RefusedError if is_refusal(event.code) else LostError
        return kind(f"the director closed the connection with code {int(event.code)}: {reason}")

    def _ended(self) -> WireError:
        """Say what the end of the stream means: a refusal that began before it, or a loss."""
        if self._status is None:
            return LostError("the director closed the connection without a word")
        words = failure_line(self._rejection.decode("utf-8", "replace")) or "no reason given"
        kind = RefusedError if 400 <= self._status < 500 else LostError
        return kind(f"the director refused with HTTP status {self._status}: {words}")


REFUSING_CODES = frozenset({1002, 1003, 1007, 1008, 1009, 1010})


def is_refusal(code: int) -> bool:
    """Tell whether a Close code (RFC 6455 section 7.4) says that coming back soon would end the same way.

    1002, 1003, 1007 to 1010: what the agent says is wrong, too big or against a policy; 4000 and up: the
    application's own reasons. The others, like 1001 (going away) and 1012 (restart), pass.
    """
    return code in REFUSING_CODES or code >= 4000
