"""The `https` check: the `http` check over TLS."""

from typing import ClassVar
from urllib.parse import urlsplit

from feedback.checks.http import HttpCheck
from feedback.checks.tls import TlsCheck
from feedback.net import Target


class HttpsCheck(TlsCheck, HttpCheck, name="https"):
    """Pass when the certificate is good and the answer to one HTTP/1.1 request is as wanted.

    The certificate must be valid for `sni`; without that for the name in `host`; without either for the address. The
    detail says when it expires.
    """

    default_port: ClassVar[int] = 443
    over_tls: ClassVar[bool] = True

    def __post_init__(self) -> None:
        HttpCheck.__post_init__(self)
        TlsCheck.__post_init__(self)
        self._name_in_host = urlsplit(f"//{self.host}").hostname if self.host else None

    def server_name(self, target: Target) -> str:
        """Return the name that the certificate must be valid for."""
        return self.sni or self._name_in_host or target.endpoint.address
