"""Where a server on this host is asked: a port or a Unix socket, and for HTTP a URL. Pure."""

import re
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from feedback.options import Unit

_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")
_MAX_PATH_BYTES = 107  # unix(7): sun_path has 108 bytes with its NUL
_URL = "must be a URL, like http://127.0.0.1/status"


class Place(msgspec.Struct, frozen=True):
    """Where to connect: a host's port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path or f"{host}:{self.port}"


class HttpUrl(msgspec.Struct, frozen=True):
    """What to ask for, and where. `host_header` names the virtual host, with its port where that is not the usual."""

    text: str
    place: Place
    host_header: str
    target: str  # path and query
    tls: bool = False

    def __str__(self) -> str:
        return self.text


def parse_place(value: object) -> Place:
    """Read `127.0.0.1:6379`, `[::1]:6379` or `/run/redis.sock`. Raises ValueError with the rest of a sentence."""
    text = value if isinstance(value, str) else ""
    if text.startswith("/") and "\0" not in text:
        if len(text.encode()) > _MAX_PATH_BYTES:
            raise ValueError(f"must be the path of a Unix socket, which has at most {_MAX_PATH_BYTES} bytes")
        return Place(path=text)
    found = _HOST_AND_PORT.fullmatch(text)
    if found is None or not 1 <= int(found[3]) <= 65535:
        raise ValueError("must be a host and a port, like 127.0.0.1:6379, or the path of a Unix socket")
    return Place(host=found[1] or found[2], port=int(found[3]))


def parse_http_url(value: object) -> HttpUrl:
    """Read `http://127.0.0.1:8080/status?full`. Raises ValueError with the rest of a sentence."""
    text = value if isinstance(value, str) else ""
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError(_URL)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_URL) from None
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise ValueError(_URL)
    if parts.fragment or parts.username is not None:
        raise ValueError(f"{_URL}, with neither a user nor a fragment in it")
    tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return HttpUrl(text, Place(host, port or (443 if tls else 80)), parts.netloc, target, tls)


PlaceOption = Annotated[Place, Unit("address", parse_place)]
"""A host and a port, or the path of a Unix socket."""

HttpUrlOption = Annotated[HttpUrl, Unit("URL", parse_http_url)]
"""A URL of HTTP, with TLS or without."""
