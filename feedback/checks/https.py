"""The `https` check: the `http` check over TLS."""

from typing import ClassVar
from urllib.parse import urlsplit

from feedback.checks.http import HttpCheck
from feedback.checks.secured import TlsCheck
from feedback.net import Target


class HttpsCheck(TlsCheck, HttpCheck, name="https"):
    """Pass when the certificate is good and the answer to an HTTP request has the wanted status, headers and body.

    The certificate must be valid for `sni`; without that for the name in `host`; without either for the address. The
    detail says when it expires. A request or a redirect to another name is asked on a connection of its own, with that
    name's certificate, unless `sni` says which it is to be.

    All else is as the `http` check has it.

    Example:

        - https: {path: /alive, host: www.example.com, body: "I'm alive"}
        - https: {path: /alive, sni: www.example.com, reuse: 20}
    """

    default_port: ClassVar[int] = 443
    over_tls: ClassVar[bool] = True

    def __post_init__(self) -> None:
        HttpCheck.__post_init__(self)
        TlsCheck.__post_init__(self)
        names = [_hostname(request.host) if request.host else None for request in (self, *self.requests)]
        self._name_in_host = names[0]

    def server_name(self, target: Target) -> str:
        """Return the name that the certificate must be valid for."""
        return self.sni or self._name_in_host or target.endpoint.address

    def name_of(self, host: str) -> str:
        """Return the name that the certificate must be valid for, by the Host of a request."""
        return self.sni or _hostname(host)


def _hostname(host: str) -> str:
    """Return a Host's name, without its port. Raises ValueError."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        raise ValueError("host: must be a name, like www.example.com") from None
