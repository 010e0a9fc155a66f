"""The `grpcs` check: the `grpc` check over TLS."""

from typing import ClassVar
from urllib.parse import urlsplit

from feedback.checks.grpc import GrpcCheck
from feedback.checks.secured import TlsCheck
from feedback.errors import CheckFailed, Reason
from feedback.net import Stream, Target

ALPN = "h2"


class GrpcsCheck(TlsCheck, GrpcCheck, name="grpcs"):
    """Pass when the certificate is good and a gRPC server says by the health protocol that it is serving.

    The certificate must be valid for `sni`; without that for the name in `authority`; without either for the address.
    The server must choose HTTP/2 by ALPN. The detail says when the certificate expires.

    All else is as the `grpc` check has it.

    Example:

        - grpcs: {service: shop.v1.Orders, authority: orders.example.com}
    """

    scheme: ClassVar[str] = "https"
    over_tls: ClassVar[bool] = True

    def __post_init__(self) -> None:
        GrpcCheck.__post_init__(self)
        TlsCheck.__post_init__(self)

    def offers(self) -> tuple[str, ...]:
        """Return the protocol to offer by ALPN."""
        return (ALPN,)

    def server_name(self, target: Target) -> str:
        """Return the name that the certificate must be valid for."""
        return self.sni or urlsplit(f"//{self.authority or ''}").hostname or target.endpoint.address

    async def begin(self, stream: Stream, target: Target) -> str:
        """Shake hands, and return when the certificate expires."""
        expires = await self.secure(stream, target)
        agreed = stream.negotiated()
        if agreed is None or agreed.alpn != ALPN:
            raise CheckFailed(Reason.TLS, "the server has not chosen h2 by ALPN, as gRPC must")
        return expires
