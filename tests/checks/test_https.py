"""The `https` check against scripts: the name it asks for, and what it says of the certificate."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from feedback.checks import secured
from feedback.checks.https import HttpsCheck
from feedback.model import Endpoint, Outcome
from feedback.net import Target
from feedback.testing import Close, Connection, Hang, Receive, Reset, Send, StartTls, Step, interrupted, run_check
from tests.checks.certificates import UTC_TIME, certificate, element

HERE = Target(Endpoint("192.0.2.11", 443), "rs1", "web")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


def request(host: str = "192.0.2.11") -> Receive:
    head = f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: feedback\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    return Receive(head.encode())


def expiring_in(days: int) -> bytes:
    """Return a certificate that expires one hour later than in so many days."""
    end = datetime.now(UTC) + timedelta(days=days, hours=1)
    return certificate(element(UTC_TIME, f"{end:%y%m%d%H%M%SZ}".encode()))


@pytest.mark.parametrize(
    ("shown", "detail"),
    [
        (expiring_in(30), "200 OK, certificate expires in 30 days"),
        (expiring_in(0), "200 OK, certificate expires in 0 days"),
        (expiring_in(-3), "200 OK, certificate expired 3 days ago"),
        (b"no certificate", "200 OK"),
        (b"", "200 OK"),
    ],
)
def test_the_detail_says_when_the_certificate_expires(shown: bytes, detail: str) -> None:
    connection = Connection(StartTls(certificate=shown), request(), Send(OK))
    result = run_check(HttpsCheck(verify=False), connection, target=HERE)
    assert (result.outcome, result.detail) == (Outcome.PASS, detail)


@pytest.mark.parametrize(
    ("check", "host", "name"),
    [
        (HttpsCheck(), "192.0.2.11", "192.0.2.11"),
        (HttpsCheck(host="www.example.com"), "www.example.com", "www.example.com"),
        (HttpsCheck(host="www.example.com:8443"), "www.example.com:8443", "www.example.com"),
        (HttpsCheck(host="[2001:db8::1]:8443"), "[2001:db8::1]:8443", "2001:db8::1"),
        (HttpsCheck(host="a.example.com", sni="b.example.com"), "a.example.com", "b.example.com"),
        (HttpsCheck(sni="b.example.com"), "192.0.2.11", "b.example.com"),
    ],
)
def test_the_certificate_is_verified_for_the_name_that_is_asked_for(check: HttpsCheck, host: str, name: str) -> None:
    connection = Connection(StartTls(), request(host), Send(OK))
    assert run_check(check, connection, target=HERE).outcome is Outcome.PASS
    assert connection.server_hostname == name


def test_another_port_than_the_usual_one_is_in_the_host_header() -> None:
    connection = Connection(StartTls(), request("192.0.2.11:80"), Send(OK))
    assert run_check(HttpsCheck(), connection).outcome is Outcome.PASS


def test_a_refused_certificate_fails_and_nothing_is_asked() -> None:
    connection = Connection(StartTls(error="certificate of 192.0.2.11:443 refused: certificate has expired"))
    result = run_check(HttpsCheck(), connection, target=HERE)
    assert (result.outcome, result.reason) == (Outcome.FAIL, "tls")
    assert result.detail == "certificate of 192.0.2.11:443 refused: certificate has expired"
    assert connection.sent == b""
    assert connection.closed


@pytest.mark.parametrize(
    ("by", "reasons"),
    [(Hang(), ["timeout", "timeout"]), (Close(), ["tls", "closed"]), (Reset(), ["tls", "reset"])],
    ids=["hang", "close", "reset"],
)
def test_an_interruption_anywhere_fails_and_leaves_nothing_open(by: Step, reasons: list[str]) -> None:
    connections = list(interrupted([StartTls(), request(), Send(OK)], by))
    assert [run_check(HttpsCheck(), connection, target=HERE).reason for connection in connections] == reasons
    assert all(connection.closed for connection in connections)


def test_options_of_http_are_options_of_https() -> None:
    with pytest.raises(ValueError, match=r'^path: must start with "/"$'):
        HttpsCheck(path="alive")


def test_certificates_are_verified_unless_the_check_says_otherwise() -> None:
    careful = secured.context(verify=True, ca_file=None)
    assert (careful.verify_mode, careful.check_hostname) == (ssl.CERT_REQUIRED, True)
    careless = secured.context(verify=False, ca_file=None)
    assert (careless.verify_mode, careless.check_hostname) == (ssl.CERT_NONE, False)


def test_checks_that_want_the_same_share_a_context() -> None:
    first, second, other = HttpsCheck(), HttpsCheck(path="/other"), HttpsCheck(verify=False)
    assert first._context is second._context
    assert first._context is not other._context


def test_a_file_of_authorities_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^ca_file: /nowhere/ca\.pem can't be read: No such file or directory$"):
        HttpsCheck(ca_file="/nowhere/ca.pem")


def test_a_file_without_authorities_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing of use\n")
    with pytest.raises(ValueError, match=r"^ca_file: .*/ca\.pem can't be read: "):
        HttpsCheck(ca_file=str(tmp_path / "ca.pem"))
