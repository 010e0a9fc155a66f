"""Who is at the other end of a TLS connection, by the certificate that it has shown. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that is verified: the agents it may speak for, and when it is good (Unix seconds)."""

    names: frozenset[str]
    serial: int
    begins_at: float
    ends_at: float

    def expired(self, now: float) -> bool:
        """Tell whether it is no longer good. TLS asks this once, when a connection begins."""
        return self.ends_at <= now


def identity_of(certificate: Mapping[str, Any]) -> Identity:
    """Return what a certificate says, as `ssl.SSLSocket.getpeercert` shows it.

    Names are its DNS names and URIs (subjectAltName) and its common names, each as it stands: no wildcard is expanded.
    """
    alternatives = [value for kind, value in certificate.get("subjectAltName", ()) if kind in {"DNS", "URI"}]
    return Identity(
        names=frozenset((*alternatives, *_common_names(certificate.get("subject", ())))),
        serial=int(certificate["serialNumber"], 16),
        begins_at=_seconds(certificate["notBefore"]),
        ends_at=_seconds(certificate["notAfter"]),
    )


def _common_names(subject: Sequence[Iterable[tuple[str, str]]]) -> list[str]:
    return [value for part in subject for kind, value in part if kind == "commonName"]


def _seconds(text: str) -> float:
    """Read `Nov 21 12:12:59 2026 GMT`."""
    return datetime.strptime(text, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC).timestamp()
