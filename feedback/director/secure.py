"""The TLS that the director speaks, as its files have it now: certificates are renewed, and agents revoked."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from feedback.denied import why
from feedback.director.config import TlsConfig
from feedback.director.identity import Identity, identity_of
from feedback.errors import EnrolmentError, FeedbackError
from feedback.pki import authority
from feedback.pki.register import Register, is_awaited, issue_time, revoked_name
from feedback.pki.store import Store
from feedback.pki.validity import ends_soon, is_due
from feedback.report import Renewed


class TlsError(FeedbackError):
    """The director can't speak TLS with what its configuration names."""


class Tls:
    """One director's. `now` returns Unix seconds, by which certificates go."""

    def __init__(self, config: TlsConfig, now: Callable[[], float] = time.time) -> None:
        """Raise TlsError or EnrolmentError when it can't be spoken."""
        self.store = None if config.directory is None else Store(config.directory, now)
        self._config = config
        self._now = now
        self._register = Register(lifetime_seconds=0.0)
        self._seen: tuple[int, ...] = ()
        self._validities: dict[str, tuple[float, float]] = {}
        self._context: ssl.SSLContext
        self.refresh()

    @property
    def asks(self) -> bool:
        """Whether agents must show a certificate."""
        return self.store is not None or self._config.ca is not None

    def context(self) -> ssl.SSLContext:
        """Return what the next connection goes by."""
        return self._context

    def refresh(self) -> bool:
        """Take notice of files that have changed, and return whether any has. Raises TlsError or EnrolmentError."""
        seen = tuple(_changed_at(path) for path in self._files())
        if seen == self._seen:
            return False
        context = self._make_context()
        self._load(context)
        if self.store is not None:
            self._register = self.store.register()
        self._validities = self._read_validities()
        self._context, self._seen = context, seen
        return True

    def renew(self) -> bool:
        """Make the director a new certificate where the old one ends soon; return whether. Reads and writes files."""
        return self.store is not None and self.store.renew_director()

    def ends(self) -> dict[str, float]:
        """Return when the director's certificate and the authority end, in Unix seconds. Of several, the first."""
        return {whose.removesuffix("'s"): end for whose, (_, end) in self._validities.items()}

    def warnings(self) -> list[str]:
        """Return what an operator should do before something ends, a sentence each."""
        return [
            f"the {whose} certificate ends at {_date(end)}: {self._advice(whose)}"
            for whose, (begin, end) in self._validities.items()
            if ends_soon(begin, end, self._now())
        ]

    def identity(self, request: web.Request) -> Identity | None:
        """Return who has asked, None where no certificate was shown."""
        shown = None if request.transport is None else request.transport.get_extra_info("peercert")
        return identity_of(shown) if shown else None

    def wrong_with(self, identity: Identity) -> str:
        """Return why a certificate is no longer good, "" when it is. TLS has verified it when the connection began."""
        if identity.expired(self._now()):
            return "its certificate has expired"
        name = revoked_name(self._register, identity.names, identity.serial)
        return "" if name is None else f"the certificate of {name} is revoked"

    def is_due(self, identity: Identity) -> bool:
        """Tell whether an agent should have a new certificate, which only an authority of the director's own makes."""
        if self.store is None:
            return False
        at_once = issue_time(identity.serial) < self._register.renew_before
        return at_once or is_due(identity.begins_at, identity.ends_at, self._now())

    async def note_shown(self, identity: Identity) -> None:
        """Note that an agent has what it was given for another authority's sake. Raises EnrolmentError."""
        if self.store is not None and is_awaited(self._register, identity.serial):
            await asyncio.to_thread(self.store.note_shown, identity.serial)

    async def renewed(self, request: web.Request) -> Renewed:
        """Return a new certificate, and whom to trust, for whoever has a good one. Raises EnrolmentError."""
        shown = None if request.transport is None else request.transport.get_extra_info("ssl_object")
        identity = self.identity(request)
        if self.store is None or shown is None or identity is None:
            raise EnrolmentError("it has gone, or no authority here makes certificates")
        certificate = shown.getpeercert(binary_form=True)
        made = await asyncio.to_thread(self.store.renew, certificate, sorted(identity.names))
        return Renewed(made.pem.decode(), self.store.authority_file.read_text())

    def _make_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if self.asks:
            context.verify_mode = ssl.CERT_OPTIONAL  # browsers and scripts have none; agents must: see Receiver
        if self._config.crl is not None:
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        """Load every file into the context: connections that begin from now on go by it."""
        certificate, key = self._pair()
        try:
            context.load_cert_chain(certificate, key, password="")  # without one, a locked key asks on the terminal
        except OSError as error:  # ssl.SSLError is one
            raise TlsError(f"{certificate} and {key} can't be used together: {_words(error)}") from None
        for path in filter(None, (self._authority(), self._config.crl)):
            try:
                context.load_verify_locations(path)
            except OSError as error:
                raise TlsError(f"{path} can't be used: {_words(error)}") from None

    def _read_validities(self) -> dict[str, tuple[float, float]]:
        found = {}
        for whose, path in (("director's", self._pair()[0]), ("authority's", self._authority())):
            # There is what OpenSSL takes, and this does not understand
            with contextlib.suppress(OSError, *authority.UNREADABLE):
                if path is not None:
                    found[whose] = authority.ends(Path(path).read_bytes())
        return found

    def _advice(self, whose: str) -> str:
        if self.store is None:
            return "put a new one into its file"
        if whose == "authority's":
            return "feedback pki rollover makes a new one, in three steps"
        return "it should have been renewed; feedback pki director NAME|ADDRESS ... does"

    def _pair(self) -> tuple[str, str]:
        if self.store is not None:
            certificate, key = map(str, self.store.director)
            return certificate, key
        certificate = self._config.certificate or ""
        return certificate, self._config.key or certificate

    def _authority(self) -> str | None:
        return str(self.store.authority_file) if self.store is not None else self._config.ca

    def _files(self) -> list[str]:
        register = None if self.store is None else str(self.store.register_file)
        return [path for path in (*self._pair(), self._authority(), self._config.crl, register) if path is not None]


def _changed_at(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError as error:
        raise TlsError(f"{path} can't be read: {why(error)}") from None


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def _words(error: OSError) -> str:
    return why(error)
