"""LDAP's messages: what a check asks, and what servers answer (RFC 4511). Pure.

A message is read in two steps, as it comes from a stream: its head says how long it is. Every parser here returns
a value or raises CheckFailed, whatever the bytes.
"""

from collections.abc import Mapping, Sequence

import msgspec

from feedback.checks.codecs import ber
from feedback.checks.codecs.ber import Reader
from feedback.errors import CheckFailed, Reason

HEAD_BYTES = 2

_BIND_REQUEST, _UNBIND_REQUEST, _SEARCH_REQUEST, _EXTENDED_REQUEST = 0x60, 0x42, 0x63, 0x77
BIND_RESPONSE, SEARCH_DONE, EXTENDED_RESPONSE = 0x61, 0x65, 0x78
_SEARCH_ENTRY, _SEARCH_REFERENCE = 0x64, 0x73

_VERSION = 3
_SIMPLE = ber.CONTEXT
_REQUEST_NAME = ber.CONTEXT
_REFERRAL = ber.CONTEXT_CONSTRUCTED + 3
_RESPONSE_NAME = ber.CONTEXT + 10

_START_TLS = "1.3.6.1.4.1.1466.20037"  # RFC 4511, 4.14.1
NOTICE_OF_DISCONNECTION = "1.3.6.1.4.1.1466.20036"  # RFC 4511, 4.4.1

SCOPES: Mapping[str, int] = {"base": 0, "one": 1, "sub": 2}

SUCCESS, SIZE_LIMIT_EXCEEDED = 0, 4

NO_LOGIN = frozenset({7, 8, 13, 48, 49, 50})
"""Codes by which a server refuses a login: its kind, or who it is."""

CODES: Mapping[int, str] = {
    0: "success",
    1: "operationsError",
    2: "protocolError",
    3: "timeLimitExceeded",
    4: "sizeLimitExceeded",
    5: "compareFalse",
    6: "compareTrue",
    7: "authMethodNotSupported",
    8: "strongerAuthRequired",
    10: "referral",
    11: "adminLimitExceeded",
    12: "unavailableCriticalExtension",
    13: "confidentialityRequired",
    14: "saslBindInProgress",
    16: "noSuchAttribute",
    17: "undefinedAttributeType",
    18: "inappropriateMatching",
    19: "constraintViolation",
    20: "attributeOrValueExists",
    21: "invalidAttributeSyntax",
    32: "noSuchObject",
    33: "aliasProblem",
    34: "invalidDNSyntax",
    36: "aliasDereferencingProblem",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    54: "loopDetect",
    64: "namingViolation",
    65: "objectClassViolation",
    66: "notAllowedOnNonLeaf",
    67: "notAllowedOnRDN",
    68: "entryAlreadyExists",
    69: "objectClassModsProhibited",
    71: "affectsMultipleDSAs",
    80: "other",
}
"""Names of the codes (RFC 4511, 4.1.9)."""


class Result(msgspec.Struct, frozen=True):
    """The end of an operation. `kind` is which operation's, `name` an extended one's OID."""

    kind: int
    code: int
    matched: str = ""
    diagnostic: str = ""
    referral: tuple[str, ...] = ()
    name: str = ""

    def __str__(self) -> str:
        words = f"{self.code} {CODES.get(self.code, '(unknown)')}"
        if self.referral:
            words += f" to {', '.join(self.referral)}"
        if self.matched:
            words += f" below {self.matched}"
        return f"{words}: {self.diagnostic}" if self.diagnostic else words


class Entry(msgspec.Struct, frozen=True):
    """An entry that a search has found: its attributes' values by their descriptions in lower case."""

    dn: str
    attributes: Mapping[str, tuple[str, ...]]


class Reference(msgspec.Struct, frozen=True):
    """Where a search would have to go on: at another server."""

    uris: tuple[str, ...]


class Message(msgspec.Struct, frozen=True):
    """What a server says, and to which request; to none with id 0."""

    id: int
    content: Result | Entry | Reference


def request(message_id: int, operation: bytes) -> bytes:
    """Return a message with one of the operations below."""
    return ber.element(ber.SEQUENCE, ber.integer(message_id), operation)


def bind(name: str, password: str) -> bytes:
    """Return a simple bind, anonymous without both."""
    return ber.element(_BIND_REQUEST, ber.integer(_VERSION), ber.string(name), ber.string(password, _SIMPLE))


def unbind() -> bytes:
    """Return the goodbye, which nobody answers."""
    return ber.element(_UNBIND_REQUEST)


def start_tls() -> bytes:
    """Return the wish to go on in TLS."""
    return ber.element(_EXTENDED_REQUEST, ber.string(_START_TLS, _REQUEST_NAME))


def search(base: str, scope: int, size_limit: int, search_filter: bytes, attributes: Sequence[str]) -> bytes:
    """Return a search that follows no aliases and has no limit of time: who asks hangs up when it takes too long."""
    return ber.element(
        _SEARCH_REQUEST,
        ber.string(base),
        ber.integer(scope, ber.ENUMERATED),
        ber.integer(0, ber.ENUMERATED),
        ber.integer(size_limit),
        ber.integer(0),
        ber.boolean(False),
        search_filter,
        ber.element(ber.SEQUENCE, *map(ber.string, attributes)),
    )


def further_head_bytes(head: bytes) -> int:
    """Return how many bytes of a message's head follow its first HEAD_BYTES."""
    if head[0] != ber.SEQUENCE:
        raise CheckFailed(Reason.PROTOCOL, f"not an LDAP message: it begins with {head[0]:#04x}, must be 0x30")
    return ber.further_length_octets(head[1])


def body_length(head: bytes) -> int:
    """Return how many bytes follow a whole head."""
    return ber.length_of(head[1:])


def read_body(body: bytes) -> Message:
    """Return what a message says, after its head. Controls are passed over: none were asked for."""
    reader = Reader(body)
    message_id = reader.integer()
    kind, content = reader.take()
    return Message(message_id, _read_content(kind, Reader(content)))


def _read_content(kind: int, reader: Reader) -> Result | Entry | Reference:
    if kind in {BIND_RESPONSE, SEARCH_DONE, EXTENDED_RESPONSE}:
        return _read_result(kind, reader)
    if kind == _SEARCH_ENTRY:
        return _read_entry(reader)
    if kind == _SEARCH_REFERENCE:
        return Reference(_strings(reader))
    raise CheckFailed(Reason.PROTOCOL, f"not an answer of LDAP's to bind or search: an element {kind:#04x}")


def _read_result(kind: int, reader: Reader) -> Result:
    code, matched, diagnostic = reader.integer(ber.ENUMERATED), reader.string(), reader.string()
    referral: tuple[str, ...] = ()
    name = ""
    while (tag := reader.next_tag) is not None:
        if tag == _REFERRAL:
            referral = _strings(reader.inside(tag))
        elif tag == _RESPONSE_NAME:
            name = reader.string(tag)
        else:
            reader.take()  # what a SASL mechanism or an extension says
    return Result(kind, code, matched, diagnostic.strip(" \0"), referral, name)


def _read_entry(reader: Reader) -> Entry:
    dn = reader.string()
    attributes: dict[str, tuple[str, ...]] = {}
    listed = reader.inside(ber.SEQUENCE)
    while listed.next_tag is not None:
        attribute = listed.inside(ber.SEQUENCE)
        description = attribute.string()
        attributes[description.lower()] = _strings(attribute.inside(ber.SET))
    return Entry(dn, attributes)


def _strings(reader: Reader) -> tuple[str, ...]:
    strings = []
    while reader.next_tag is not None:
        strings.append(reader.string())
    return tuple(strings)
