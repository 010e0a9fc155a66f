"""The `tcp` check: whether somebody listens."""

from typing import Annotated

from feedback.checks.proxied import ProxiedCheck
from feedback.net import Net, Target


class TcpCheck(ProxiedCheck, name="tcp"):
    """Pass when a TCP connection is accepted. Nothing is sent, but for a PROXY protocol header where one is wanted.

    With `quiet`, the connection is reset before the handshake's last packet: the host's kernel has accepted it, and
    the program that listens never hears of it, so that no log fills with empty connections. Without, the program
    gets a connection that is closed at once. So it does with `proxy_protocol`, after the header.

    Example:

        - tcp
        - tcp: {port: 9000, proxy_protocol: v2}
    """

    quiet: Annotated[bool, "reset the connection before the listening program sees it"] = True

    async def probe(self, target: Target, net: Net) -> str:
        """Connect, and say no more."""
        if self.proxy_protocol is None:
            async with net.connect_tcp(target, brief=self.quiet):
                return "connected"
        async with net.connect_tcp(target) as stream:
            await self.introduce(stream, target)
        return "connected"
