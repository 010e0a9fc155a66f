"""The messages of gRPC's health protocol (grpc/health/v1/health.proto), and what gRPC puts around them. Pure."""

from urllib.parse import unquote

from feedback.checks.matching import printable
from feedback.errors import CheckFailed, Reason

PATH = "/grpc.health.v1.Health/Check"
MESSAGE_LIMIT_BYTES = 4096

OK, NOT_FOUND, PERMISSION_DENIED, UNIMPLEMENTED, UNAUTHENTICATED = 0, 5, 7, 12, 16
CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""The names of gRPC's status codes, by their numbers."""

STATES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")

_PREFIX_BYTES = 5
_SERVICE_FIELD, _STATUS_FIELD = 1, 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}


def request(service: str) -> bytes:
    """Return a HealthCheckRequest: an empty service asks for the server as a whole."""
    name = service.encode()
    message = bytes([_SERVICE_FIELD << 3 | _BYTES]) + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4) + message


def read_response(data: bytes) -> str:
    """Return the state in a HealthCheckResponse. Raises CheckFailed."""
    length = int.from_bytes(data[1:_PREFIX_BYTES])
    if len(data) < _PREFIX_BYTES or len(data) != _PREFIX_BYTES + length:
        raise CheckFailed(Reason.PROTOCOL, f"an answer of {len(data)} bytes that is not one message")
    if data[0]:
        raise CheckFailed(Reason.PROTOCOL, "a compressed answer, which was not asked for")
    if length > MESSAGE_LIMIT_BYTES:
        raise CheckFailed(Reason.LIMIT, f"an answer of {length} bytes")
    try:
        number = _status(data[_PREFIX_BYTES:])
    except IndexError:
        raise CheckFailed(Reason.PROTOCOL, "an answer that is cut off") from None
    return STATES[number] if number < len(STATES) else f"state {number}"


def code_name(number: int) -> str:
    """Return a status code's number and name."""
    return f"{number} {CODES[number]}" if number < len(CODES) else str(number)


def read_message(encoded: str) -> str:
    """Return the text of a grpc-message, which is percent-encoded UTF-8, so that it can be printed."""
    return printable(unquote(encoded, errors="replace").encode("latin-1", "replace"), 200)


def _status(message: bytes) -> int:
    """Return the field `status`, 0 where it is not there; others are passed over. Raises IndexError at a cut."""
    status, position = 0, 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        field, kind = tag >> 3, tag & 7
        if kind not in {_VARINT, _FIXED64, _BYTES, _FIXED32}:
            raise CheckFailed(Reason.PROTOCOL, "an answer that is no message of Protocol Buffers")
        number, position = (0, position) if kind in _FIXED_BYTES else _read_varint(message, position)
        if (field, kind) == (_STATUS_FIELD, _VARINT):
            status = number
        position += number if kind == _BYTES else _FIXED_BYTES.get(kind, 0)
    if position > len(message):
        raise IndexError
    return status


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of at most ten bytes, and where it ends. Raises IndexError at a cut."""
    number = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise CheckFailed(Reason.PROTOCOL, "an answer with a number that does not end")
