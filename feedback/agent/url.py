"""Where a director is, read from its URL. Pure."""

from urllib.parse import urlsplit

import msgspec


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
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in {"ws", "wss"} or not parts.hostname or parts.fragment or parts.username is not None:
        raise wrong
    if port is None or port == 0:
        raise ValueError(f'"{text}" has no port: write it like ws://192.0.2.1:8600/agent')
    query = f"?{parts.query}" if parts.query else ""
    return DirectorUrl(parts.hostname, port, (parts.path or "/") + query, parts.scheme == "wss")
