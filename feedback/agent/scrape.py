"""What the sources that ask a URL share: their options, and one GET."""

import re
from dataclasses import field
from typing import Annotated

from feedback.agent.http import Answer, get
from feedback.agent.place import HttpUrlOption, PlaceOption
from feedback.agent.source import Source, SourceError
from feedback.agent.stream import Tls
from feedback.errors import ConfigError
from feedback.token_file import read_token_file

MAX_BODY_BYTES = 4 * 1024 * 1024

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110, 5.6.2
_HEADER_VALUE = re.compile(r"[\t -~]{0,4000}")


class HttpSource(Source):
    """Base of the sources that ask a URL."""

    url: Annotated[HttpUrlOption, "where to ask, with http or https"]
    socket: Annotated[PlaceOption | None, "where to connect, by default the URL's host and port"] = None
    headers: Annotated[dict[str, str], "headers of the request, by name"] = field(default_factory=dict)
    token_file: Annotated[str | None, "file with a token to show as Authorization: Bearer, read every time"] = None
    verify: Annotated[bool, "refuse a certificate that is not valid"] = True
    ca_file: Annotated[str | None, "PEM file of the authorities to trust, by default the system's"] = None

    def __post_init__(self) -> None:
        for name, value in self.headers.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
                raise ValueError(f"headers: has {name[:40]!r}, must have names and lines of ASCII")

    async def ask(self) -> Answer:
        """Return the answer to one GET. Raises SourceError."""
        headers, tls = self._headers(), Tls(self.verify, self.ca_file)
        return await get(self.url, socket=self.socket, headers=headers, tls=tls, limit_bytes=MAX_BODY_BYTES)

    def _headers(self) -> dict[str, str]:
        if self.token_file is None:
            return self.headers
        try:
            return self.headers | {"Authorization": f"Bearer {read_token_file(self.token_file).reveal()}"}
        except ConfigError as error:
            raise SourceError(str(error)) from None
