"""Where a redirect leads (RFC 9110, 10.2.2 and 15.4): a Location, resolved, and whether it is the same server. Pure."""

import re
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec

from feedback.checks.codecs.http_message import Head
from feedback.checks.matching import excerpt
from feedback.errors import CheckFailed, Reason

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(msgspec.Struct, frozen=True):
    """Where a request went: `http` or `https`, the Host and the path it had, and the ports that are this server's too.

    A realserver's own port and that of its service often differ, and a Location names the one that clients know.
    """

    scheme: str
    host: str
    path: str
    ports: frozenset[int] = frozenset()


class Way(msgspec.Struct, frozen=True):
    """Where to ask next, and how: the Host, the path and the method."""

    host: str
    path: str
    method: str


def way(head: Head, method: str, origin: Origin) -> Way | None:
    """Return where an answer sends whoever asked; None when it is no redirect. Raises CheckFailed.

    A redirect that leaves the server is a failure: its scheme or its port is another's.
    """
    locations = head.values("location")
    if head.status not in _REDIRECTS or not locations:
        return None
    resolved = _resolve(locations[0], origin)
    if resolved is None:
        raise CheckFailed(Reason.PROTOCOL, f"its Location is not a URL: {excerpt(locations[0].encode())}")
    there, is_here = resolved
    host = there.netloc.rpartition("@")[2]
    path = (there.path or "/") + (f"?{there.query}" if there.query else "")
    if not is_here:
        where = f"{there.scheme}://{host}{path}"
        raise CheckFailed(Reason.CONTENT, f"{head.line} leads to {where}, which is another service")
    return Way(host, path, _method(head.status, method))


def _resolve(location: str, origin: Origin) -> tuple[SplitResult, bool] | None:
    """Return an absolute URL, and whether it is of the server that has named it; None where it is no URL."""
    try:
        here = urlsplit(f"{origin.scheme}://{origin.host}{origin.path}")
        there = urlsplit(urljoin(here.geturl(), location))
        is_here = there.scheme == here.scheme and _port(there) in origin.ports | {_port(here)}
    except ValueError:
        return None
    is_url = re.fullmatch("[!-~]+", location) and (there.hostname or there.scheme not in _DEFAULT_PORTS)
    return (there, is_here) if is_url else None


def _port(parts: SplitResult) -> int:
    return parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)


def _method(status: int, method: str) -> str:
    """Return the method to go on with (RFC 9110, 15.4): POST becomes GET, but for 307 and 308."""
    if (status == 303 and method != "HEAD") or (status in {301, 302} and method == "POST"):
        return "GET"
    return method
