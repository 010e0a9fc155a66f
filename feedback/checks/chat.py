"""The `chat` check: a dialogue of any length, for every protocol that speaks in turns."""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Annotated, ClassVar, Literal

import msgspec

from feedback.checks.matching import excerpt, line_around, matcher, payload, printable, regex_bytes
from feedback.checks.proxied import ProxiedCheck
from feedback.checks.secured import TlsCheck
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.net import Net, Stream, Target

Refusal = Literal["auth", "content", "protocol", "status", "tls"]
"""Why a check fails whose peer says no."""

ANSWER_SHOWN_BYTES = 200
KINDS = ("send", "send_hex", "expect", "expect_regex", "expect_hex", "starttls")

_GROUP = re.compile(r"\{(\w+)\}")


@dataclass(kw_only=True)
class Step:
    """One step of a dialogue: something to send or to expect, or TLS."""

    send: Annotated[str | None, "text to send"] = None
    send_hex: Annotated[str | None, "bytes to send, as hexadecimal digits"] = None
    expect: Annotated[str | None, "text to wait for"] = None
    expect_regex: Annotated[str | None, "regular expression to wait for; ^ and $ match at lines"] = None
    expect_hex: Annotated[str | None, "bytes to wait for, as hexadecimal digits"] = None
    starttls: Annotated[bool, "go on in TLS: once the expected line has ended, after expect_hex at once"] = False
    fail: Annotated[str | None, "text that fails the check at once, where it comes before what is expected"] = None
    fail_regex: Annotated[
        str | dict[Refusal, str] | None, "the same as a regular expression, or as one for each reason: {auth: ^-ERR}"
    ] = None
    stage: Annotated[str | None, "what the step is called in the detail of a failure"] = None
    detail: Annotated[
        str | None, "what the check says when it passes; {name} is what the group (?P<name>...) of expect_regex matched"
    ] = None

    def __post_init__(self) -> None:
        given = [name for name in KINDS if getattr(self, name) not in {None, False}]
        if len(given) != 1:
            raise ValueError(f"must be one of {', '.join(KINDS)}")
        self.kind = given[0]
        if not getattr(self, self.kind):
            raise ValueError(f"{self.kind}: must not be empty")
        self.payload = payload(self.send, self.send_hex)
        pattern = matcher(self.expect, self.expect_regex, self.expect_hex)
        refusals = self._refusals()
        if pattern is None and (refusals or self.detail is not None):
            raise ValueError("fail, fail_regex and detail go with expect, expect_regex or expect_hex")
        unknown = set(_GROUP.findall(self.detail or "")) - set(pattern.groupindex if pattern else ())
        if unknown:
            raise ValueError(f"detail: expect_regex has no group called {min(unknown)}")
        in_lines = self.expect_hex is None
        self.expected = None if pattern is None else Expected(pattern, refusals, self.detail, in_lines)

    def _refusals(self) -> list[tuple[Reason, re.Pattern[bytes]]]:
        patterns = {"status": self.fail_regex} if isinstance(self.fail_regex, str) else self.fail_regex or {}
        refusals = [(Reason(reason), regex_bytes("fail_regex", pattern)) for reason, pattern in patterns.items()]
        return refusals + ([(Reason.STATUS, regex_bytes("fail", re.escape(self.fail)))] if self.fail else [])

    def __str__(self) -> str:
        return self.kind if self.starttls else f"{self.kind} {excerpt(str(getattr(self, self.kind)).encode())}"


class Expected:
    """What a step waits for, by which words the peer refuses it, and what to say when it has come."""

    def __init__(
        self,
        pattern: re.Pattern[bytes],
        refusals: Sequence[tuple[Reason, re.Pattern[bytes]]] = (),
        detail: str | None = None,
        in_lines: bool = True,
    ) -> None:
        self.in_lines = in_lines
        self._pattern = pattern
        self._refusals = refusals
        self._detail = detail

    def find(self, data: bytes) -> re.Match[bytes] | None:
        """Return where it is, None as long as it has not come. Raises CheckFailed where a refusal comes before it."""
        match = self._pattern.search(data)
        refusals = [(found.start(), reason) for reason, pattern in self._refusals if (found := pattern.search(data))]
        if refusals:
            start, reason = min(refusals, key=itemgetter(0))
            if match is None or start < match.start():
                answer = excerpt(line_around(data, start), ANSWER_SHOWN_BYTES)
                raise CheckFailed(reason, f"answered {answer}")
        return match

    def describe(self, match: re.Match[bytes]) -> str | None:
        """Return the detail with what was matched, None without one."""
        if self._detail is None:
            return None
        return _GROUP.sub(lambda name: printable(match[name[1]] or b"", ANSWER_SHOWN_BYTES), self._detail)


class Dialogue(ProxiedCheck, TlsCheck):
    """Base of the checks that go through steps."""

    brief: ClassVar[bool] = False
    """Whether the check speaks first, and the connection may be reset at the end."""

    def prepare(self, steps: Sequence[Step], *, tls: bool, farewell: str | None, limit: int) -> None:
        """Take what there is to say. `tls`: from the start; `farewell`: sent at the end, if that is still possible."""
        self._steps = [(step, step.stage or f"step {number}, {step}") for number, step in enumerate(steps, 1)]
        self._tls = tls
        self._farewell = (farewell or "").encode()
        self._limit = limit

    def speaks_tls(self) -> bool:
        """Return whether TLS is spoken from the start or later."""
        return self._tls or any(step.starttls for step, _ in self._steps)

    async def probe(self, target: Target, net: Net) -> str:
        """Go through the steps."""
        expires = ""
        async with net.connect_tcp(target, brief=self.brief) as stream:
            talk = _Talk(net, stream, self._limit)
            await self.introduce(stream, target)
            if self._tls:
                expires = await self.secure(stream, target)
            try:
                for step, stage in self._steps:
                    net.stage(stage)
                    if step.expected:
                        await talk.expect(step.expected, stage)
                    elif step.starttls:
                        await talk.end_before_tls(stage)
                        expires = await self.secure(stream, target)
                    else:
                        await stream.write(step.payload)
            finally:
                if self._farewell:
                    with contextlib.suppress(CheckFailed, LocalFault):  # what came before is what counts
                        await stream.write(self._farewell)
        return self.summary(talk.detail(), expires)

    def summary(self, seen: str, expires: str) -> str:
        """Return the detail of a pass, of what was seen and of when the certificate expires."""
        return f"{seen}, {expires}" if expires else seen


class ChatCheck(Dialogue, name="chat"):
    r"""Pass when every step of a dialogue over TCP succeeds.

    What is expected may stand anywhere in what has come since the last thing that was expected; what stands before it
    is passed over. So `expect_regex: "^250 "` waits for the last line of an SMTP answer. A peer that says something
    else is waited for until the deadline; `fail` or `fail_regex` beside what is expected says by which words it
    refuses, and the check fails at once, with the line they stand in.

    Example:

        - chat:
            port: 25
            steps:
              - {stage: greeting, expect_regex: "^220 ", fail_regex: "^[45].*\n"}
              - {send: "EHLO monitor.example.com\r\n"}
              - {stage: EHLO, expect_regex: "^250 ", fail_regex: "^[45].*\n"}
            quit: "QUIT\r\n"
    """

    steps: Annotated[list[Step], "what to send and what to expect, in turn"]
    tls: Annotated[bool, "speak TLS from the start"] = False
    quit: Annotated[str | None, "text to send at the end, also after a failure, if that is still possible"] = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=16 * 1024 * 1024), "most bytes to read for one step"] = 64 * 1024

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("steps: must have at least one step")
        self.prepare(self.steps, tls=self.tls, farewell=self.quit, limit=self.limit)
        super().__post_init__()


class _Talk:
    """A dialogue under way: what has come and was not yet passed over, what was seen last, and what to say of it."""

    def __init__(self, net: Net, stream: Stream, limit: int) -> None:
        self._net = net
        self._stream = stream
        self._limit = limit
        self._unread = b""
        self._seen = b""
        self._detail: str | None = None
        self._line_open = False

    async def expect(self, expected: Expected, stage: str) -> None:
        while (match := expected.find(self._unread)) is None:
            if self._unread:
                self._net.stage(f"{stage}, got {excerpt(self._unread)}")
            if len(self._unread) >= self._limit:
                raise CheckFailed(Reason.LIMIT, f"not in the first {len(self._unread)} bytes")
            received = await self._stream.read_some(self._limit - len(self._unread))
            if not received:
                raise CheckFailed(Reason.CLOSED, "the connection was closed")
            self._net.stage(stage)
            self._unread += received
        self._seen = line_around(self._unread, match.start())
        self._detail = expected.describe(match) or self._detail
        self._unread = self._unread[match.end() :]
        self._line_open = expected.in_lines and not match[0].endswith(b"\n")

    async def end_before_tls(self, stage: str) -> None:
        """Read the rest of the line that was expected: what comes after it was not sent to us alone."""
        if self._line_open:
            await self.expect(_LINE_END, stage)
        if self._unread:
            raise CheckFailed(Reason.PROTOCOL, f"{excerpt(self._unread)} came before TLS, and could be anybody's")

    def detail(self) -> str:
        """Return what a step says, or else what was seen last."""
        return self._detail or (f"saw {excerpt(self._seen)}" if self._seen else "no answer was expected")


_LINE_END = Expected(re.compile(b"\n"))
