"""The `tls` check: the handshake, and everything that can be asked of a certificate."""

import base64
import binascii
import hashlib
import re
import secrets
from dataclasses import field
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from feedback.checks.chat import Dialogue
from feedback.checks.codecs import certificate, ocsp, tls_hello
from feedback.checks.secured import days_left
from feedback.checks.starttls import WAYS, Protocol, Way
from feedback.errors import CheckFailed, LocalFault, Reason
from feedback.net import Net, Stream, Target

DIALOGUE_LIMIT_BYTES = 64 * 1024
PIN_PREFIX = "sha256//"

Days = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


class HandshakeCheck(Dialogue, name="tls"):
    """Pass when the TLS handshake succeeds, with a certificate that is valid and all that the options ask of it.

    The certificate must be valid for `sni`, without that for the first of `names`, without either for the address; and
    for all `names`. A chain that lacks what is between it and its authority is refused, as clients refuse it.

    `starttls` begins TLS in the middle of another protocol. A server that refuses the certificate which the check has
    shown says so in TLS 1.3 only after the handshake: a check of the protocol itself hears of it, this one does not.

    `ocsp` looks at the OCSP response that the server staples to its certificate: by `check` one that says something
    else than "good", or is out of date, fails, and by `require` none at all, too. It takes a second connection, which
    ends in the middle of a handshake in TLS 1.2: only there it is sent in the clear. From a server that speaks TLS 1.3
    alone it can't be seen, and with `require` the outcome is UNKNOWN. The response's signature is not verified.

    Examples:

        - tls: {port: 443, names: [www.example.com, example.com], min_days: 14, min_version: TLSv1.3, alpn: [h2]}
        - tls: {port: 25, starttls: smtp, sni: mail.example.com, min_days: 14}
    """

    starttls: Annotated[Protocol | None, "protocol that TLS is begun in, by its own command"] = None
    names: Annotated[list[str], "names and addresses that the certificate must be valid for"] = field(
        default_factory=list
    )
    min_days: Annotated[Days | None, "days for which the certificate must at least still be valid"] = None
    min_version: Annotated[Literal["TLSv1.2", "TLSv1.3"], "oldest version of TLS that passes"] = "TLSv1.2"
    alpn: Annotated[list[str], "protocols to offer by ALPN, of which the server must choose one, like h2"] = field(
        default_factory=list
    )
    fingerprint: Annotated[list[str], "SHA-256 fingerprints, of which the certificate must have one"] = field(
        default_factory=list
    )
    public_key: Annotated[
        list[str], "pins, of which the public key must have one: as curl has them, sha256// and base64"
    ] = field(default_factory=list)
    ocsp: Annotated[Literal["ignore", "check", "require"], "what to make of a stapled OCSP response"] = "ignore"

    def __post_init__(self) -> None:
        if not all(0 < len(protocol.encode()) < 256 for protocol in self.alpn):
            raise ValueError("alpn: must be names of protocols, like h2")
        if self.ocsp != "ignore" and self.starttls is not None:
            raise ValueError("ocsp: goes with TLS from the start, not with starttls")
        self._fingerprints = [_fingerprint(text) for text in self.fingerprint]
        self._pins = [_pin(text) for text in self.public_key]
        way = Way((), "") if self.starttls is None else WAYS[self.starttls]
        self.prepare(way.steps, tls=self.starttls is None, farewell=way.farewell, limit=DIALOGUE_LIMIT_BYTES)
        super().__post_init__()

    def offers(self) -> tuple[str, ...]:
        """Return the protocols to offer by ALPN."""
        return tuple(self.alpn)

    def server_name(self, target: Target) -> str:
        """Return the name that the certificate must be valid for."""
        return self.sni or (self.names[0] if self.names else target.endpoint.address)

    async def probe(self, target: Target, net: Net) -> str:
        """Shake hands, and then once more for the OCSP response."""
        detail = await super().probe(target, net)
        if self.ocsp == "ignore":
            return detail
        net.stage("OCSP")
        return f"{detail}, {await self._staple(target, net)}"

    async def secure(
        self, stream: Stream, target: Target, name: str | None = None, resume: Stream | None = None
    ) -> str:
        """Shake hands, look at what came of it, and return that in words."""
        expires = await super().secure(stream, target, name, resume)
        shown = stream.peer_certificate() or b""
        agreed = stream.negotiated()
        if agreed is None:
            raise CheckFailed(Reason.TLS, "no TLS came of the handshake")
        if agreed.version < self.min_version:
            raise CheckFailed(Reason.TLS, f"the server speaks {agreed.version}, must be {self.min_version}")
        if self.alpn and agreed.alpn is None:
            raise CheckFailed(Reason.TLS, f"the server has chosen none of the protocols {', '.join(self.alpn)}")
        self._examine(shown)
        return ", ".join(filter(None, (agreed.version, agreed.alpn, expires)))

    def summary(self, seen: str, expires: str) -> str:
        """Return what the check says when it has passed: what came of the handshake."""
        del seen
        return expires

    def _examine(self, shown: bytes) -> None:
        """Compare a certificate with the options. Raises CheckFailed."""
        days = days_left(shown)
        if self.min_days is not None and (days is None or days < self.min_days):
            left = "for a time that can't be read" if days is None else f"for {days} days"
            raise CheckFailed(Reason.TLS, f"the certificate is valid {left}, must be {self.min_days}")
        said = certificate.parse(shown) or certificate.Certificate(b"", b"", ())
        missing = [name for name in self.names if not certificate.is_for(name, said.names)]
        if missing:
            known = ", ".join(said.names) or "nothing"
            raise CheckFailed(Reason.TLS, f"the certificate is not for {', '.join(missing)}, but for {known}")
        digest = hashlib.sha256(shown).digest()
        if self._fingerprints and digest not in self._fingerprints:
            raise CheckFailed(Reason.TLS, f"the certificate has another fingerprint: {digest.hex(':').upper()}")
        digest = hashlib.sha256(said.public_key).digest()
        if self._pins and digest not in self._pins:
            raise CheckFailed(Reason.TLS, f"another public key: {PIN_PREFIX}{base64.b64encode(digest).decode()}")

    async def _staple(self, target: Target, net: Net) -> str:
        """Return what the OCSP response says that comes with the certificate."""
        try:
            flight = await self._first_flight(target, net)
        except tls_hello.NoTls12Error:
            if self.ocsp == "require":
                raise LocalFault(f"{target.endpoint} does not speak TLS 1.2, in which a staple can be seen") from None
            return "no OCSP response to be seen in TLS 1.3"
        if not flight.staple:
            if self.ocsp == "require":
                raise CheckFailed(Reason.TLS, "the server staples no OCSP response")
            return "no OCSP response"
        return _state(flight, datetime.now(UTC))

    async def _first_flight(self, target: Target, net: Net) -> tls_hello.Flight:
        """Begin a handshake, and end it when the server has said what comes in the clear."""
        async with net.connect_tcp(target) as stream:
            await self.introduce(stream, target)
            await stream.write(tls_hello.client_hello(self.server_name(target), secrets.token_bytes(32)))
            handshake = tls_hello.Handshake()
            flight = None
            while flight is None:
                header = await stream.read_exactly(tls_hello.HEADER_BYTES)
                flight = handshake.feed(header[0], await stream.read_exactly(tls_hello.record_length(header)))
            await stream.write(tls_hello.FAREWELL)
        return flight


def _state(flight: tls_hello.Flight, now: datetime) -> str:
    """Return what a staple says of its certificate. Raises CheckFailed unless that is good."""
    shown = certificate.parse(flight.certificate)
    serial = b"" if shown is None else shown.serial
    status = next((status for status in ocsp.parse(flight.staple) if status.serial == serial), None)
    if status is None:
        raise CheckFailed(Reason.TLS, "the stapled OCSP response is for another certificate")
    if status.state != "good":
        raise CheckFailed(Reason.TLS, f"the stapled OCSP response says: {status.state}")
    if status.next_update is not None and status.next_update < now:
        raise CheckFailed(Reason.TLS, f"the stapled OCSP response has been out of date since {status.next_update}")
    if status.this_update > now:
        raise CheckFailed(Reason.TLS, f"the stapled OCSP response begins to hold at {status.this_update}")
    return "OCSP good"


def _fingerprint(text: str) -> bytes:
    digits = text.replace(":", "")
    if not re.fullmatch("[0-9a-fA-F]{64}", digits):
        raise ValueError("fingerprint: must be SHA-256 as 64 hexadecimal digits, with colons or without")
    return bytes.fromhex(digits)


def _pin(text: str) -> bytes:
    try:
        pin = base64.b64decode(text.removeprefix(PIN_PREFIX), validate=True)
    except binascii.Error:
        pin = b""
    if len(pin) != hashlib.sha256().digest_size or not text.startswith(PIN_PREFIX):
        raise ValueError(f"public_key: must be {PIN_PREFIX} and SHA-256 in base64")
    return pin
