"""The `tcp` check: whether somebody listens."""

from typing import Annotated

from feedback.checks.check import Check
from feedback.net import Net, Target


class TcpCheck(Check, name="tcp"):
    """Pass when a TCP connection is accepted. Nothing is sent.

    With `quiet`, the connection is reset before the handshake's last packet: the host's kernel has accepted it, and
    the program that listens never hears of it, so that no log fills with empty connections. Without, the program
    gets a connection that is closed at once.
    """

    quiet: Annotated[bool, "reset the connection before the listening program sees it"] = True

    async def probe(self, target: Target, net: Net) -> str:
        """Connect, and say no more."""
        async with net.connect_tcp(target, brief=self.quiet):
            return "connected"
