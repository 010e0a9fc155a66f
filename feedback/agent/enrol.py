"""Gets this host its certificate: a key that never leaves it, and a director's signature for a one-time token.

The key is made by the program `openssl`: Python's own library makes none, and an agent should not need another one.
"""

import contextlib
import http.client
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from feedback.agent.config import TlsFiles
from feedback.agent.secure import AUTHORITY, CERTIFICATE, KEY, make_context, tls_words, write_file
from feedback.enrolment import (
    AUTHORITY_PATH,
    ENROL_PATH,
    MAX_PEM_BYTES,
    EnrolAnswer,
    EnrolRequest,
    Token,
    certificates_in,
)
from feedback.errors import ConfigError, EnrolmentError

TIMEOUT_SECONDS = 10.0
OPENSSL = "openssl"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class _Place(msgspec.Struct, frozen=True):
    """Where a director is."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def enrol(director: str, token: Token, directory: Path) -> tuple[str, ...]:
    """Fill the directory, and return the names that the certificate is for. Raises ConfigError or EnrolmentError.

    Nothing there is changed before everything has been had.
    """
    where = _parse(director)
    authority = _fetch_authority(where, token)
    with _told(directory):
        if not directory.exists():
            directory.mkdir(parents=True, mode=0o700)
            _hand_over(directory, directory.parent)
        key, request = directory / f"{KEY}.new", directory / "request.new"
        try:
            _make_key(key, request)
            answer = _ask(where, authority, EnrolRequest(token.secret.hex(), request.read_text()))
            files = (directory / f"{AUTHORITY}.new", authority), (directory / f"{CERTIFICATE}.new", answer.certificate)
            for path, text in files:
                write_file(str(path), text.encode(), mode=0o644)
            make_context(TlsFiles(certificate=str(files[1][0]), key=str(key), ca=str(files[0][0])))
            for path in (key, files[0][0], files[1][0]):
                _hand_over(path, directory)
                path.replace(path.with_suffix(""))
        finally:
            for name in ("request", KEY, AUTHORITY, CERTIFICATE):
                (directory / f"{name}.new").unlink(missing_ok=True)
    return answer.names


def _parse(director: str) -> _Place:
    try:
        parts = urlsplit(director)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in {"https", "wss"}:
        raise ConfigError(f'--director "{director}" must be a URL like https://lvs1.example:8600')
    return _Place(host, port)


def _fetch_authority(where: _Place, token: Token) -> str:
    """Return the authority's certificate (PEM), which the token knows; nothing else of this connection is believed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    pem = _request(where, context, "GET", AUTHORITY_PATH)
    try:
        text = pem.decode("ascii")
        genuine = token.is_of(certificates_in(text))
    except ValueError:
        raise EnrolmentError(f"what answers at {where} has no authority: is it a feedback director?") from None
    if not genuine:
        raise EnrolmentError(
            f"what answers at {where} is not the director that the token is of: another one, or somebody between"
        )
    return text


def _ask(where: _Place, authority: str, request: EnrolRequest) -> EnrolAnswer:
    context = ssl.create_default_context(cadata=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    answer = _request(where, context, "POST", ENROL_PATH, msgspec.json.encode(request))
    try:
        return msgspec.json.decode(answer, type=EnrolAnswer)
    except msgspec.MsgspecError:
        raise EnrolmentError(f"what answers at {where} is not a feedback director") from None


def _request(where: _Place, context: ssl.SSLContext, method: str, path: str, body: bytes = b"") -> bytes:
    connection = http.client.HTTPSConnection(where.host, where.port, timeout=TIMEOUT_SECONDS, context=context)
    try:
        connection.request(method, path, body or None, {"Connection": "close"})
        response = connection.getresponse()
        answer = response.read(MAX_PEM_BYTES + 1)
    except http.client.HTTPException:
        raise EnrolmentError(f"what answers at {where} is not a feedback director") from None
    except TimeoutError:
        raise EnrolmentError(f"{where} does not answer within {TIMEOUT_SECONDS:g} s") from None
    except OSError as error:
        why = tls_words(error) or error.strerror or str(error)
        hint = ": feedback pki director gives it more names" if "mismatch" in why else ""
        raise EnrolmentError(f"{where} can't be asked: {why}{hint}") from None
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise EnrolmentError(f"the director refuses: {_sentence(answer)} (HTTP status {response.status})")
    return answer


class _Error(msgspec.Struct):
    error: str


def _sentence(answer: bytes) -> str:
    try:
        return msgspec.json.decode(answer, type=_Error).error
    except msgspec.MsgspecError:
        return "it does not say why"


def _make_key(key: Path, request: Path) -> None:
    """Make a key of EC P-256, for its owner's eyes alone, and a request that it signs."""
    write_file(str(key), b"", mode=0o600)  # openssl writes into the file that is there, with the mode that it has
    words = ["req", "-new", *_NEW_KEY, "-subj", "/CN=agent", "-keyout", str(key), "-out", str(request)]
    try:
        done = subprocess.run(
            [OPENSSL, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except FileNotFoundError:
        raise EnrolmentError(
            "openssl makes this host's key, and is not installed: apt-get install openssl, or bring a certificate of "
            "your own (tls.certificate)"
        ) from None
    except subprocess.TimeoutExpired:
        raise EnrolmentError(f"openssl has made no key within {TIMEOUT_SECONDS:g} s") from None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise EnrolmentError(f"openssl can't make a key: {last}")


def _hand_over(path: Path, like: Path) -> None:
    """Give a file that root has made to the owner of the directory: the agent is no root, and must renew it."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


@contextlib.contextmanager
def _told(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnrolmentError(f"{error.filename or directory} can't be written: {error.strerror}") from None
