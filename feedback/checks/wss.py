"""The `wss` check: the `websocket` check over TLS."""

from typing import ClassVar
from urllib.parse import urlsplit

from feedback.checks.secured import TlsCheck
from feedback.checks.websocket import WebsocketCheck
from feedback.net import Stream, Target


class WssCheck(TlsCheck, WebsocketCheck, name="wss"):
    """Pass when the certificate is good, and a server in TLS accepts a WebSocket and answers on it.

    The certificate must be valid for `sni`; without that for the name in `host`; without either for the address. The
    detail says when it expires.

    All else is as the `websocket` check has it.

    Example:

        - wss: {path: /chat, host: www.example.com, origin: "https://www.example.com"}
    """

    default_port: ClassVar[int] = 443
    over_tls: ClassVar[bool] = True

    def __post_init__(self) -> None:
        WebsocketCheck.__post_init__(self)
        TlsCheck.__post_init__(self)

    def server_name(self, target: Target) -> str:
        """Return the name that the certificate must be valid for."""
        return self.sni or urlsplit(f"//{self.host or ''}").hostname or target.endpoint.address

    async def begin(self, stream: Stream, target: Target) -> str:
        """Shake hands, and return when the certificate expires."""
        return await self.secure(stream, target)
