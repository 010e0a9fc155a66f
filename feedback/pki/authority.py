"""Keys and certificates (X.509, RFC 5280), made with cryptography.

The authority signs and does nothing else; a director's certificate is for servers only and an agent's for clients only,
so no agent can stand in for the director.
"""

import ipaddress
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from feedback.errors import EnrolmentError
from feedback.pki.register import serial_number

AUTHORITY_LIFETIME = timedelta(days=3650)
EARLY = timedelta(hours=1)
"""A certificate is good from so long before it is made: clocks differ. At most a twentieth of its lifetime."""
MIN_RSA_BITS = 2048
MAX_COMMON_NAME = 64  # RFC 5280, appendix A
UNREADABLE = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion)
"""What cryptography raises for what it can't read: not all of it is a ValueError."""

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


class Pair(msgspec.Struct, frozen=True):
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class Certificate(msgspec.Struct, frozen=True):
    """A certificate (PEM), and what the register notes of it."""

    pem: bytes
    serial: int
    issued_at: float
    expires_at: float


def new_authority(name: str, now: float) -> Pair:
    """Return a new authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:MAX_COMMON_NAME])])
    made = (
        _builder(key.public_key(), subject, now, AUTHORITY_LIFETIME)
        .issuer_name(subject)
        .serial_number(serial_number(now, secrets.randbits(64)))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Pair(_pem(made), _key_pem(key))


def director_certificate(authority: Pair, names: Sequence[str], lifetime_seconds: float, now: float) -> Pair:
    """Return a new key and the director's own certificate. `names`: host names and addresses that agents know it by."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = _signed(authority, _Subject(key.public_key(), names, ExtendedKeyUsageOID.SERVER_AUTH), lifetime_seconds, now)
    return Pair(made.pem, _key_pem(key))


def agent_certificate(
    authority: Pair, key: PublicKey, names: Sequence[str], lifetime_seconds: float, now: float
) -> Certificate:
    """Return a certificate by which whoever has the key may speak for these agents."""
    return _signed(authority, _Subject(key, names, ExtendedKeyUsageOID.CLIENT_AUTH), lifetime_seconds, now)


def ends(certificates: bytes) -> tuple[float, float]:
    """Return from when until when the one of these certificates (PEM) is good that ends first, in Unix seconds."""
    loaded = min(x509.load_pem_x509_certificates(certificates), key=lambda one: one.not_valid_after_utc)
    return loaded.not_valid_before_utc.timestamp(), loaded.not_valid_after_utc.timestamp()


def signing(certificates: bytes, key: bytes) -> bytes:
    """Return the one of an authority's certificates (PEM) that is of this key (PEM). Raises EnrolmentError."""
    public = serialization.load_pem_private_key(key, password=None).public_key()
    for one in x509.load_pem_x509_certificates(certificates):
        if one.public_key() == public:
            return _pem(one)
    raise EnrolmentError("the authority's key is of none of its certificates: bring back a copy of both")


def is_one(certificates: bytes) -> bool:
    """Tell whether there is one certificate (PEM), and not two while an authority takes over from another."""
    return len(x509.load_pem_x509_certificates(certificates)) == 1


def common_name(certificate: bytes) -> str:
    """Return what an authority (PEM) is called."""
    subject = x509.load_pem_x509_certificate(certificate).subject
    return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def requested_key(request: str) -> PublicKey:
    """Return the public key of a signing request (PKCS #10, PEM), whose sender has the private one.

    Raises EnrolmentError. The names that it asks for are not looked at: the token says which they are.
    """
    try:
        csr = x509.load_pem_x509_csr(request.encode())
        if not csr.is_signature_valid:
            raise EnrolmentError("the signing request is not signed with its own key")
        return _acceptable(csr.public_key())
    except (*UNREADABLE, InvalidSignature) as error:
        raise EnrolmentError(f"that is no signing request (PKCS #10, PEM): {' '.join(str(error).split())}") from None


def key_of(certificate: bytes) -> PublicKey:
    """Return the public key of a certificate (DER). Raises EnrolmentError."""
    try:
        return _acceptable(x509.load_der_x509_certificate(certificate).public_key())
    except UNREADABLE as error:
        raise EnrolmentError(f"that is no certificate: {' '.join(str(error).split())}") from None


def names_in(certificate: bytes) -> tuple[str, ...]:
    """Return the names and addresses that a certificate of ours (PEM) is for."""
    extensions = x509.load_pem_x509_certificate(certificate).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return (*names.get_values_for_type(x509.DNSName), *addresses)


def validity(certificate: bytes) -> tuple[float, float]:
    """Return from when until when a certificate (PEM) is good, in Unix seconds."""
    loaded = x509.load_pem_x509_certificate(certificate)
    return loaded.not_valid_before_utc.timestamp(), loaded.not_valid_after_utc.timestamp()


def _acceptable(key: object) -> PublicKey:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise EnrolmentError(f"an RSA key of {key.key_size} bits is too short: take {MIN_RSA_BITS}, or EC P-256")
    if not isinstance(key, PublicKey):
        raise EnrolmentError("the key must be of EC, Ed25519 or RSA")
    return key


class _Subject(msgspec.Struct, frozen=True):
    """Whom a certificate is for, and what it is good for."""

    key: PublicKey
    names: Sequence[str]
    usage: x509.ObjectIdentifier


def _signed(authority: Pair, whom: _Subject, lifetime_seconds: float, now: float) -> Certificate:
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    issuer_key = serialization.load_pem_private_key(authority.key, password=None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise EnrolmentError("the authority's key must be of EC, as `feedback pki init` makes it")
    short = [name for name in whom.names if len(name) <= MAX_COMMON_NAME][:1]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in short])
    serial = serial_number(now, secrets.randbits(64))
    made = (
        _builder(whom.key, subject, now, timedelta(seconds=lifetime_seconds))
        .issuer_name(issuer.subject)
        .serial_number(serial)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([whom.usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in whom.names]), critical=not short)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return Certificate(_pem(made), serial, now, made.not_valid_after_utc.timestamp())


def _builder(key: PublicKey, subject: x509.Name, now: float, lifetime: timedelta) -> x509.CertificateBuilder:
    moment = datetime.fromtimestamp(now, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .not_valid_before(moment - min(EARLY, lifetime / 20))
        .not_valid_after(moment + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
