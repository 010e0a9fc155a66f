"""DNS messages as values (RFC 1035): a question's bytes, and whatever bytes come back. Pure.

dnspython knows names, types, and what the data of each type say. It does not read whole messages here: it looks into
every record, and 64 KiB made for that hold it up for seconds, in which the director would do nothing else. So records
are walked over, and those alone are looked into that answer the question.
"""

import functools
import struct
from collections.abc import Iterable

import dns.exception
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import msgspec
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA

from feedback.checks.codecs.dns_wire import RECORD, RawRecord, Reader, broken, read_name
from feedback.errors import CheckFailed, Reason

IDENTIFIER_BYTES = 2
HEADER_BYTES = 12

RECORDS_LIMIT = 300
"""More than answers have, and few enough that the worst of them, all of long names, are read in a third of a second."""

UDP_BYTES = 1232
"""The largest answer over UDP that EDNS asks for: a larger one may come in fragments, which get lost more easily."""

_QR, _AA, _TC, _RD, _AD, _DO = 0x8000, 0x0400, 0x0200, 0x0100, 0x0020, 0x8000
_OPCODE_MASK, _RCODE_MASK = 0x7800, 0x000F
_NSID = 3

_HEADER = struct.Struct("!6H")  # RFC 1035, 4.1.1
_TYPE_AND_CLASS = struct.Struct("!HH")
_OPTION = struct.Struct("!HH")

_KNOWN_TYPES = frozenset(RdataType)

_MAY_LACK_QUESTION = frozenset({1, 2, 4, 5})
"""FORMERR, SERVFAIL, NOTIMP, REFUSED: a server may not repeat what it has not understood, or does not want to hear."""


class Question(msgspec.Struct, frozen=True):
    """What is asked and how. `name` in lower case, as it stands in messages; `query` is all but the identifier."""

    text: str
    name: bytes
    kind: RdataType
    of_class: RdataClass
    query: bytes

    def __str__(self) -> str:
        return f"{self.text} {dns.rdatatype.to_text(self.kind)}"


class Record(msgspec.Struct, frozen=True):
    """A record's data: as they stand in a zone file, and in a form that is the same however they are spelled."""

    text: str
    canonical: bytes


class Answer(msgspec.Struct, frozen=True):
    """What an answer says. Nothing but the rcode of a truncated one was read.

    records: those of the type and name that were asked for, or of the name that this one is an alias of. serial: of the
    SOA record among them. nsid: what the server calls itself.
    """

    rcode: str
    truncated: bool = False
    authoritative: bool = False
    authenticated: bool = False
    records: tuple[Record, ...] = ()
    serial: int | None = None
    nsid: str | None = None


def make_question(
    name: str,
    kind: str = "SOA",
    of_class: str = "IN",
    *,
    recursion: bool = False,
    edns: bool = False,
    dnssec: bool = False,
    nsid: bool = False,
) -> Question:
    """Return a question. Raises ValueError that begins with the option that is wrong."""
    try:
        absolute = dns.name.from_text(name)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"query_name: must be a domain name, like www.example.com: {error}") from None
    number, class_number = _type(kind), _class(of_class)
    extra = _edns(dnssec=dnssec, nsid=nsid) if edns or dnssec or nsid else b""
    head = _HEADER.pack(0, _RD if recursion else 0, 1, 0, 0, 1 if extra else 0)[IDENTIFIER_BYTES:]
    wire = absolute.to_digestable()
    query = head + wire + _TYPE_AND_CLASS.pack(number, class_number) + extra
    return Question(absolute.to_text(), wire, number, class_number, query)


def _type(text: str) -> RdataType:
    try:
        kind = dns.rdatatype.from_text(text)
    except (dns.exception.DNSException, ValueError):
        kind = RdataType.NONE
    if kind is RdataType.NONE or (dns.rdatatype.is_metatype(kind) and kind is not RdataType.ANY):
        raise ValueError(f'query_type: must be a type of records, like AAAA, TYPE65 or ANY, not "{text}"')
    return kind


def _class(text: str) -> RdataClass:
    try:
        return dns.rdataclass.from_text(text)
    except (dns.exception.DNSException, ValueError):
        raise ValueError(f'query_class: must be a class of records, like IN or CH, not "{text}"') from None


def _edns(*, dnssec: bool, nsid: bool) -> bytes:
    """Return the record that says what we understand (RFC 6891, 6.1) and asks for the server's name (RFC 5001)."""
    options = _OPTION.pack(_NSID, 0) if nsid else b""
    return b"\0" + RECORD.pack(RdataType.OPT, UDP_BYTES, _DO if dnssec else 0, len(options)) + options


def make_record(question: Question, text: str) -> Record:
    """Return the record that a line of a zone file stands for. Raises ValueError likewise."""
    if question.kind is RdataType.ANY:
        raise ValueError("answer: goes with one query_type, and ANY stands for all")
    try:
        return _record(dns.rdata.from_text(question.of_class, question.kind, text, dns.name.root, relativize=False))
    except (dns.exception.DNSException, ValueError) as error:
        kind = dns.rdatatype.to_text(question.kind)
        raise ValueError(f'answer: "{text}" is no {kind} record as in a zone file: {error}') from None


def _record(data: dns.rdata.Rdata) -> Record:
    return Record(data.to_text(), data.to_digestable(dns.name.root))


def read_answer(question: Question, identifier: bytes, data: bytes) -> Answer | None:
    """Return what an answer says, None when `data` answer another question or none.

    Raises CheckFailed when they are the answer, and broken or too large.
    """
    if len(data) < HEADER_BYTES or data[:IDENTIFIER_BYTES] != identifier:
        return None
    return _read(question, data[IDENTIFIER_BYTES:])


@functools.lru_cache(maxsize=64)  # realservers say the same at every check, but for the identifier
def _read(question: Question, after_identifier: bytes) -> Answer | None:
    reader = Reader(bytes(IDENTIFIER_BYTES) + after_identifier)
    _, flags, questions, *counts = reader.unpack(_HEADER)
    if not flags & _QR or flags & _OPCODE_MASK:
        return None
    rcode = flags & _RCODE_MASK
    if not _is_repeated(question, questions, reader) and not (rcode in _MAY_LACK_QUESTION and questions == 0):
        return None
    if flags & _TC:
        return Answer(_rcode(rcode), truncated=True)
    if sum(counts) > RECORDS_LIMIT:
        raise CheckFailed(Reason.LIMIT, f"the answer has {sum(counts)} records, and {RECORDS_LIMIT} are read at most")
    answers, _, additional = [[reader.record() for _ in range(count)] for count in counts]
    edns = next((record for record in additional if record.kind == RdataType.OPT), None)
    found = [_read_data(reader.wire, record) for record in _answering(question, answers, reader.wire)]
    return Answer(
        _rcode(rcode | (edns.lifetime >> 24 << 4 if edns else 0)),  # RFC 6891, 6.1.3
        authoritative=bool(flags & _AA),
        authenticated=bool(flags & _AD),
        records=tuple(record for record, _ in found),
        serial=next((serial for _, serial in found if serial is not None), None),
        nsid=_nsid(reader.wire[edns.start : edns.start + edns.length]) if edns else None,
    )


def _is_repeated(question: Question, count: int, reader: Reader) -> bool:
    """Return whether the answer repeats the question, and no other."""
    if count != 1:
        return False
    return (reader.name(), *reader.unpack(_TYPE_AND_CLASS)) == (question.name, question.kind, question.of_class)


def _rcode(number: int) -> str:
    text = dns.rcode.to_text(dns.rcode.Rcode.make(number))
    return f"RCODE{text}" if text.isdigit() else text


def _answering(question: Question, records: Iterable[RawRecord], wire: bytes) -> list[RawRecord]:
    """Return the records that are of the wanted type, and of the name, or of what it is an alias of."""
    records = [record for record in records if record.of_class == question.of_class]
    aliases = {record.owner: record for record in records if record.kind == RdataType.CNAME}
    name = question.name
    if question.kind not in {RdataType.CNAME, RdataType.ANY}:
        while alias := aliases.pop(name, None):  # each once, so that they can't lead round in circles
            name, _ = read_name(wire, alias.start)
    kinds = {question.kind} if question.kind is not RdataType.ANY else _KNOWN_TYPES
    return [record for record in records if record.owner == name and record.kind in kinds]


def _read_data(wire: bytes, record: RawRecord) -> tuple[Record, int | None]:
    """Return what a record says, and the serial of a zone where it has one."""
    kind, of_class = RdataType.make(record.kind), RdataClass.make(record.of_class)
    try:
        data = dns.rdata.from_wire(of_class, kind, wire, record.start, record.length)
        return _record(data), data.serial if isinstance(data, SOA) else None
    except Exception as error:  # noqa: BLE001 - whatever dnspython stumbles over stands in the data
        raise broken(f"{dns.rdatatype.to_text(kind)} data that are none, {type(error).__name__}") from None


def _nsid(options: bytes) -> str | None:
    """Return the server's name for itself among the options of EDNS, as digits where it is no text."""
    while options:
        code, length = _OPTION.unpack_from(options.ljust(_OPTION.size, b"\xff"))
        value, options = options[_OPTION.size :][:length], options[_OPTION.size + length :]
        if len(value) < length:
            raise broken("an option of EDNS ends too early")
        if code == _NSID:
            text = value.decode("latin-1")
            return text if text.isascii() and text.isprintable() else value.hex()
    return None
