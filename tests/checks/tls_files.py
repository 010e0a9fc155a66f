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
NOT_YET_VALID = ("20900101000000Z", "20910101000000Z")


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

    def issue(
        self, file: str, alternatives: str, *, expired: bool = False, early: bool = False, by: Pair | None = None
    ) -> Pair:
        """Return a certificate of this CA, or of one below it, for names like `DNS:www.example.com,IP:127.0.0.1`."""
        times = NOW_EXPIRED if expired else NOT_YET_VALID if early else None
        return self._signed(file, f"subjectAltName={alternatives}", times, by or self.ca)

    def below(self, file: str) -> Pair:
        """Return a CA that this one has signed."""
        return self._signed(file, "basicConstraints=critical,CA:TRUE", None, self.ca)

    def ocsp_response(self, pair: Pair, *, revoked: bool = False) -> Path:
        """Return an OCSP response for a certificate of this CA. Revoked once, it stays so."""
        answer = pair.certificate.with_suffix(".revoked.ocsp" if revoked else ".ocsp")
        if revoked:
            self._openssl("ca", *self._by(self.ca), "-revoke", str(pair.certificate))
        responder = ["-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key", "-ndays", "7"]
        question = ["-issuer", "ca.pem", "-cert", str(pair.certificate), "-respout", str(answer)]
        self._openssl("ocsp", *responder, *question)
        return answer

    def public_key(self, pair: Pair) -> bytes:
        """Return a certificate's public key in DER form, as pins are made of it."""
        words = ["pkey", "-in", str(pair.key), "-pubout", "-outform", "DER"]
        return subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=30).stdout

    def _signed(self, file: str, extension: str, times: tuple[str, str] | None, by: Pair) -> Pair:
        request = ["-subj", f"/CN={file}", "-addext", extension, "-out", f"{file}.csr"]
        self._openssl("req", *self._new_key(file), "-new", *request)
        validity = ["-days", "30"] if times is None else ["-startdate", times[0], "-enddate", times[1]]
        words = [*self._by(by), "-batch", "-notext", *validity, "-in", f"{file}.csr", "-out", f"{file}.pem"]
        self._openssl("ca", *words)
        return self._pair(file)

    @staticmethod
    def _by(pair: Pair) -> list[str]:
        return ["-config", "ca.cnf", "-cert", str(pair.certificate), "-keyfile", str(pair.key)]

    def _pair(self, file: str) -> Pair:
        return Pair(self._directory / f"{file}.pem", self._directory / f"{file}.key")

    @staticmethod
    def _new_key(file: str) -> list[str]:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{file}.key"]

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._directory, check=True, capture_output=True, timeout=30)
