"""The `smtp` check: a mail server's greeting, its TLS, a login, and whether it would take mail. None is sent."""

import base64
import contextlib
import re
import socket
from dataclasses import field
from typing import Annotated, ClassVar, Literal

from feedback.checks.check import Passed
from feedback.checks.codecs import smtp_reply
from feedback.checks.codecs.smtp_reply import Capabilities, Reply
from feedback.checks.credentials import Password
from feedback.checks.matching import regex
from feedback.checks.secured import TlsCheck
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.net import Net, Stream, Target
from feedback.options import Ratio

_NAME = re.compile(r"[!-~]{1,255}")
_ADDRESS = re.compile(r"[!-;=?-~]{1,254}")  # no space and no angle bracket; RFC 5321, 4.5.3.1.3
_FULL_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


class SmtpCheck(TlsCheck, name="smtp"):
    """Pass when a mail server greets, answers EHLO, and takes every further step that the options ask for.

    With `rcpt_to`, the server is asked whether it accepts mail for these recipients here and now. No mail is sent: the
    check says QUIT instead of DATA. A server that does not know EHLO is asked by HELO. Any code from 200 to 299 is
    a yes; one from 400 to 499 means "not now", and `temporary` says what comes of that: a failure, no new connections
    (`drain`), or fewer (`degrade`). A recipient that is refused for good counts more than one that is refused for now.

    With `starttls`, the server must offer TLS, and everything but the greeting and the first EHLO goes through it.
    A password is sent by AUTH PLAIN or LOGIN, and only in TLS unless `login_without_tls` allows the other.
    `expect_capabilities` is compared with what the server announces last, which is in TLS where TLS is spoken.

    Examples:

        - smtp: {}
        - smtp: {mail_from: probe@example.com, rcpt_to: [postmaster@example.com], temporary: drain}
        - smtp: {port: 587, starttls: true, sni: mail.example.com, expect_capabilities: [SIZE, AUTH PLAIN]}
    """

    helo: Annotated[str | None, "name to say in EHLO, by default this host's full name, or its address in brackets"] = (
        None
    )
    expect_banner: Annotated[str | None, "regular expression that must be found in the greeting"] = None
    expect_capabilities: Annotated[
        list[str], "what EHLO must announce: keywords, with parameters or without, like AUTH PLAIN"
    ] = field(default_factory=list)
    starttls: Annotated[bool, "go on in TLS by STARTTLS, which the server must offer"] = False
    user: Annotated[str | None, "user to log in as"] = None
    password: Annotated[Password | None, "that user's password"] = None
    login_without_tls: Annotated[bool, "send the password also without TLS, for everyone on the way to read"] = False
    mail_from: Annotated[str | None, "sender to ask with; by default, where there is rcpt_to, the empty one"] = None
    rcpt_to: Annotated[list[str], "recipients that must be accepted"] = field(default_factory=list)
    temporary: Annotated[
        Literal["fail", "drain", "degrade"], "what an answer from 400 to 499 means: failure, weight 0, or less weight"
    ] = "fail"
    degraded_ratio: Annotated[Ratio, "share of its weight that a destination keeps by temporary: degrade"] = 0.5

    hellos: ClassVar[tuple[str, ...]] = ("EHLO", "HELO")
    """What the check introduces itself by; each word stands in for the one before, where that is refused."""

    def __post_init__(self) -> None:
        if self.helo is not None and not _NAME.fullmatch(self.helo):
            raise ValueError("helo: must be a name, like lvs1.example.com")
        for option, addresses in (("mail_from", [self.mail_from] if self.mail_from else []), ("rcpt_to", self.rcpt_to)):
            if not all(map(_ADDRESS.fullmatch, addresses)):
                raise ValueError(f"{option}: must be an address, like postmaster@example.com")
        if not all(map(str.split, self.expect_capabilities)):
            raise ValueError("expect_capabilities: must be keywords, like SIZE or AUTH PLAIN")
        if (self.user is None) != (self.password is None):
            raise ValueError("must have both user and password, or neither")
        if self.user is not None and not (self.speaks_tls() or self.login_without_tls):
            raise ValueError("password: would be sent without TLS: set starttls, or else login_without_tls")
        self._banner = None if self.expect_banner is None else regex("expect_banner", self.expect_banner)
        super().__post_init__()

    def speaks_tls(self) -> bool:
        """Return whether TLS is spoken from the start or later."""
        return self.over_tls or self.starttls

    async def probe(self, target: Target, net: Net) -> str | Passed:
        """Go as far as the options say, and say goodbye."""
        async with net.connect_tcp(target) as stream:
            talk = _Talk(net, stream, lenient=self.temporary != "fail")
            try:
                return ", ".join(filter(None, await self._go_through(talk, stream, target)))
            except _NotNowError as error:
                ratio = 0.0 if self.temporary == "drain" else self.degraded_ratio
                return Passed(f"not now ({self.temporary}), {error}", ratio)
            finally:
                await talk.quit()

    async def _go_through(self, talk: "_Talk", stream: Stream, target: Target) -> list[str]:
        """Take every step, and return what is worth telling of them."""
        expires = await self.secure(stream, target) if self.over_tls else ""
        greeting = await self._greeting(talk)
        name = self.helo or own_name(stream.local_endpoint().address)
        announced = await self._introduce(talk, name)
        if self.starttls:
            smtp_reply.require(announced, "STARTTLS")
            talk.accept(await talk.ask("STARTTLS"), refusal=Reason.TLS)
            talk.enter("TLS")
            expires = await self.secure(stream, target)
            announced = await self._introduce(talk, name)  # what was said before TLS could be anybody's (RFC 3207, 4.2)
        for wanted in self.expect_capabilities:
            smtp_reply.require(announced, wanted)
        login = await self._log_in(talk, announced)
        return [greeting, expires, login, await self._offer_mail(talk)]

    async def _greeting(self, talk: "_Talk") -> str:
        talk.enter("greeting")
        greeting = talk.accept(await talk.hear())
        if self._banner is not None and not self._banner.search(greeting.text):
            raise CheckFailed(Reason.CONTENT, f"{greeting}, must match {self._banner.pattern}")
        return str(greeting)

    async def _introduce(self, talk: "_Talk", name: str) -> Capabilities:
        """Say who we are, and return what the server says it can."""
        for hello in self.hellos:
            reply = await talk.ask(f"{hello} {name}")
            if reply.severity != smtp_reply.PERMANENT:
                break
        return smtp_reply.capabilities(talk.accept(reply))

    async def _log_in(self, talk: "_Talk", announced: Capabilities) -> str:
        """Log in by the first mechanism that the server knows, too (RFC 4954)."""
        if self.user is None or self.password is None:
            return ""
        password = self.password.reveal()
        answers = {"PLAIN": [f"\0{self.user}\0{password}"], "LOGIN": [self.user, password]}
        mechanism = next((known for known in answers if known in announced.get("AUTH", ())), "PLAIN")
        smtp_reply.require(announced, f"AUTH {mechanism}")
        command = f"AUTH {mechanism}"
        reply = await talk.ask(command)
        for answer in answers[mechanism]:
            if reply.severity != smtp_reply.CONTINUE:
                break
            reply = await talk.ask(base64.b64encode(answer.encode()).decode(), stage=command)
        talk.accept(reply, refusal=Reason.AUTH)
        return f"logged in by {command}"

    async def _offer_mail(self, talk: "_Talk") -> str:
        """Ask whether mail would be accepted. A refusal for good counts more than one for now, so all are asked."""
        if self.mail_from is None and not self.rcpt_to:
            return ""
        talk.accept(await talk.ask(f"MAIL FROM:<{self.mail_from or ''}>"))
        not_now: _NotNowError | None = None
        for recipient in self.rcpt_to:
            try:
                talk.accept(await talk.ask(f"RCPT TO:<{recipient}>"))
            except _NotNowError as error:
                not_now = not_now or error
                if not talk.goes_on:
                    break
        if not_now is not None:
            raise not_now
        return (
            f"accepts mail for {', '.join(self.rcpt_to)}" if self.rcpt_to else f"accepts mail from <{self.mail_from}>"
        )


class _NotNowError(Exception):
    """The server would rather do it later: the stage, and what it said."""


class _Talk:
    """A dialogue under way: one command, one reply."""

    def __init__(self, net: Net, stream: Stream, *, lenient: bool) -> None:
        self.goes_on = False
        """Whether the server has answered, and waits for a command."""
        self._net = net
        self._stream = stream
        self._lenient = lenient
        self._stage = ""

    def enter(self, stage: str) -> None:
        """Begin something that the server has to answer."""
        self.goes_on = False
        self._stage = stage
        self._net.stage(stage)

    async def ask(self, command: str, stage: str = "") -> Reply:
        """Return the reply to a command, which is the stage's name, too, unless it has to stay unsaid."""
        self.enter(stage or command)
        await self._stream.write(f"{command}\r\n".encode())
        return await self.hear()

    async def hear(self) -> Reply:
        """Return the next reply."""
        reply = None
        while reply is None or not reply.complete:
            reply = smtp_reply.read_line(reply, await self._stream.read_until(b"\n", smtp_reply.LINE_LIMIT_BYTES))
        self.goes_on = reply.code != smtp_reply.CLOSING
        return reply

    def accept(self, reply: Reply, refusal: Reason = Reason.STATUS) -> Reply:
        """Return a reply that is a yes. Raises what it is otherwise: a refusal is one for good."""
        if reply.severity == smtp_reply.DONE:
            return reply
        if reply.severity == smtp_reply.TEMPORARY and self._lenient:
            raise _NotNowError(f"{self._stage}: {reply}")
        reason = refusal if reply.severity == smtp_reply.PERMANENT else Reason.STATUS
        raise CheckFailed(reason, f"{reply}, must be 2yz")

    async def quit(self) -> None:
        """Say goodbye to a server that listens. What came before is what counts."""
        if self.goes_on:
            with contextlib.suppress(CheckFailed, LocalFault):
                await self._stream.write(b"QUIT\r\n")


def own_name(address: str) -> str:
    """Return this host's full name, or an address of its where it has none (RFC 5321, 4.1.1.1)."""
    name = socket.gethostname()
    if _FULL_NAME.fullmatch(name):
        return name
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
