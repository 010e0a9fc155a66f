"""What an SMTP server answers: replies of one line or many, and what EHLO announces (RFC 5321, 4.2 and 4.1.1.1). Pure.

Every parser here returns a value or raises CheckFailed, whatever the bytes.
"""

import re
from collections.abc import Mapping

import msgspec

from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason

LINE_LIMIT_BYTES = 2048
"""RFC 5321 allows a reply's line 512 bytes (4.5.3.1.5); some servers' explanations are longer."""

LINES_LIMIT = 100

# The RFC's second digit is 0 to 5; servers answer with codes like 571, too, and only the first digit decides (4.3.2).
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?\r?\n")
_ENHANCED = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3} ")  # RFC 3463; it may stand in each line

DONE, CONTINUE, TEMPORARY, PERMANENT = 2, 3, 4, 5
"""First digits of codes."""

CLOSING = 421
"""What a server may answer to anything before it closes the connection (RFC 5321, 3.8)."""

Capabilities = Mapping[str, tuple[str, ...]]
"""What a server announces, in upper case: keyword -> parameters."""


class Reply(msgspec.Struct, frozen=True):
    """The answer to one command. `complete`: its last line is there."""

    code: int
    lines: tuple[str, ...]
    complete: bool

    @property
    def severity(self) -> int:
        """Return the code's first digit, by which a client goes."""
        return self.code // 100

    @property
    def text(self) -> str:
        """Return what stands beside the code, as one text: the enhanced status code only at its beginning."""
        first, *others = self.lines
        return " ".join(line for line in (first, *(_ENHANCED.sub("", other, count=1) for other in others)) if line)

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


def read_line(reply: Reply | None, line: bytes) -> Reply:
    """Return a reply with one more line, which is its first where there is none yet."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise CheckFailed(Reason.PROTOCOL, f"not a line of an SMTP reply: {excerpt(line.rstrip())}")
    code, text, complete = int(match[1]), (match[3] or b"").decode("utf-8", "replace").strip(), match[2] != b"-"
    if reply is None:
        return Reply(code, (text,), complete)
    if code != reply.code:
        raise CheckFailed(Reason.PROTOCOL, f"one reply has two codes, {reply.code} and {code}")
    if len(reply.lines) == LINES_LIMIT:
        raise CheckFailed(Reason.LIMIT, f"a reply of more than {LINES_LIMIT} lines")
    return Reply(code, (*reply.lines, text), complete)


def capabilities(reply: Reply) -> Capabilities:
    """Return what a reply to EHLO announces."""
    announced: dict[str, tuple[str, ...]] = {}
    for line in reply.lines[1:]:  # the first is the server's name
        keyword, *parameters = line.upper().split() or [""]
        announced[keyword] = (*announced.get(keyword, ()), *parameters)
    return announced


def require(announced: Capabilities, wanted: str) -> None:
    """Raise CheckFailed unless a keyword is announced, with all parameters that are wanted."""
    keyword, *parameters = wanted.upper().split()
    if keyword not in announced or not set(announced[keyword]).issuperset(parameters):
        known = ", ".join(" ".join((word, *values)) for word, values in announced.items()) or "nothing"
        raise CheckFailed(Reason.CONTENT, f"{wanted} is not announced; what is: {known}")
