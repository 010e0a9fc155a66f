"""The `grpc` check: gRPC's health protocol, over HTTP/2."""

import re
from typing import Annotated, ClassVar, Literal

from feedback.checks import http2
from feedback.checks.codecs import grpc_health
from feedback.checks.http2 import Answer
from feedback.checks.matching import excerpt
from feedback.checks.proxied import ProxiedCheck
from feedback.errors import CheckFailed, Reason
from feedback.net import Net, Stream, Target

HTTP_OK = "200"

_AUTHORITY = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


class GrpcCheck(ProxiedCheck, name="grpc"):
    """Pass when a gRPC server says by the health protocol that it is serving.

    The server must have the service `grpc.health.v1.Health`, as gRPC's libraries bring it. With `service` it is asked
    for one of its services, without for itself as a whole. HTTP/2 is spoken at once and in the clear, with no upgrade
    from HTTP/1.1. A server that stops often says NOT_SERVING first: with `on_failure: quiesce`, its clients may finish.

    Example:

        - grpc
        - grpc: {service: shop.v1.Orders, authority: orders.example.com}
    """

    service: Annotated[str, "full name of the service to ask for, by default the whole server"] = ""
    authority: Annotated[str | None, "name to ask, as clients do, by default the address and the port"] = None
    status: Annotated[
        Literal["SERVING", "NOT_SERVING", "UNKNOWN", "SERVICE_UNKNOWN"], "what the server must say of it"
    ] = "SERVING"

    scheme: ClassVar[str] = "http"

    def __post_init__(self) -> None:
        if self.authority is not None and not _AUTHORITY.fullmatch(self.authority):
            raise ValueError("authority: must be a name, like orders.example.com")
        if not self.service.isprintable() or len(self.service) > 1000:
            raise ValueError("service: must be a service's full name, like shop.v1.Orders")
        self._request = grpc_health.request(self.service)

    async def probe(self, target: Target, net: Net) -> str:
        """Ask, and look at the answer."""
        async with net.connect_tcp(target, brief=True) as stream:
            await self.introduce(stream, target)
            expires = await self.begin(stream, target)
            answer = await http2.ask(stream, self._fields(target), self._request)
        state = self._state(answer)
        if state != self.status:
            raise CheckFailed(Reason.STATUS, f"{self._named} is {state}, must be {self.status}")
        return f"{self._named} is {state}, {expires}" if expires else f"{self._named} is {state}"

    async def begin(self, stream: Stream, target: Target) -> str:
        """Begin TLS, where it is spoken, and return when the certificate expires."""
        del stream, target
        return ""

    @property
    def _named(self) -> str:
        return self.service or "server"

    def _fields(self, target: Target) -> http2.Fields:
        return [
            (":method", "POST"),
            (":scheme", self.scheme),
            (":path", grpc_health.PATH),
            (":authority", self.authority or str(target.endpoint)),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "feedback"),
        ]

    def _state(self, answer: Answer) -> str:
        """Return the state in an answer. Raises CheckFailed where it has none."""
        if answer.fields.get(":status") != HTTP_OK:
            raise CheckFailed(Reason.STATUS, f"HTTP status {answer.fields.get(':status')}, must be {HTTP_OK}")
        kind = answer.fields.get("content-type", "")
        if not kind.startswith("application/grpc"):
            raise CheckFailed(Reason.PROTOCOL, f"content type {excerpt(kind.encode())}, must be application/grpc")
        ending = answer.trailers or answer.fields  # an answer that is nothing but a status has one block of fields
        code = ending.get("grpc-status", "")
        if not re.fullmatch(r"[0-9]{1,9}", code):
            raise CheckFailed(Reason.PROTOCOL, f"an answer without a gRPC status, but with {excerpt(code.encode())}")
        if int(code) != grpc_health.OK:
            raise self._refusal(int(code), ending.get("grpc-message", ""))
        return grpc_health.read_response(answer.body)

    def _refusal(self, code: int, encoded: str) -> CheckFailed:
        said = f"gRPC status {grpc_health.code_name(code)}"
        if encoded:
            said += f", {grpc_health.read_message(encoded)}"
        if code in {grpc_health.PERMISSION_DENIED, grpc_health.UNAUTHENTICATED}:
            return CheckFailed(Reason.AUTH, said)
        if code == grpc_health.UNIMPLEMENTED:
            return CheckFailed(Reason.STATUS, f"{said}: the server does not have {grpc_health.PATH}")
        if code == grpc_health.NOT_FOUND:
            return CheckFailed(Reason.STATUS, f"{said}: {self._named} is not known to the server")
        return CheckFailed(Reason.STATUS, said)
