"""An authority in a directory, with a clock to move, and agents' files by it."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from feedback.agent.config import TlsFiles
from feedback.agent.secure import AUTHORITY, CERTIFICATE, KEY, files_in
from feedback.pki.store import Store

DAY = 86400.0


class Clock:
    """Unix seconds that a test moves."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def signing_request(key: ec.EllipticCurvePrivateKey) -> str:
    """Return what `openssl req -new` would make."""
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def enrolled(store: Store, directory: Path, *names: str) -> TlsFiles:
    """Return files as `feedback agent enroll` lays them down."""
    key = new_key()
    made, _ = store.enrol(store.invite(names, 60.0).secret, signing_request(key))
    directory.mkdir()
    (directory / CERTIFICATE).write_bytes(made.pem)
    (directory / AUTHORITY).write_bytes(store.authority_file.read_bytes())
    (directory / KEY).write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files_in(str(directory))
