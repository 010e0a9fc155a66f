"""The `https` check: the `http` check over TLS."""

from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from feedback.checks import tls
from feedback.checks.http import HttpCheck
from feedback.model import Endpoint
from feedback.net import Stream


class HttpsCheck(HttpCheck, name="https"):
    """Pass when the certificate is good and the answer to one HTTP/1.1 request is as wanted.

    The certificate must be valid for `sni`; without that for the name in `host`; without either for the address. The
    detail says when it expires.
    """

    verify: Annotated[bool, "refuse a certificate that is not valid"] = True
    sni: Annotated[str | None, "server name to ask for and to verify, by default the name in `host`"] = None
    ca_file: Annotated[str | None, "PEM file of the authorities to trust, by default the system's"] = None

    default_port: ClassVar[int] = 443
    over_tls: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._context = tls.context("ca_file", verify=self.verify, ca_file=self.ca_file)
        self._server_name = self.sni or (self.host and urlsplit(f"//{self.host}").hostname)

    async def secure(self, stream: Stream, endpoint: Endpoint) -> str:
        """Shake hands, and return when the certificate expires."""
        await stream.start_tls(self._context, self._server_name or endpoint.address)
        expires = tls.expiry(stream)
        return f", {expires}" if expires else ""
