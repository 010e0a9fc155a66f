"""What checks over TLS share: their options, contexts that are made once, and what a certificate says."""

import functools
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ClassVar

from feedback.checks.check import Check
from feedback.checks.codecs import certificate
from feedback.net import Stream, Target


class TlsCheck(Check):
    """Base of the checks that can speak TLS."""

    verify: Annotated[bool, "refuse a certificate that is not valid"] = True
    sni: Annotated[str | None, "server name to ask for and to verify, by default the address"] = None
    ca_file: Annotated[str | None, "PEM file of the authorities to trust, by default the system's"] = None
    cert_file: Annotated[str | None, "PEM file of a certificate to show, and what is between it and its authority"] = (
        None
    )
    key_file: Annotated[str | None, "PEM file of that certificate's key, by default in cert_file too"] = None

    over_tls: ClassVar[bool] = False
    """Whether the whole connection is TLS."""

    def __post_init__(self) -> None:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file: goes with cert_file, and there is none")
        if self.speaks_tls():
            self._context = context(
                verify=self.verify,
                ca_file=self.ca_file,
                cert_file=self.cert_file,
                key_file=self.key_file,
                alpn=self.offers(),
            )

    def speaks_tls(self) -> bool:
        """Return whether TLS is spoken at all. Where it may not be, a check says here when it is."""
        return self.over_tls

    def offers(self) -> tuple[str, ...]:
        """Return the protocols to offer by ALPN (RFC 7301). It is asked once, when the check is made."""
        return ()

    def server_name(self, target: Target) -> str:
        """Return the name that the certificate must be valid for."""
        return self.sni or target.endpoint.address

    async def secure(
        self, stream: Stream, target: Target, name: str | None = None, resume: Stream | None = None
    ) -> str:
        """Shake hands, and return when the certificate expires, in words, "" when it can't be told.

        `name`: what the certificate must be valid for, where that is not the check's `server_name`. `resume`: a
        connection of the same check whose session to resume.
        """
        if not stream.reused:
            await stream.start_tls(self._context, name or self.server_name(target), resume=resume)
        return expiry(stream)


def context(
    *,
    verify: bool,
    ca_file: str | None = None,
    cert_file: str | None = None,
    key_file: str | None = None,
    alpn: tuple[str, ...] = (),
) -> ssl.SSLContext:
    """Return a client's context. Raises ValueError that begins with the name of a file's option it can't use."""
    files = {"ca_file": ca_file, "cert_file": cert_file, "key_file": key_file}
    changed_at = tuple(_changed_at(option, path) for option, path in files.items() if path is not None)
    return _context(verify, ca_file, cert_file, key_file, alpn, changed_at)


def _changed_at(option: str, path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError as error:
        raise ValueError(f"{option}: {path} can't be read: {error.strerror}") from None


@functools.lru_cache(maxsize=64)
def _context(
    verify: bool,
    ca_file: str | None,
    cert_file: str | None,
    key_file: str | None,
    alpn: tuple[str, ...],
    _changed_at: tuple[int, ...],
) -> ssl.SSLContext:
    """Make a context once for all checks that want the same: the system's certificates are a megabyte."""
    try:
        made = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"ca_file: {ca_file} can't be read: {error.strerror or error}") from None
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if cert_file is not None:
        try:
            # Without a password here, a locked key would be asked for on the terminal
            made.load_cert_chain(cert_file, key_file, password="")
        except OSError as error:
            raise ValueError(f"cert_file: {cert_file} can't be used: {error.strerror or error}") from None
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


def expiry(stream: Stream) -> str:
    """Return when the peer's certificate expires, in words, "" when it can't be told."""
    encoded = stream.peer_certificate()
    days = days_left(encoded) if encoded else None
    if days is None:
        return ""
    words = f"{abs(days)} day" if abs(days) == 1 else f"{abs(days)} days"
    return f"certificate expired {words} ago" if days < 0 else f"certificate expires in {words}"


def days_left(encoded: bytes) -> int | None:
    """Return for how many whole days a certificate will still be valid, None when it can't be told."""
    expires = certificate.not_after(encoded)
    return None if expires is None else (expires - datetime.now(UTC)).days
