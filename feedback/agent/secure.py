"""TLS with the directors: contexts from files that may change, certificates that are renewed, and errors in words.

`ssl` is imported where it is needed: an agent that speaks no TLS does without.
"""

import contextlib
import os
import sys
from typing import TYPE_CHECKING

import msgspec

from feedback.agent.config import TlsFiles
from feedback.denied import why
from feedback.errors import FeedbackError

if TYPE_CHECKING:
    import ssl

CERTIFICATE = "agent.pem"
KEY = "agent.key"
AUTHORITY = "ca.pem"
ENROLL = "feedback agent enroll"
MAX_PEM_BYTES = 16 * 1024

_EXPIRED, _EARLY = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED and _NOT_YET_VALID
_ALERTS = {
    "CERTIFICATE_EXPIRED": f"the director refuses this agent's certificate: it has expired ({ENROLL} gets a new one)",
    "UNKNOWN_CA": "the director refuses this agent's certificate: no authority of the director's has signed it",
    "CERTIFICATE_REVOKED": "the director refuses this agent's certificate: it is revoked",
    "CERTIFICATE_REQUIRED": "the director wants a certificate: tls.directory or tls.certificate",
    "WRONG_VERSION_NUMBER": "no TLS is spoken there: is it a ws:// URL?",
    "PROTOCOL_VERSION": "the director speaks no TLS 1.3",
}


class TlsError(FeedbackError):
    """TLS can't be spoken with what the configuration names."""


class Secure:
    """What connections to directors go by: always the files as they are now."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen: tuple[int, ...] = ()
        self._context: ssl.SSLContext | None = None

    def context(self) -> "ssl.SSLContext":
        """Return the context. Raises TlsError."""
        files = self._files
        seen = tuple(_changed_at(path) for path in (files.certificate, files.key, files.ca) if path is not None)
        if self._context is None or seen != self._seen:
            self._context, self._seen = make_context(files), seen
        return self._context

    def renew(self, certificate: str, authorities: str = "") -> bool:
        """Put a new certificate for the old one's key in its place, and return whether. Raises TlsError.

        The `authorities` to trust are put in place before it: whoever shows the new certificate trusts them.
        """
        files = self._files
        if not files.renews or files.certificate is None or len(certificate) + len(authorities) > MAX_PEM_BYTES:
            return False
        new = {files.ca: authorities} if files.ca is not None and authorities else {}
        new[files.certificate] = certificate
        try:
            for path, pem in new.items():
                write_file(f"{path}.new", pem.encode(), mode=0o644)
            trusted = f"{files.ca}.new" if files.ca in new else files.ca
            make_context(msgspec.structs.replace(files, certificate=f"{files.certificate}.new", ca=trusted))
            for path in new:
                os.replace(f"{path}.new", path)  # noqa: PTH105 - beside fsync and open, the system call's own name
        except OSError as error:
            raise TlsError(f"{error.filename or files.certificate} can't be written: {error.strerror}") from None
        finally:
            for path in new:
                with contextlib.suppress(OSError):
                    os.unlink(f"{path}.new")  # noqa: PTH108 - pathlib costs the agent memory
        return True


def files_in(directory: str) -> TlsFiles:
    """Return the files as `feedback agent enroll` lays them down."""
    certificate, key, ca = (os.path.join(directory, name) for name in (CERTIFICATE, KEY, AUTHORITY))  # noqa: PTH118
    return TlsFiles(certificate=certificate, key=key, ca=ca, renews=True)


def make_context(files: TlsFiles) -> "ssl.SSLContext":
    """Return a context of these files. Raises TlsError."""
    import ssl  # noqa: PLC0415 - see above

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        if files.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(files.ca)
    except OSError as error:  # ssl.SSLError is one
        raise TlsError(f"{files.ca} can't be used: {_why(error, files)}") from None
    if files.certificate is not None:
        try:
            context.load_cert_chain(files.certificate, files.key, password="")  # without one, it asks on the terminal
        except OSError as error:
            names = " and ".join(path for path in (files.certificate, files.key) if path)
            raise TlsError(f"{names} can't be used: {_why(error, files)}") from None
    return context


def _why(error: OSError, files: TlsFiles) -> str:
    hint = f": {ENROLL} makes it" if files.renews and isinstance(error, FileNotFoundError) else ""
    return f"{why(error)}{hint}"


def write_file(path: str, data: bytes, *, mode: int) -> None:
    """Write a file so that it is on disk, whole, when this returns."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def tls_words(error: OSError) -> str | None:
    """Return what has gone wrong with TLS in a sentence that says what to do; None when it was something else."""
    if sys.modules.get("ssl") is None:
        return None
    import ssl  # noqa: PLC0415 - see above

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the director's certificate is refused: {_verification(error)}"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        known = next((sentence for end, sentence in _ALERTS.items() if reason.endswith(end)), None)
        return known or f"no TLS: {(reason or str(error)).replace('_', ' ').lower()}"
    return None


def _verification(error: "ssl.SSLCertVerificationError") -> str:
    if error.verify_code in {_EXPIRED, _EARLY}:
        return f"{error.verify_message}, or this host's clock is wrong"
    return error.verify_message.rstrip(".")


def _changed_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 - as above
    except OSError as error:
        raise TlsError(f"{path} can't be read: {error.strerror}: {ENROLL} makes it") from None
