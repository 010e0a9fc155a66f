"""Where a director is, read from its URL: without urllib, which costs the agent memory. Pure."""

import re

import msgspec

_URL = re.compile(
    r"(?P<scheme>wss?)://(?:\[(?P<address>[0-9a-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[^\s/?#@:\[\]]+))"
    r"(?::(?P<port>[0-9]{0,5}))?(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?",
    re.IGNORECASE,
)


class DirectorUrl(msgspec.Struct, frozen=True):
    """A director's WebSocket: where to connect, and what to ask for there."""

    host: str
    port: int
    target: str  # path and query
    secure: bool = False  # over TLS

    @property
    def host_header(self) -> str:
        """The Host header (RFC 9110 section 7.2): IPv6 addresses in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_director_url(text: str) -> DirectorUrl:
    """Read `ws://host:port/path`, or `wss://`. Raises ValueError with a sentence that says what would be right."""
    wrong = ValueError(f'"{text}" must be the URL of a director, like ws://192.0.2.1:8600/agent')
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise wrong
    found = _URL.fullmatch(text)
    port = int(found["port"] or 0) if found is not None else 0
    if found is None or port > 65535:
        raise wrong
    if port == 0:
        raise ValueError(f'"{text}" has no port: write it like ws://192.0.2.1:8600/agent')
    host = (found["address"] or found["host"]).lower()
    return DirectorUrl(host, port, (found["path"] or "/") + (found["query"] or ""), found["scheme"].lower() == "wss")
