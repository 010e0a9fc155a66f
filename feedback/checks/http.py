"""The `http` check: requests, and what their answers must be."""

from typing import Annotated, ClassVar, Literal

import msgspec

from feedback.checks.check import Passed
from feedback.checks.codecs.http_message import HEAD_LIMIT_BYTES
from feedback.checks.codecs.http_redirect import Origin
from feedback.checks.http_answer import read_head, split
from feedback.checks.http_dialogue import DRAINED_STATUS, IDEMPOTENT, Dialogue, Manner, Question, drained
from feedback.checks.http_request import HttpRequest
from feedback.checks.proxied import ProxiedCheck
from feedback.model import Endpoint
from feedback.net import Net, Stream, Target

REQUESTS_KEPT = 10_000


class HttpCheck(HttpRequest, ProxiedCheck, name="http"):
    """Pass when the answer to an HTTP request has the wanted status, headers and body.

    Every connection is a new one. The body is read only when something is expected of it, and no further than that
    needs. A connection whose answer is good is reset, so that no side has to remember it. With `reuse: 20`, the next
    20 runs use it again, which saves both sides a handshake; then the body is read to its end, and a new client could
    be turned away without the check seeing it until the next new connection.

    A redirect passes as it is, by its status; `status: 200-299` lets it fail, `location` says where it must lead, and
    `follow` goes there. That is always the server that is checked: a redirect to another name is asked of it with that
    name in the Host header, and one to another port, or from http to https or back, fails.

    `requests` are further requests, with options of their own; `host`, `headers`, `user` and `password` are taken
    from the first one where they are not given. All must pass, and a failure says which did not. They are asked in
    turn on one connection, as long as the server keeps it; what must not be asked twice, like POST, has a new one.

    No encoding is asked for. A server that encodes the body all the same is compared by what it sends.

    `disable_on_404` lets a server drain itself: while it answers 404, the check passes with a weight of 0, which lets
    no new client in and leaves the others alone. `proxy_protocol` is for servers that expect that header: `v1` has the
    two ends of the connection, `v2` says that this is a check (LOCAL); `v1-unknown` and `v2-own` are for servers or
    networks to which this does not suit.

    Example:

        - http: {path: /alive, host: www.example.com, body: "I'm alive"}
        - http: {path: /health, json: {/status: ok, /nodes/0/up: true}, disable_on_404: true}
        - http: {path: /alive, reuse: 20, slow: 200ms}
        - http:
            path: /
            follow: 3
            requests:
              - {path: /logo.png, digest: 96d6f2e7e1f705ab5e59c84a6dc009b2}
              - {path: /search, send: "q=lvs", content_type: application/x-www-form-urlencoded, body: results}
              - {path: /old, location: "/new$"}
    """

    version: Annotated[Literal["1.1", "1.0"], "HTTP version; 1.0 has a connection for each request"] = "1.1"
    requests: Annotated[tuple[HttpRequest, ...], "further requests, which must pass too"] = ()
    keep_alive: Annotated[bool, "ask them on one connection, as long as the server keeps it"] = True
    reuse: Annotated[int, msgspec.Meta(ge=0, le=1_000_000), "how often a connection is used again by later runs"] = 0
    disable_on_404: Annotated[bool, "an answer of 404 passes and drains: the weight is 0"] = False

    default_port: ClassVar[int] = 80
    over_tls: ClassVar[bool] = False

    def __post_init__(self) -> None:
        HttpRequest.__post_init__(self)
        if self.disable_on_404 and DRAINED_STATUS in self.statuses:
            raise ValueError("disable_on_404: 404 is among the statuses that pass")
        self._everything = (self, *(request.after(self) for request in self.requests))
        self._manner = Manner(
            self.version, self.keep_alive and self.version != "1.0", self.disable_on_404, self.name_of
        )
        self._is_dialogue = bool(self.requests or self.follow or self.reuse)
        if self.reuse and not self._manner.keep_alive:
            raise ValueError("reuse: goes with version 1.1 and with keep_alive")
        if self.reuse and self.verb not in IDEMPOTENT:
            raise ValueError(f"reuse: a connection must be new for {self.verb}, which must not be asked twice")
        self._is_introduced = self.over_tls or self.proxy_protocol is not None
        self._expects_more = not self.expected.is_nothing
        self._messages: dict[Endpoint, bytes] = {}

    async def probe(self, target: Target, net: Net) -> str | Passed:
        """Ask, and look at the answer."""
        if self._is_dialogue:
            return await self._converse(target, net)
        endpoint = target.endpoint
        extra = ""
        async with net.connect_tcp(target, brief=True) as stream:
            if self._is_introduced:
                extra = await self._begin(stream, target)
            await stream.write(self._messages.get(endpoint) or self._message_for(endpoint))
            head, data = await read_head(stream, await stream.read_some(HEAD_LIMIT_BYTES))
            if head.status not in self.statuses:
                if self.disable_on_404 and head.status == DRAINED_STATUS:
                    return drained(head.line + extra)
                raise self.wrong_status(head)
            if self._expects_more:
                await self.expected.compare(stream, *split(data, self.body_limit, self.verb))
        return head.line + extra

    def scope(self, target: Target) -> Target:
        """Return what the results depend on: whether a redirect stays on the service, its port says, too."""
        scope = super().scope(target)
        follows = any(request.follow for request in self._everything)
        return msgspec.structs.replace(scope, vip=target.vip) if follows else scope

    async def secure(self, stream: Stream, target: Target, name: str | None = None) -> str:
        """Begin TLS, where `over_tls` says so, and return when the certificate expires."""
        raise NotImplementedError

    def name_of(self, host: str) -> str:
        """Return the name that the server must have a certificate for, by the Host of a request: "" without TLS."""
        del host
        return ""

    async def _begin(self, stream: Stream, target: Target, host: str | None = None) -> str:
        """Say what comes before the first request, and return how to go on with the detail."""
        await self.introduce(stream, target)
        if not self.over_tls:
            return ""
        expires = await self.secure(stream, target, None if host is None else self.name_of(host))
        return f", {expires}" if expires else ""

    async def _converse(self, target: Target, net: Net) -> str | Passed:
        """Ask everything, on as many connections as it takes."""
        dialogue = Dialogue(net, self._questions_for(target), self._manner)
        extra, reuse = "", self.reuse
        while (question := dialogue.next) is not None:
            net.stage(question.words)
            async with net.connect_tcp(target, brief=True, reuse=reuse) as stream:
                extra = await self._begin(stream, target, question.origin.host)
                stream.keep = await dialogue.go_on(stream, reusable=reuse > 0)
            reuse = 0  # a run begins on the connection that another has kept; what else it needs is its own
        return dialogue.outcome(extra)

    def _questions_for(self, target: Target) -> list[Question]:
        ports = frozenset(end.port for end in (target.endpoint, target.vip) if end is not None)
        scheme = "https" if self.over_tls else "http"
        questions = []
        for number, request in enumerate(self._everything, 1):
            host = request.host or host_header(target.endpoint, self.default_port)
            name = f"request {number}, {request.verb} {request.path}" if self.requests else ""
            origin = Origin(scheme, host, request.path, ports)
            questions.append(Question(request, origin, request.verb, name, request.follow))
        return questions

    def _message_for(self, endpoint: Endpoint) -> bytes:
        """Make the request's bytes once for each endpoint, not at each run."""
        if len(self._messages) >= REQUESTS_KEPT:
            self._messages.clear()
        host = self.host or host_header(endpoint, self.default_port)
        message = self._messages[endpoint] = self.message(self.verb, self.path, host, self.version, keep=False)
        return message


def host_header(endpoint: Endpoint, default_port: int) -> str:
    """Return the Host of an endpoint: without the port where it is the usual one (RFC 9110, 7.2)."""
    return str(endpoint) if endpoint.port != default_port else str(endpoint).removesuffix(f":{default_port}")
