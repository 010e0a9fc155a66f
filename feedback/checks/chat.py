"""The `chat` check: a dialogue of any length, for every protocol that speaks in turns."""

import contextlib
import re
from dataclasses import dataclass
from typing import Annotated

import msgspec

from feedback.checks.matching import excerpt, matcher, payload
from feedback.checks.tls import TlsCheck
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.net import Net, Stream, Target


@dataclass(kw_only=True)
class Step:
    """One step of a dialogue: exactly one of these."""

    send: Annotated[str | None, "text to send"] = None
    send_hex: Annotated[str | None, "bytes to send, as hexadecimal digits"] = None
    expect: Annotated[str | None, "text to wait for"] = None
    expect_regex: Annotated[str | None, "regular expression to wait for; ^ and $ match at lines"] = None
    expect_hex: Annotated[str | None, "bytes to wait for, as hexadecimal digits"] = None
    starttls: Annotated[bool, "go on in TLS: once the expected line has ended, after expect_hex at once"] = False

    def __post_init__(self) -> None:
        given = [name for name, value in vars(self).items() if value not in {None, False}]
        if len(given) != 1:
            raise ValueError("must be one of send, send_hex, expect, expect_regex, expect_hex, starttls")
        self.kind = given[0]
        self.payload = payload(self.send, self.send_hex)
        self.matcher = matcher(self.expect, self.expect_regex, self.expect_hex)

    def __str__(self) -> str:
        return self.kind if self.starttls else f"{self.kind} {excerpt(str(getattr(self, self.kind)).encode())}"


class ChatCheck(TlsCheck, name="chat"):
    """Pass when every step of a dialogue over TCP succeeds.

    What is expected may stand anywhere in what has come since the last thing that was expected; what stands before it
    is passed over. So `expect_regex: "^250 "` waits for the last line of an SMTP answer.
    """

    steps: Annotated[list[Step], "what to send and what to expect, in turn"]
    tls: Annotated[bool, "speak TLS from the start"] = False
    quit: Annotated[str | None, "text to send at the end, also after a failure, if that is still possible"] = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=16 * 1024 * 1024), "most bytes to read for one step"] = 64 * 1024

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("steps: must have at least one step")
        super().__post_init__()
        self._quit = (self.quit or "").encode()
        self._stages = [f"step {number}, {step}" for number, step in enumerate(self.steps, 1)]

    def speaks_tls(self) -> bool:
        """Return whether TLS is spoken from the start or later."""
        return self.tls or any(step.starttls for step in self.steps)

    async def probe(self, target: Target, net: Net) -> str:
        """Go through the steps."""
        async with net.connect_tcp(target) as stream:
            talk = _Talk(net, stream, self.limit)
            if self.tls:
                await self.secure(stream, target)
            try:
                for step, stage in zip(self.steps, self._stages, strict=True):
                    net.stage(stage)
                    if step.matcher:
                        await talk.expect(step.matcher, stage, in_lines=step.expect_hex is None)
                    elif step.starttls:
                        await talk.end_before_tls(stage)
                        await self.secure(stream, target)
                    else:
                        await stream.write(step.payload)
            finally:
                if self._quit:
                    with contextlib.suppress(CheckFailed, LocalFault):  # what came before is what counts
                        await stream.write(self._quit)
        return talk.detail()


class _Talk:
    """A dialogue under way: what has come and was not yet passed over, and what was seen last."""

    def __init__(self, net: Net, stream: Stream, limit: int) -> None:
        self._net = net
        self._stream = stream
        self._limit = limit
        self._unread = b""
        self._seen = b""
        self._line_open = False

    async def expect(self, pattern: re.Pattern[bytes], stage: str, *, in_lines: bool) -> None:
        while (match := pattern.search(self._unread)) is None:
            if len(self._unread) >= self._limit:
                raise CheckFailed(Reason.LIMIT, f"not in the first {len(self._unread)} bytes")
            received = await self._stream.read_some(self._limit - len(self._unread))
            if not received:
                raise CheckFailed(Reason.CLOSED, "the connection was closed")
            self._unread += received
            self._net.stage(f"{stage}, got {excerpt(self._unread)}")
        self._seen = _line_around(self._unread, match)
        self._unread = self._unread[match.end() :]
        self._line_open = in_lines and not match[0].endswith(b"\n")

    async def end_before_tls(self, stage: str) -> None:
        """Read the rest of the line that was expected: what comes after it was not sent to us alone."""
        if self._line_open:
            await self.expect(_LINE_END, stage, in_lines=True)
        if self._unread:
            raise CheckFailed(Reason.PROTOCOL, f"{excerpt(self._unread)} came before TLS, and could be anybody's")

    def detail(self) -> str:
        """Return what was seen last."""
        return f"saw {excerpt(self._seen)}" if self._seen else "no answer was expected"


_LINE_END = re.compile(b"\n")


def _line_around(data: bytes, match: re.Match[bytes]) -> bytes:
    """Return the line in which a match begins, as far as it has come."""
    start = data.rfind(b"\n", 0, match.start()) + 1
    end = data.find(b"\n", match.start())
    return data[start : len(data) if end < 0 else end].strip()
