"""What checks share that can speak through a listener of the PROXY protocol."""

from typing import Annotated

from feedback.checks.check import Check
from feedback.checks.codecs import proxy_protocol
from feedback.checks.codecs.proxy_protocol import Form
from feedback.net import Stream, Target


class ProxiedCheck(Check):
    """Base of the checks whose service may want a PROXY protocol header before everything else, also before TLS."""

    proxy_protocol: Annotated[Form | None, "PROXY protocol header to begin with, where the server expects one"] = None

    async def introduce(self, stream: Stream, target: Target) -> None:
        """Send the header, if there is to be one, on a connection that is new."""
        if self.proxy_protocol is not None and not stream.reused:
            header = proxy_protocol.header(self.proxy_protocol, stream.local_endpoint(), target.endpoint)
            await stream.write(header)
