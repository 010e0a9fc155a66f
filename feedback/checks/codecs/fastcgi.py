"""FastCGI, as far as one GET of one application goes: records, parameters, and the CGI answer in them. Pure.

Whatever the application sends comes out as a value, or as CheckFailed. Numbers are big-endian. Sections are those of
the FastCGI specification, version 1.
"""

import struct
from collections.abc import Mapping

import msgspec

from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason

HEADER_BYTES = 8

_VERSION = 1
_BEGIN, _END, _PARAMS, _STDIN, _STDOUT, _STDERR = 1, 3, 4, 5, 6, 7
_RESPONDER = 1
_REQUEST = 1
_PROTOCOL_STATUSES = {1: "it takes one request on a connection", 2: "it is overloaded", 3: "it is no responder"}
_PARAMS_BYTES = 0xFFFF


class Header(msgspec.Struct, frozen=True):
    """A record's header: its kind, and how many bytes of content and of padding follow."""

    kind: int
    content_bytes: int
    padding_bytes: int

    @property
    def rest_bytes(self) -> int:
        """Return how many bytes follow."""
        return self.content_bytes + self.padding_bytes


class Document(msgspec.Struct, frozen=True):
    """What an application has answered: status and body."""

    status: str
    body: bytes

    @property
    def is_good(self) -> bool:
        """Return whether the status is 2xx."""
        return self.status.startswith("2")


def get(script: str, query: str) -> bytes:
    """Return the records of one GET (3.4 of the CGI specification names the parameters)."""
    parameters = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": script,
        "SCRIPT_FILENAME": script,
        "REQUEST_URI": f"{script}?{query}" if query else script,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "feedback",
    }
    begin = _record(_BEGIN, struct.pack(">HB5x", _RESPONDER, 0))  # 0: the application closes the connection after it
    return begin + _record(_PARAMS, _pairs(parameters)) + _record(_PARAMS, b"") + _record(_STDIN, b"")


def read_header(data: bytes) -> Header:
    """Return a record's header (3.3)."""
    version, kind, request, content_bytes, padding_bytes = struct.unpack(">BBHHBx", data)
    if version != _VERSION or request != _REQUEST:
        raise CheckFailed(Reason.PROTOCOL, f"not a record of FastCGI: {excerpt(data)}")
    return Header(kind, content_bytes, padding_bytes)


class Output:
    """Puts an application's output together, record by record. `ended`: whether the request is over."""

    def __init__(self, limit_bytes: int) -> None:
        self.ended = False
        self._limit_bytes = limit_bytes
        self._output = bytearray()
        self._errors = bytearray()

    def feed(self, header: Header, rest: bytes) -> None:
        """Take a record. Raises CheckFailed for one that does not belong there, or says that nothing will come."""
        content = rest[: header.content_bytes]
        if header.kind == _STDOUT:
            self._output += content
        elif header.kind == _STDERR:
            self._errors += content
        elif header.kind == _END:
            self._end(content)
        else:
            raise CheckFailed(Reason.PROTOCOL, f"a record of kind {header.kind} in answer to a request")
        if len(self._output) + len(self._errors) > self._limit_bytes:
            raise CheckFailed(Reason.LIMIT, f"an answer of more than {self._limit_bytes} bytes")

    def _end(self, content: bytes) -> None:
        if len(content) < HEADER_BYTES:
            raise CheckFailed(Reason.PROTOCOL, f"the end of a request has {len(content)} bytes, must be 8")
        if content[4]:
            why = _PROTOCOL_STATUSES.get(content[4], f"protocol status {content[4]}")
            raise CheckFailed(Reason.STATUS, f"the application refuses: {why}")
        self.ended = True

    def document(self) -> Document:
        """Return the answer (CGI, 6): header fields, of which Status may be one, and a body."""
        head, end, body = self._output.partition(b"\r\n\r\n")
        if not end:
            said = bytes(self._output or self._errors)
            raise CheckFailed(Reason.PROTOCOL, f"the application has not answered: {excerpt(said)}")
        status = "200 OK"
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"status":
                status = value.strip().decode("latin-1")
        return Document(status, bytes(body))


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBHHBx", _VERSION, kind, _REQUEST, len(content), 0) + content


def _pairs(parameters: Mapping[str, str]) -> bytes:
    """Return names and values with their lengths before them (3.4), as much of them as a record holds."""
    texts = [(name.encode(), value.encode()) for name, value in parameters.items()]
    return b"".join(_length(name) + _length(value) + name + value for name, value in texts)[:_PARAMS_BYTES]


def _length(text: bytes) -> bytes:
    return bytes([len(text)]) if len(text) < 128 else struct.pack(">I", len(text) | 1 << 31)
