"""What checks over TLS share: contexts, made once, and what a certificate says."""

import functools
import ssl
from datetime import UTC, datetime
from pathlib import Path

from feedback.checks import certificate
from feedback.net import Stream


def context(option: str, *, verify: bool, ca_file: str | None) -> ssl.SSLContext:
    """Return a client's context. Raises ValueError that begins with `option` when `ca_file` can't be used."""
    try:
        changed_at = Path(ca_file).stat().st_mtime_ns if ca_file else 0
        return _context(verify, ca_file, changed_at)
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"{option}: {ca_file} can't be read: {error.strerror or error}") from None


@functools.lru_cache(maxsize=64)
def _context(verify: bool, ca_file: str | None, _changed_at: int) -> ssl.SSLContext:
    """Make a context once for all checks that want the same: the system's certificates are a megabyte."""
    made = ssl.create_default_context(cafile=ca_file)
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def expiry(stream: Stream) -> str:
    """Return when the peer's certificate expires, in words, "" when it can't be told."""
    encoded = stream.peer_certificate()
    expires = certificate.not_after(encoded) if encoded else None
    if expires is None:
        return ""
    days = (expires - datetime.now(UTC)).days
    words = f"{abs(days)} day" if abs(days) == 1 else f"{abs(days)} days"
    return f"certificate expired {words} ago" if days < 0 else f"certificate expires in {words}"
