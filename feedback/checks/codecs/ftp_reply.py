"""What an FTP server answers: replies of one line or many, its features, and where data go (RFC 959, 4.2). Pure.

Every parser here returns a value or raises CheckFailed, whatever the bytes.
"""

import re

import msgspec

from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason
from feedback.model import Endpoint

LINE_LIMIT_BYTES = 4096
LINES_LIMIT = 500
"""A greeting may have a page of house rules."""

SHOWN_LENGTH = 120

_LINE = re.compile(rb"([1-5][0-9]{2})(?:([ -])([^\n]*?))?\r?\n")
_DATA_ADDRESS = re.compile(r"(?<![0-9])" + ",".join([r"([0-9]{1,3})"] * 6) + r"(?![0-9])")
_DATA_PORT = re.compile(r"\(([!-/:-~])\1\1([0-9]{1,5})\1\)")
_ORNAMENTS = " -=*#"
_BETWEEN_WORDS = re.compile(r"[ ;,*]+")

PRELIMINARY, DONE, PERMANENT = 1, 2, 5
"""First digits of codes."""

NEED_PASSWORD = 331

CLOSING = 421
"""What a server may answer to anything before it closes the connection (RFC 959, 5.4)."""


class Reply(msgspec.Struct, frozen=True):
    """One answer to a command. `complete`: its last line is there."""

    code: int
    lines: tuple[str, ...]
    complete: bool

    @property
    def severity(self) -> int:
        """Return the code's first digit, by which a client goes."""
        return self.code // 100

    @property
    def text(self) -> str:
        """Return what stands beside the code, as one text."""
        return " ".join(filter(None, self.lines))

    @property
    def headline(self) -> str:
        """Return the code and the first line that says something: what stays the same from one greeting to the next."""
        lines = (line.strip(_ORNAMENTS) for line in self.lines)
        return _shortened(f"{self.code} {next(filter(None, lines), '')}")

    def __str__(self) -> str:
        return _shortened(f"{self.code} {self.text}")


def _shortened(text: str) -> str:
    return text.rstrip() if len(text) <= SHOWN_LENGTH else f"{text[: SHOWN_LENGTH - 1]}…"


def read_line(reply: Reply | None, line: bytes) -> Reply:
    """Return a reply with one more line, which is its first where there is none yet.

    Between the first line of many and the last, which has the same code and no hyphen, anything may stand, even what
    looks like another reply.
    """
    match = _LINE.fullmatch(line)
    if reply is None:
        if match is None:
            raise CheckFailed(Reason.PROTOCOL, f"not a line of an FTP reply: {excerpt(line.rstrip())}")
        return Reply(int(match[1]), (_text(match[3]),), match[2] != b"-")
    if len(reply.lines) == LINES_LIMIT:
        raise CheckFailed(Reason.LIMIT, f"a reply of more than {LINES_LIMIT} lines")
    if match is None or int(match[1]) != reply.code:
        return Reply(reply.code, (*reply.lines, _text(line)), complete=False)
    return Reply(reply.code, (*reply.lines, _text(match[3])), match[2] != b"-")


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace").strip()


def require_feature(reply: Reply, wanted: str) -> None:
    """Raise CheckFailed unless a reply to FEAT has a line with all the words that are wanted (RFC 2389)."""
    announced = [line for line in reply.lines[1:-1] if line]
    keyword, *parameters = _words(wanted)
    for first, *others in map(_words, announced):
        if first == keyword and set(parameters).issubset(others):
            return
    raise CheckFailed(Reason.CONTENT, f"{wanted} is not announced; what is: {', '.join(announced) or 'nothing'}")


def _words(feature: str) -> list[str]:
    return _BETWEEN_WORDS.split(feature.strip().upper())


def read_passive(reply: Reply) -> Endpoint:
    """Return where a reply to PASV says that the server waits: what is around the numbers may be anything.

    RFC 1123, 4.1.2.6.
    """
    match = _DATA_ADDRESS.search(reply.text) if reply.code == 227 else None
    numbers = [int(number) for number in match.groups()] if match else []
    port = numbers[4] * 256 + numbers[5] if numbers else 0
    if port == 0 or max(numbers) > 255:
        raise CheckFailed(Reason.PROTOCOL, f"not an address and a port: {reply}")
    return Endpoint(".".join(map(str, numbers[:4])), port)


def read_extended_passive(reply: Reply) -> int:
    """Return the port at which a reply to EPSV says that the server waits (RFC 2428, 3)."""
    match = _DATA_PORT.search(reply.text) if reply.code == 229 else None
    port = int(match[2]) if match else 0
    if not 1 <= port <= 65535:
        raise CheckFailed(Reason.PROTOCOL, f"not a port: {reply}")
    return port
