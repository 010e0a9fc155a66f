"""SNMP version 2c: what a manager asks, and what an agent answers (RFC 1901, RFC 3416). Pure.

Every parser here returns a value or raises CheckFailed, whatever the bytes.
"""

import re
from collections.abc import Iterable, Mapping

from feedback.checks.codecs import ber
from feedback.checks.codecs.ber import Reader
from feedback.errors import CheckFailed, Reason

VARIABLES_LIMIT = 64

_VERSION_2C = 1
_GET, _RESPONSE, _GET_BULK = 0xA0, 0xA2, 0xA5
_NULL, _OBJECT_ID = 0x05, 0x06
_COUNTER32, _GAUGE32, _TIME_TICKS, _COUNTER64 = 0x41, 0x42, 0x43, 0x46
_NUMBERS = frozenset({ber.INTEGER, _COUNTER32, _GAUGE32, _TIME_TICKS, _COUNTER64})
_OID = re.compile(r"\.?[0-2](?:\.[0-9]{1,10}){1,64}")
_ERRORS = ("noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess")


def is_oid(text: str) -> bool:
    """Tell whether a text is an object identifier, like 1.3.6.1.4.1.2021.4.5.0."""
    return _OID.fullmatch(text) is not None and int(text.lstrip(".").split(".")[1]) < 40


def get(request_id: int, community: str, oids: Iterable[str]) -> bytes:
    """Return a GetRequest for single objects."""
    return _message(community, _GET, (request_id, 0, 0), oids)


def get_bulk(request_id: int, community: str, column: str) -> bytes:
    """Return a GetBulkRequest for what follows in a column of a table."""
    return _message(community, _GET_BULK, (request_id, 0, VARIABLES_LIMIT), (column,))


def _message(community: str, kind: int, head: tuple[int, int, int], oids: Iterable[str]) -> bytes:
    variables = (ber.element(ber.SEQUENCE, _oid(oid), ber.element(_NULL)) for oid in oids)
    pdu = ber.element(kind, *map(ber.integer, head), ber.element(ber.SEQUENCE, *variables))
    return ber.element(ber.SEQUENCE, ber.integer(_VERSION_2C), ber.string(community), pdu)


def _oid(text: str) -> bytes:
    first, second, *rest = map(int, text.lstrip(".").split("."))
    return ber.element(_OBJECT_ID, *map(_arc, (first * 40 + second, *rest)))


def _arc(number: int) -> bytes:
    """Return a number in sevens of bits, the last of which has no high bit (X.690, 8.19.2)."""
    sevens = [number & 0x7F]
    while number := number >> 7:
        sevens.append(number & 0x7F | 0x80)
    return bytes(reversed(sevens))


def read_response(data: bytes, request_id: int) -> Mapping[str, int] | None:
    """Return what an agent answers: the numbers by their identifiers, without what it does not have.

    None when it answers another request. Raises CheckFailed when it is no answer, or says that there is an error.
    """
    message = Reader(data).inside(ber.SEQUENCE)
    version = message.integer()
    if version != _VERSION_2C:
        raise CheckFailed(Reason.PROTOCOL, f"the answer is of SNMP version {version}, must be 1, which is 2c")
    message.content(ber.OCTET_STRING)
    pdu = message.inside(_RESPONSE)
    if pdu.integer() != request_id:
        return None
    status, place = pdu.integer(), pdu.integer()
    if status:
        name = _ERRORS[status] if 0 < status < len(_ERRORS) else "an unknown error"
        raise CheckFailed(Reason.STATUS, f"the agent answers error {status}, {name}, at object {place}")
    return _read_variables(pdu.inside(ber.SEQUENCE))


def _read_variables(variables: Reader) -> Mapping[str, int]:
    found: dict[str, int] = {}
    while variables.next_tag is not None:
        variable = variables.inside(ber.SEQUENCE)
        oid = _read_oid(variable.content(_OBJECT_ID))
        tag, content = variable.take()
        if tag in _NUMBERS:
            found[oid] = _number(tag, content)
        if len(found) > VARIABLES_LIMIT:
            raise CheckFailed(Reason.LIMIT, f"the answer has more than {VARIABLES_LIMIT} objects")
    return found


def _number(tag: int, content: bytes) -> int:
    """Read a number; an unsigned one of 64 bits may have nine octets."""
    if not 1 <= len(content) <= 9:
        raise CheckFailed(Reason.PROTOCOL, f"a number of {len(content)} octets, must be from 1 to 9")
    return int.from_bytes(content, signed=tag == ber.INTEGER)


def _read_oid(content: bytes) -> str:
    if not content or content[-1] & 0x80 or len(content) > 5 * 128:
        raise CheckFailed(Reason.PROTOCOL, f"an object identifier of {len(content)} octets that does not end")
    arcs, number = [], 0
    for octet in content:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(number)
            number = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - first * 40, *arcs[1:])))
