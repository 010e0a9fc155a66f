"""Frames of HTTP/2 for tests (RFC 9113, 6), and a peer that has a script of them."""

import hpack
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived

from feedback.testing import Connection

SETTINGS, HEADERS, RST_STREAM, PING, GOAWAY, DATA = 4, 1, 3, 6, 7, 0
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def headers(fields: dict[str, str], *, end: bool = False) -> bytes:
    """Return a header block of the first stream. Nothing of it is to be remembered: it stands alone."""
    encoded = hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(name, value) for name, value in fields.items()])
    return frame(HEADERS, encoded, END_HEADERS | (END_STREAM if end else 0), 1)


def data(payload: bytes, *, end: bool = False) -> bytes:
    return frame(DATA, payload, END_STREAM if end else 0, 1)


def goodbye(last_stream: int, code: int = 0, words: bytes = b"") -> bytes:
    return frame(GOAWAY, last_stream.to_bytes(4) + code.to_bytes(4) + words)


class Peer(Connection):
    """Hears whatever there is to hear, and keeps it."""

    def take(self, data: bytes) -> None:
        self.sent += data

    def heard(self) -> tuple[dict[bytes, bytes], bytes]:
        """Return the fields and the body of the request that was sent."""
        server = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        fields: dict[bytes, bytes] = {}
        body = b""
        for event in server.receive_data(self.sent):
            if isinstance(event, RequestReceived):
                fields = dict(event.headers)
            elif isinstance(event, DataReceived):
                body += event.data
        return fields, body
