"""The agent's end of a WebSocket (RFC 6455) without any I/O: bytes in, messages and bytes to answer out.

`handshake` and `frames` know how the protocol is written. This module decides what an agent makes of it: what is too
much, what is garbage, and whether a director that ends a connection should be asked again soon or late.
"""

from collections.abc import Callable
from enum import Enum, auto

import msgspec

from feedback.agent.frames import (
    NO_CODE,
    Frame,
    FrameError,
    FrameReader,
    Opcode,
    TooLargeError,
    decode_close,
    encode_close,
    encode_frame,
)
from feedback.agent.handshake import (
    NONCE_BYTES,
    HandshakeError,
    Head,
    body_bytes,
    encode_nonce,
    encode_request,
    read_head,
    verify_acceptance,
)
from feedback.agent.url import DirectorUrl
from feedback.errors import WireError
from feedback.report import failure_line
from feedback.secret import Secret

MAX_MESSAGE_BYTES = 8192
"""The largest message a director may send: a certificate of many names, and two authorities."""

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


class State(Enum):
    """How far a connection is."""

    CONNECTING = auto()
    REFUSED = auto()  # by an HTTP status; its words may follow
    OPEN = auto()
    CLOSING = auto()  # the agent has sent its Close
    CLOSED = auto()


class WebSocketClient:
    """One connection's state."""

    def __init__(self, draw: Callable[[int], bytes]) -> None:
        """`draw` returns as many random bytes as it is told to, which nobody can foresee."""
        self._draw = draw
        self._state = State.CONNECTING
        self._key = b""
        self._head = bytearray()  # of the response, until it is whole
        self._refusal: Head | None = None
        self._rejection = bytearray()
        self._frames = FrameReader(MAX_MESSAGE_BYTES)
        self._message: bytearray | None = None  # the one whose last frame has not come

    @property
    def is_open(self) -> bool:
        """Whether the director has accepted, and nobody has closed."""
        return self._state is State.OPEN

    def request(self, url: DirectorUrl, token: Secret | None) -> bytes:
        """Return the opening HTTP request."""
        self._key = encode_nonce(self._draw(NONCE_BYTES))
        return encode_request(url, token, self._key)

    def message(self, payload: bytes) -> bytes:
        """Return a binary message as bytes for the wire. Raises LostError when the connection is closing."""
        return self._send(Opcode.BINARY, payload)

    def ping(self) -> bytes:
        """Return a ping as bytes for the wire. Raises LostError when the connection is closing."""
        return self._send(Opcode.PING, b"")

    def close(self) -> bytes:
        """Return a normal Close. The director's own Close says that it has read all that came before."""
        data = self._send(Opcode.CLOSE, encode_close(1000))
        self._state = State.CLOSING
        return data

    def feed(self, data: bytes) -> Heard:
        """Take bytes from the wire; b"" says that the director has ended the stream."""
        if not data:
            return Heard(end=self._ended())
        messages: list[bytes] = []
        replies: list[bytes] = []
        end: WireError | None = None
        try:
            self._read(data, messages, replies)
        except HandshakeError as error:
            end = LostError(f"the answer is not a WebSocket's: {error}")
        except FrameError as error:
            end = LostError(f"the director broke the WebSocket protocol: {error}")
        except TooLargeError:
            end = too_large()
        except WireError as error:
            end = error
        if end is not None:
            self._state = State.CLOSED
        return Heard(tuple(messages), b"".join(replies), end)

    def _send(self, opcode: Opcode, payload: bytes) -> bytes:
        if self._state is not State.OPEN:
            raise LostError("the connection is closing")
        return encode_frame(opcode, payload, self._draw(4))

    def _read(self, data: bytes, messages: list[bytes], replies: list[bytes]) -> None:
        """Deal with bytes as the state has it. Raises what ends the connection."""
        if self._state is State.CONNECTING:
            data = self._read_head(data)
        if self._state is State.REFUSED:
            self._read_rejection(data)
        elif self._state in {State.OPEN, State.CLOSING}:
            for frame in self._frames.feed(data):
                self._take(frame, messages, replies)

    def _read_head(self, data: bytes) -> bytes:
        """Take the response's head; return what follows it."""
        self._head += data
        head = read_head(bytes(self._head))
        while head is not None and 100 <= head.status < 200 and head.status != 101:  # RFC 9110 section 15.2
            del self._head[: head.size]
            head = read_head(bytes(self._head))
        if head is None:
            return b""
        if head.status == 101:
            verify_acceptance(head, self._key)
            self._state = State.OPEN
        else:
            self._refusal = head
            self._state = State.REFUSED
        rest = bytes(self._head[head.size :])
        self._head.clear()
        return rest

    def _read_rejection(self, data: bytes) -> None:
        """Take a refusal's words. Raises the refusal once they are whole, or enough."""
        expected = body_bytes(self._refusal) if self._refusal else 0
        enough = MAX_REASON_BYTES if expected is None else min(expected, MAX_REASON_BYTES)
        self._rejection += data[: enough - len(self._rejection)]
        if len(self._rejection) == enough:
            raise self._ended()

    def _take(self, frame: Frame, messages: list[bytes], replies: list[bytes]) -> None:
        """Deal with one frame. Raises what ends the connection."""
        match frame.opcode:
            case Opcode.TEXT:
                raise LostError("the director sent text, where the protocol has binary messages only")
            case Opcode.BINARY | Opcode.CONTINUATION:
                self._collect(frame, messages)
            case Opcode.PING if self._state is State.OPEN:
                replies.append(encode_frame(Opcode.PONG, frame.payload, self._draw(4)))
            case Opcode.CLOSE:
                code, reason = decode_close(frame.payload)
                if self._state is State.OPEN:
                    answer = b"" if code == NO_CODE else encode_close(code)
                    replies.append(encode_frame(Opcode.CLOSE, answer, self._draw(4)))
                kind = RefusedError if is_refusal(code) else LostError
                words = failure_line(reason) or "no reason given"
                raise kind(f"the director closed the connection with code {code}: {words}")
            case _:  # a pong: a sign of life and no more; or a ping after our Close, to which nothing can be said
                pass

    def _collect(self, frame: Frame, messages: list[bytes]) -> None:
        if (frame.opcode is Opcode.CONTINUATION) is (self._message is None):
            raise FrameError("the frames of a message are out of order")
        message = bytearray() if self._message is None else self._message
        message += frame.payload
        if len(message) > MAX_MESSAGE_BYTES:
            raise too_large()
        if frame.is_final:
            messages.append(bytes(message))
        self._message = None if frame.is_final else message

    def _ended(self) -> WireError:
        """Say what the end of the stream means: a refusal that began before it, or a loss."""
        if self._refusal is None:
            return LostError("the director closed the connection without a word")
        status = self._refusal.status
        words = failure_line(self._rejection.decode("utf-8", "replace")) or "no reason given"
        kind = RefusedError if 400 <= status < 500 else LostError
        return kind(f"the director refused with HTTP status {status}: {words}")


def too_large() -> LostError:
    """Return what ends the connection of a director that says more than an agent reads."""
    return LostError(f"the director sent a message of more than {MAX_MESSAGE_BYTES} bytes")


REFUSING_CODES = frozenset({1002, 1003, 1007, 1008, 1009, 1010})


def is_refusal(code: int) -> bool:
    """Tell whether a Close code (RFC 6455 section 7.4) says that coming back soon would end the same way.

    1002, 1003, 1007 to 1010: what the agent says is wrong, too big or against a policy; 4000 and up: the
    application's own reasons. The others, like 1001 (going away) and 1012 (restart), pass.
    """
    return code in REFUSING_CODES or code >= 4000
