"""Keys and certificates for tests, made by the openssl command: a CA, and servers good and bad."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

CA_SETTINGS = """
[ca]
default_ca = own
[own]
new_certs_dir = .
database = index.txt
serial = serial.txt
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
"""

NOW_EXPIRED = ("20200101000000Z", "20210101000000Z")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A CA in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        (directory / "ca.cnf").write_text(CA_SETTINGS)
        (directory / "index.txt").touch()
        (directory / "serial.txt").write_text("1000\n")
        self.ca = self.self_signed("ca", "Test CA")
        self.ca_file = str(self.ca.certificate)

    def self_signed(self, file: str, name: str, alternatives: str = "") -> Pair:
        """Return a certificate signed by its own key, valid for some days."""
        words = [*self._new_key(file), "-x509", "-days", "30", "-subj", f"/CN={name}", "-out", f"{file}.pem"]
        self._openssl("req", *words, *(["-addext", f"subjectAltName={alternatives}"] if alternatives else []))
        return self._pair(file)

    def issue(self, file: str, alternatives: str, *, expired: bool = False) -> Pair:
        """Return a certificate of this CA for names like `DNS:www.example.com,IP:127.0.0.1`."""
        request = ["-subj", f"/CN={file}", "-addext", f"subjectAltName={alternatives}", "-out", f"{file}.csr"]
        self._openssl("req", *self._new_key(file), "-new", *request)
        start, end = NOW_EXPIRED
        validity = ["-startdate", start, "-enddate", end] if expired else ["-days", "30"]
        signing = ["-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-batch", "-notext"]
        self._openssl("ca", *signing, *validity, "-in", f"{file}.csr", "-out", f"{file}.pem")
        return self._pair(file)

    def _pair(self, file: str) -> Pair:
        return Pair(self._directory / f"{file}.pem", self._directory / f"{file}.key")

    @staticmethod
    def _new_key(file: str) -> list[str]:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{file}.key"]

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._directory, check=True, capture_output=True, timeout=30)
