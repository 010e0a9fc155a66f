"""The `sip` check: OPTIONS, which a SIP server answers as it would answer a call, without one."""

import re
import secrets
from typing import Annotated, Literal

from feedback.checks.codecs import sip_message
from feedback.checks.codecs.sip_message import Question, Response
from feedback.checks.matching import printable
from feedback.checks.secured import TlsCheck
from feedback.checks.statuses import Statuses, parse_statuses, show_statuses
from feedback.errors import CheckFailed, Reason
from feedback.model import Endpoint
from feedback.net import Datagrams, Net, Stream, Target

new_token = secrets.token_hex

TOKEN_BYTES = 8
FIRST_WAIT_SECONDS = 0.5  # T1 (17.1.1.1)
WAITS_IN_TIME = 8
"""As many of the shortest waits fit in the check's time: RFC 3261 has 64, with a time of 32 seconds."""
LONGEST_WAIT = 8
"""T2 by T1."""
STRANGE_LIMIT = 32
"""How many messages that are no answer are passed over: late ones, keepalives, and the server's own requests."""
SERVER_SHOWN_BYTES = 80

_URI = re.compile(r"sips?:[!-;=?-~]{1,250}")


class SipCheck(TlsCheck, name="sip"):
    """Pass when a SIP server answers OPTIONS with a status that is expected.

    Over UDP the request is sent again and again, as RFC 3261 has it: after half a second at most, then after twice as
    long each time. Provisional answers like 100 are waited through, and answers to anything else passed over. By
    default the server itself is asked; with a user in `uri`, like sip:info@example.com, a proxy asks on where that user
    is. No call comes of it.

    Examples:

        - sip: {}
        - sip: {transport: tls, port: 5061, sni: sip.example.com, uri: "sip:sip.example.com", status: "200-299"}
    """

    transport: Annotated[Literal["udp", "tcp", "tls"], "what to go by"] = "udp"
    status: Annotated[Statuses, 'statuses that pass: 200, "200-299", or a list of both'] = 200
    uri: Annotated[str | None, "whom to ask, by default the server itself, like sip:192.0.2.10:5060"] = None
    to_uri: Annotated[str | None, "what to write into To, by default the same"] = None
    from_uri: Annotated[str | None, "who asks, by default this host, like sip:feedback@192.0.2.1"] = None

    def __post_init__(self) -> None:
        for option in ("uri", "to_uri", "from_uri"):
            uri = getattr(self, option)
            if uri is not None and not _URI.fullmatch(uri):
                raise ValueError(f"{option}: must be an address like sip:info@example.com")
        self._accepted = parse_statuses("status", self.status)
        super().__post_init__()

    def speaks_tls(self) -> bool:
        """Return whether TLS is spoken."""
        return self.transport == "tls"

    async def probe(self, target: Target, net: Net) -> str:
        """Ask, and judge the answer."""
        if self.transport == "udp":
            async with net.connect_udp(target) as datagrams:
                return self._judge(await self._ask_datagrams(datagrams, target, net))
        async with net.connect_tcp(target) as stream:
            expires = await self.secure(stream, target) if self.speaks_tls() else ""
            detail = self._judge(await self._ask_stream(stream, target))
        return f"{detail}, {expires}" if expires else detail

    def _question(self, target: Target, sender: Endpoint) -> Question:
        """Return a request, with tokens that no other has."""
        uri = self.uri or f"sip:{target.endpoint}"
        return Question(
            transport=self.transport.upper(),
            sender=sender,
            uri=uri,
            to_uri=self.to_uri or uri,
            from_uri=self.from_uri or f"sip:feedback@{sender}",
            branch=sip_message.BRANCH_COOKIE + new_token(TOKEN_BYTES),
            tag=new_token(TOKEN_BYTES),
            call_id=new_token(TOKEN_BYTES),
        )

    async def _ask_datagrams(self, datagrams: Datagrams, target: Target, net: Net) -> Response:
        """Send the request until its final response comes (17.1.2.2)."""
        question = self._question(target, datagrams.local_endpoint())
        hearing = _Hearing(question)
        first = min(FIRST_WAIT_SECONDS, net.time_left() / WAITS_IN_TIME)
        wait = first
        sent = 0
        while net.time_left() > 0:
            await datagrams.send(question.message)
            sent += 1
            again_at = net.now() + min(wait, net.time_left())
            while (data := await datagrams.receive_within(max(0.0, again_at - net.now()))) is not None:
                response = hearing.hear(sip_message.read_response(data))
                if response is not None:
                    return response
            wait = LONGEST_WAIT * first if hearing.proceeding else min(2 * wait, LONGEST_WAIT * first)
        raise CheckFailed(Reason.TIMEOUT, f"no answer from {target.endpoint}, asked {sent} times{hearing.words()}")

    async def _ask_stream(self, stream: Stream, target: Target) -> Response:
        """Send the request once, and read messages until its final response comes."""
        question = self._question(target, stream.local_endpoint())
        hearing = _Hearing(question)
        await stream.write(question.message)
        while True:
            head = await stream.read_until(sip_message.END_OF_HEAD, sip_message.HEAD_LIMIT_BYTES)
            response = None
            if head.strip(b"\r\n"):  # else a keepalive (RFC 5626, 3.5.1)
                response = sip_message.read_response(head)
                await stream.read_exactly(sip_message.body_length(head))
            final = hearing.hear(response)
            if final is not None:
                return final

    def _judge(self, response: Response) -> str:
        if response.status not in self._accepted:
            raise CheckFailed(Reason.STATUS, f"answered {response}, must be {show_statuses(self.status)}")
        server = response.fields.get("server") or response.fields.get("user-agent")
        return f"answered {response}{f' from {printable(server.encode(), SERVER_SHOWN_BYTES)}' if server else ''}"


class _Hearing:
    """What has come in answer to a question: of its own, provisional ones; and strange messages, up to a limit."""

    def __init__(self, question: Question) -> None:
        self.proceeding: Response | None = None
        self._question = question
        self._strange = 0

    def hear(self, response: Response | None) -> Response | None:
        """Return a final response to the question, None for everything else. Raises CheckFailed when that is too much.

        Provisional responses count, too: nothing has to be waited through for ever.
        """
        if response is not None and self._question.is_answered_by(response):
            if response.final:
                return response
            self.proceeding = response
        self._strange += 1
        if self._strange > STRANGE_LIMIT:
            raise CheckFailed(Reason.PROTOCOL, f"no final answer among {self._strange} messages{self.words()}")
        return None

    def words(self) -> str:
        """Return what has come up to now, to be added to what has not."""
        return f", only {self.proceeding}" if self.proceeding else ""
