"""SIP's OPTIONS requests and the responses to them (RFC 3261). Pure.

A datagram has one message; on a stream each says by Content-Length where it ends.
"""

import re
from collections.abc import Mapping

import msgspec

from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason
from feedback.model import Endpoint

HEAD_LIMIT_BYTES = 16 * 1024
BODY_LIMIT_BYTES = 64 * 1024
END_OF_HEAD = b"\r\n\r\n"
MAX_FIELDS = 200

BRANCH_COOKIE = "z9hG4bK"
"""What a branch begins with that is unique in all the world (8.1.1.7)."""

FIRST_FINAL_STATUS = 200

_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]*))?", re.IGNORECASE)
_FIELD = re.compile(rb"([A-Za-z0-9.!%*_+`'~-]{1,64})[ \t]*:[ \t]*(.*)", re.DOTALL)
_FOLD = re.compile(rb"[ \t]*\r?\n[ \t]+")
_BRANCH = re.compile(r";\s*branch\s*=\s*([^\s;,]{1,200})", re.IGNORECASE)
_SEQUENCE = re.compile(r"([0-9]{1,10})[ \t]+(\S{1,40})")

_COMPACT = {
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "s": "subject",
    "t": "to",
    "v": "via",
}
"""The names of header fields in short (7.3.3)."""


class Question(msgspec.Struct, frozen=True):
    """What one OPTIONS request says. The three tokens are unique: by them its responses are known."""

    transport: str
    sender: Endpoint
    uri: str
    to_uri: str
    from_uri: str
    branch: str
    tag: str
    call_id: str

    @property
    def message(self) -> bytes:
        """The request as it is sent (11.1), with `rport`, so that its responses find back through NAT (RFC 3581)."""
        parameter = "" if self.transport == "UDP" else f";transport={self.transport.lower()}"
        lines = (
            f"OPTIONS {self.uri} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} {self.sender};branch={self.branch};rport",
            "Max-Forwards: 70",
            f"From: <{self.from_uri}>;tag={self.tag}",
            f"To: <{self.to_uri}>",
            f"Call-ID: {self.call_id}",
            "CSeq: 1 OPTIONS",
            f"Contact: <sip:feedback@{self.sender}{parameter}>",
            "Accept: application/sdp",
            "User-Agent: feedback",
            "Content-Length: 0",
            "",
            "",
        )
        return "\r\n".join(lines).encode()

    def is_answered_by(self, response: "Response") -> bool:
        """Return whether a response is one to this request (17.1.3)."""
        via = _BRANCH.search(response.fields.get("via", ""))
        sequence = _SEQUENCE.fullmatch(response.fields.get("cseq", ""))
        return (
            via is not None
            and via[1] == self.branch
            and sequence is not None
            and (int(sequence[1]), sequence[2].upper()) == (1, "OPTIONS")
            and response.fields.get("call-id") == self.call_id
        )


class Response(msgspec.Struct, frozen=True):
    """A response's status, its reason phrase, and its header fields: of each the first, by its whole name."""

    status: int
    phrase: str
    fields: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.status} {self.phrase}".strip()

    @property
    def final(self) -> bool:
        """Whether no other will follow: those from 100 to 199 are provisional."""
        return self.status >= FIRST_FINAL_STATUS


def read_response(data: bytes) -> Response | None:
    """Return the response at the beginning of a datagram or of a head; None for what is none, like a keepalive.

    Raises CheckFailed(protocol) for what begins as a response and is none.
    """
    head = data.lstrip(b"\r\n").partition(END_OF_HEAD)[0]
    if head[:4].upper() != b"SIP/":
        return None
    line, _, rest = head.partition(b"\r\n")
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise CheckFailed(Reason.PROTOCOL, f"not a status line of SIP/2.0: {excerpt(line)}")
    return Response(int(match[1]), _text(match[2] or b""), _fields(rest))


def body_length(head: bytes) -> int:
    """Return how many bytes follow a message's head on a stream. Raises CheckFailed where it does not say (18.3)."""
    text = _fields(head.strip(b"\r\n").partition(b"\r\n")[2]).get("content-length", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise CheckFailed(Reason.PROTOCOL, f"no Content-Length to find the message's end by: {excerpt(text.encode())}")
    length = int(text)
    if length > BODY_LIMIT_BYTES:
        raise CheckFailed(Reason.LIMIT, f"a body of {length} bytes, of which at most {BODY_LIMIT_BYTES} are read")
    return length


def _fields(lines: bytes) -> dict[str, str]:
    """Return the first of each header field, with folded lines in one (7.3.1)."""
    found: dict[str, str] = {}
    raw_fields = _FOLD.sub(b" ", lines).split(b"\r\n", MAX_FIELDS)
    for raw in filter(None, raw_fields[:MAX_FIELDS]):
        match = _FIELD.fullmatch(raw)
        if match is None:
            raise CheckFailed(Reason.PROTOCOL, f"not a header field: {excerpt(raw)}")
        name = match[1].decode().lower()
        found.setdefault(_COMPACT.get(name, name), _text(match[2]))
    return found


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()
