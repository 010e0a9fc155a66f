"""How protocols go over to TLS in the middle: what is said until then, and the goodbye."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from feedback.checks.chat import Step

Protocol = Literal["ftp", "imap", "nntp", "pop3", "postgresql", "smtp"]


class Way(msgspec.Struct, frozen=True):
    """The steps up to the handshake and with it, and what to say at the end."""

    steps: tuple[Step, ...]
    farewell: str


def _lines(*turns: tuple[str, str], refusal: str, farewell: str) -> Way:
    """Return the way of a protocol of lines: what is said, "" before the greeting, and how the answer begins."""
    steps = []
    for said, expected in turns:
        if said:
            steps.append(Step(stage=said, send=f"{said}\r\n"))
        steps.append(Step(stage=said or "greeting", expect_regex=f"{expected}.*\n", fail_regex={"tls": refusal}))
    return Way((*steps, _TLS), farewell)


_TLS = Step(stage="TLS", starttls=True)
_NO = "^[45].*\n"

WAYS: Mapping[Protocol, Way] = {
    "ftp": _lines(("", "^220 "), ("AUTH TLS", "^234 "), refusal=_NO, farewell="QUIT\r\n"),  # RFC 4217
    "imap": _lines(
        ("", r"^\* OK"), ("a STARTTLS", "^a OK"), refusal=r"^(\* BYE|a NO|a BAD).*\n", farewell="b LOGOUT\r\n"
    ),  # RFC 3501
    "nntp": _lines(("", "^20[01] "), ("STARTTLS", "^382 "), refusal=_NO, farewell="QUIT\r\n"),  # RFC 4642
    "pop3": _lines(("", r"^\+OK"), ("STLS", r"^\+OK"), refusal="^-ERR.*\n", farewell="QUIT\r\n"),  # RFC 2595
    "postgresql": Way(  # its frontend/backend protocol: SSLRequest, and Terminate at the end
        (
            Step(stage="SSLRequest", send_hex="00000008 04d2162f"),
            Step(stage="SSLRequest", expect_hex="53", fail_regex={"tls": "^N"}),
            _TLS,
        ),
        "X\0\0\0\x04",
    ),
    "smtp": _lines(
        ("", "^220 "), ("EHLO feedback", "^250 "), ("STARTTLS", "^220 "), refusal=_NO, farewell="QUIT\r\n"
    ),  # RFC 3207
}
