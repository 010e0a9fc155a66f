"""An agent's TLS: its files, and what goes wrong in words."""

import ssl
from pathlib import Path

import pytest

from feedback.agent.config import TlsFiles
from feedback.agent.secure import Secure, TlsError, files_in, make_context, tls_words
from feedback.pki.store import Store
from tests.pki.authority_made import enrolled


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    store = Store(tmp_path / "pki")
    store.create(["lvs1"], 86400.0)
    return enrolled(store, tmp_path / "rs1", "rs1")


def test_both_ends_are_verified_and_tls_1_3_is_spoken(files: TlsFiles) -> None:
    context = make_context(files)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_files_that_change_are_read_again(files: TlsFiles) -> None:
    secure = Secure(files)
    before = secure.context()
    assert secure.context() is before
    certificate = Path(files.certificate or "")
    certificate.write_bytes(certificate.read_bytes() + b"\n")
    assert secure.context() is not before


def test_what_is_not_there_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(
        TlsError, match=r"agent.pem can't be read: No such file or directory: feedback agent enroll mak"
    ):
        Secure(files_in(str(tmp_path))).context()
    with pytest.raises(
        TlsError, match=r"ca.pem can't be used: No such file or directory: feedback agent enroll makes it"
    ):
        make_context(files_in(str(tmp_path)))


def test_what_is_no_certificate_is_named(files: TlsFiles) -> None:
    Path(files.certificate or "").write_text("nothing")
    with pytest.raises(TlsError, match=r"agent.pem and .*agent.key can't be used: "):
        make_context(files)


def test_certificates_of_ones_own_are_never_replaced(files: TlsFiles) -> None:
    own = TlsFiles(certificate=files.certificate, key=files.key, ca=files.ca)
    assert not Secure(own).renew(Path(files.certificate or "").read_text())


def test_a_certificate_without_measure_is_not_taken(files: TlsFiles) -> None:
    assert not Secure(files).renew("x" * 20_000)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "the director refuses this agent's certificate: it has expired (feedback"),
        ("TLSV1_ALERT_UNKNOWN_CA", "the director refuses this agent's certificate: no authority of the director's has"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "the director wants a certificate: tls.directory or tls.certificate"),
        ("WRONG_VERSION_NUMBER", "no TLS is spoken there: is it a ws:// URL?"),
        ("SOMETHING_NEW", "no TLS: something new"),
    ],
)
def test_what_openssl_says_is_told_in_words(reason: str, sentence: str) -> None:
    error = ssl.SSLError()
    error.reason = reason
    assert (tls_words(error) or "").startswith(sentence)


def test_what_is_not_tls_s_is_left_to_others() -> None:
    assert tls_words(ConnectionRefusedError()) is None
