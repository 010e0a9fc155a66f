"""One request over HTTP/2 (RFC 9113): h2 knows the protocol, and it is read here frame by frame. Pure."""

import struct
from collections.abc import Iterable, Sequence

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import msgspec

from feedback.checks.matching import excerpt, printable
from feedback.errors import CheckFailed, Reason
from feedback.net import Stream

FRAME_HEADER_BYTES = 9
FRAME_LIMIT_BYTES = 16 * 1024
FRAMES_LIMIT = 1000
HEADERS_LIMIT_BYTES = 16 * 1024

_SETTINGS, _GOAWAY = 4, 7
_FIRST_STREAM = 1

Fields = Sequence[tuple[str, str]]

CODES = tuple(code.name for code in sorted(h2.errors.ErrorCodes))


class Answer(msgspec.Struct):
    """What came: the header fields, the body, and the fields after it. It fills while it is read."""

    fields: dict[str, str] = {}
    body: bytes = b""
    trailers: dict[str, str] = {}
    complete: bool = False

    def take(self, event: h2.events.Event) -> None:
        """Take what has happened on the connection. Raises CheckFailed for a stream that was reset."""
        match event:
            case h2.events.ResponseReceived():
                self.fields = _text(event.headers)
            case h2.events.TrailersReceived():
                self.trailers = _text(event.headers)
            case h2.events.DataReceived():
                self.body += event.data
            case h2.events.StreamEnded():
                self.complete = True
            case h2.events.StreamReset():
                raise CheckFailed(Reason.RESET, f"the request was reset with code {_code(event.error_code)}")
            case _:  # settings, pings, windows
                pass


async def ask(stream: Stream, fields: Fields, body: bytes) -> Answer:
    """Send a request on a new connection, and return its answer. The window lets no body be longer than 64 KiB."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
    connection.local_settings = h2.settings.Settings(
        client=True,
        initial_values={
            h2.settings.SettingCodes.ENABLE_PUSH: 0,
            h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: HEADERS_LIMIT_BYTES,
        },
    )
    connection.initiate_connection()
    connection.send_headers(_FIRST_STREAM, fields)
    connection.send_data(_FIRST_STREAM, body, end_stream=True)
    await stream.write(connection.data_to_send())
    answer = Answer()
    for number in range(FRAMES_LIMIT):
        kind, frame = await _next_frame(stream, number)
        if kind == _GOAWAY:
            _look_at_goodbye(frame[FRAME_HEADER_BYTES:])
            continue
        for event in _events(connection, frame):
            answer.take(event)
        if answer.complete:
            return answer
        if reply := connection.data_to_send():
            await stream.write(reply)
    raise CheckFailed(Reason.LIMIT, f"no end of the answer in {FRAMES_LIMIT} frames")


async def _next_frame(stream: Stream, number: int) -> tuple[int, bytes]:
    """Return a frame's type, and the frame. The first one is of settings (RFC 9113, 3.4)."""
    header = await stream.read_exactly(FRAME_HEADER_BYTES)
    length, kind = int.from_bytes(header[:3]), header[3]
    if number == 0 and (kind != _SETTINGS or length > FRAME_LIMIT_BYTES):
        raise CheckFailed(Reason.PROTOCOL, f"an answer that is not HTTP/2: {excerpt(header)}")
    if length > FRAME_LIMIT_BYTES:
        raise CheckFailed(Reason.PROTOCOL, f"a frame of {length} bytes, must be at most {FRAME_LIMIT_BYTES}")
    return kind, header + await stream.read_exactly(length)


def _look_at_goodbye(payload: bytes) -> None:
    """Raise CheckFailed unless a GOAWAY lets the request finish (RFC 9113, 6.8). h2 would read nothing after it."""
    if len(payload) < 8:
        raise CheckFailed(Reason.PROTOCOL, "a GOAWAY that is cut off")
    last_stream, code = struct.unpack("!II", payload[:8])
    if code or last_stream & 0x7FFFFFFF < _FIRST_STREAM:
        words = f": {printable(payload[8:])}" if payload[8:] else ""
        raise CheckFailed(Reason.CLOSED, f"the server said goodbye with code {_code(code)}{words}")


def _events(connection: h2.connection.H2Connection, frame: bytes) -> list[h2.events.Event]:
    try:
        return connection.receive_data(frame)
    except h2.exceptions.ProtocolError as error:
        raise CheckFailed(Reason.PROTOCOL, f"an answer that breaks HTTP/2: {printable(str(error).encode())}") from None


def _text(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return fields as text, of each name the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in fields}


def _code(number: int) -> str:
    """Return an error code's number, and its name where it has one (RFC 9113, 7)."""
    return f"{number} {CODES[number]}" if number < len(CODES) else str(number)
