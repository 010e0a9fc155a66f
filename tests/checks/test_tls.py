"""The `tls` check against scripts: what is compared, how TLS is begun in the middle, and what an OCSP response says."""

import base64
import hashlib
import re
from typing import Any

import pytest

from feedback.checks.starttls import WAYS
from feedback.checks.tls import HandshakeCheck
from feedback.model import CheckResult, Endpoint, Outcome
from feedback.net import Target
from feedback.testing import Close, Connection, Hang, Receive, Reset, Send, StartTls, Step, interrupted, run_check
from tests.checks.certificates import NAMED, REAL
from tests.checks.made import made
from tests.checks.ocsp_responses import REVOKED, response, single

HERE = Target(Endpoint("192.0.2.1", 443), "rs1", "web")


def counted(data: bytes, width: int = 3) -> bytes:
    return len(data).to_bytes(width) + data


def record(data: bytes, kind: int = 22) -> bytes:
    return bytes([kind, 3, 3]) + counted(data, 2)


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + counted(body)


def flight(staple: bytes, certificate: bytes = NAMED) -> bytes:
    """Return what a server says first in TLS 1.2."""
    hello = message(2, b"\x03\x03" + bytes(36))
    status = message(22, b"\x01" + counted(staple)) if staple else b""
    return record(hello) + record(message(11, counted(counted(certificate)))) + record(status + message(14, b""))


class Answer(Connection):
    """A peer that hears whatever a hello is, and answers it."""

    def take(self, data: bytes) -> None:
        self.sent += data


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "192.0.2.1"),
        ({"names": ["www.example.com", "192.0.2.1"]}, "www.example.com"),
        ({"names": ["a.example.org"], "sni": "www.example.com"}, "www.example.com"),
    ],
)
def test_the_certificate_is_asked_for_by_a_name(options: dict[str, Any], name: str) -> None:
    connection = Connection(StartTls(certificate=NAMED))
    result = run_check(HandshakeCheck(**options), connection, target=HERE)
    assert result.outcome is Outcome.PASS
    assert result.detail.startswith("TLSv1.3, certificate expires in ")
    assert connection.server_hostname == name


def test_what_the_server_has_chosen_is_in_the_detail() -> None:
    result = run_check(HandshakeCheck(alpn=["h2"]), Connection(StartTls(certificate=NAMED, alpn="h2")))
    assert result.detail.startswith("TLSv1.3, h2, certificate expires in ")


@pytest.mark.parametrize(
    ("options", "certificate", "words"),
    [
        ({"alpn": ["h2"]}, NAMED, "the server has chosen none of the protocols h2"),
        ({"min_days": 10000}, NAMED, r"the certificate is valid for \d+ days, must be 10000"),
        ({"min_days": 1}, b"no certificate", "the certificate is valid for a time that can't be read, must be 1"),
        (
            {"names": ["www.example.com", "example.net"]},
            NAMED,
            r"the certificate is not for example\.net, but for www\.example\.com, \*\.example\.org, 192.*",
        ),
        ({"names": ["rs1"]}, REAL, "the certificate is not for rs1, but for nothing"),
        ({"names": ["rs1"]}, b"", "the certificate is not for rs1, but for nothing"),
        ({"fingerprint": ["AB:" * 31 + "AB"]}, NAMED, "the certificate has another fingerprint: [0-9A-F:]{95}"),
        ({"public_key": [f"sha256//{'A' * 43}="]}, NAMED, "another public key: sha256//.{44}"),
    ],
)
def test_what_is_asked_for_and_is_not_so_fails(options: dict[str, Any], certificate: bytes, words: str) -> None:
    result = run_check(HandshakeCheck(**options), Connection(StartTls(certificate=certificate)))
    assert (result.outcome, result.reason) == (Outcome.FAIL, "tls")
    assert re.fullmatch(words, result.detail)


def test_fingerprints_and_pins_are_compared_in_any_form() -> None:
    digest = hashlib.sha256(NAMED).digest()
    key = bytes.fromhex("6c46bc32a185aac92409bff725594429cdf85ad86b792438d7a2230314bb7fc2")
    pin = f"sha256//{base64.b64encode(key).decode()}"
    for fingerprint in (digest.hex(), digest.hex(":").upper()):
        check = HandshakeCheck(fingerprint=["0" * 64, fingerprint], public_key=[pin])
        assert run_check(check, Connection(StartTls(certificate=NAMED))).outcome is Outcome.PASS


def check_staple(answer: bytes, ocsp: str = "require", chunk_bytes: int | None = None) -> CheckResult:
    script = Connection(StartTls(certificate=NAMED)), Answer(Send(answer))
    return run_check(made("tls", ocsp=ocsp), *script, target=HERE, chunk_bytes=chunk_bytes)


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_good_staple_passes(chunk_bytes: int | None) -> None:
    result = check_staple(flight(response(single(b"\x12\x34", end=b"20900101000000Z"))), chunk_bytes=chunk_bytes)
    assert result.outcome is Outcome.PASS
    assert result.detail.endswith(", OCSP good")


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (flight(b""), "tls", "the server staples no OCSP response"),
        (flight(response(single(b"\x12\x34", REVOKED))), "tls", "the stapled OCSP response says: revoked"),
        (flight(response(single(b"\x12\x35"))), "tls", "the stapled OCSP response is for another certificate"),
        (flight(response(single(b"\x12\x34")), b"?"), "tls", "the stapled OCSP response is for another certificate"),
        (
            flight(response(single(b"\x12\x34", end=b"20260102000000Z"))),
            "tls",
            "the stapled OCSP response has been out of date since 2026-01-02 00:00:00+00:00",
        ),
        (
            flight(response(single(b"\x12\x34", start=b"20900101000000Z"))),
            "tls",
            "the stapled OCSP response begins to hold at 2090-01-01 00:00:00+00:00",
        ),
        (flight(b"no response"), "protocol", "the stapled OCSP response can't be read"),
        (record(b"\x02\x28", 21), "tls", "refused a handshake in TLS 1.2 by alert 40"),
        (b"HTTP/1.1 400 Bad Request\r\n", "protocol", "not an answer in TLS"),
        (record(b"\x02\x46", 21), "local", "192.0.2.1:443 does not speak TLS 1.2, in which a staple can be seen"),
    ],
)
def test_another_staple_does_not(answer: bytes, reason: str, words: str) -> None:
    result = check_staple(answer)
    assert (result.reason, result.detail) == (reason, f"OCSP: {words}")


@pytest.mark.parametrize(
    ("answer", "words"),
    [(flight(b""), "no OCSP response"), (record(b"\x02\x46", 21), "no OCSP response to be seen in TLS 1.3")],
)
def test_without_a_staple_a_check_passes_that_does_not_require_it(answer: bytes, words: str) -> None:
    result = check_staple(answer, "check")
    assert (result.outcome, result.detail.rpartition(", ")[2]) == (Outcome.PASS, words)


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_a_server_that_ends_the_second_handshake_fails(by: Step, reason: str) -> None:
    whole = flight(response(single(b"\x12\x34")))
    for said in (b"", whole[:3], whole[:30], whole[:-1]):
        script = Connection(StartTls(certificate=NAMED)), Answer(Send(said), by) if said else Answer(by)
        assert run_check(HandshakeCheck(ocsp="check"), *script).reason == reason


LINES: dict[str, list[Step]] = {
    "ftp": [Send(b"220-hello\r\n220 ready\r\n"), Receive(b"AUTH TLS\r\n"), Send(b"234 go ahead\r\n")],
    "imap": [Send(b"* OK ready\r\n"), Receive(b"a STARTTLS\r\n"), Send(b"a OK begin\r\n")],
    "nntp": [Send(b"201 no posting\r\n"), Receive(b"STARTTLS\r\n"), Send(b"382 go ahead\r\n")],
    "pop3": [Send(b"+OK ready\r\n"), Receive(b"STLS\r\n"), Send(b"+OK begin\r\n")],
    "postgresql": [Receive(bytes.fromhex("0000000804d2162f")), Send(b"S")],
    "smtp": [
        Send(b"220 ready\r\n"),
        Receive(b"EHLO feedback\r\n"),
        Send(b"250-mail.example.com\r\n250 STARTTLS\r\n"),
        Receive(b"STARTTLS\r\n"),
        Send(b"220 go ahead\r\n"),
    ],
}
NO = {
    "ftp": b"502 no such command\r\n",
    "imap": b"a BAD unknown\r\n",
    "nntp": b"580 can't\r\n",
    "pop3": b"-ERR unknown\r\n",
    "postgresql": b"N",
    "smtp": b"454 not now\r\n",
}


def goodbye(protocol: str) -> Receive:
    return Receive(next(way for name, way in WAYS.items() if name == protocol).farewell.encode())


def test_every_way_is_tried() -> None:
    assert set(WAYS) == set(LINES) == set(NO)


@pytest.mark.parametrize("protocol", WAYS)
@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_tls_is_begun_in_the_middle(protocol: str, chunk_bytes: int | None) -> None:
    connection = Connection(*LINES[protocol], StartTls(certificate=NAMED), goodbye(protocol))
    result = run_check(made("tls", starttls=protocol), connection, chunk_bytes=chunk_bytes)
    assert result.outcome is Outcome.PASS, result
    assert result.detail.startswith("TLSv1.3, certificate expires in ")
    assert connection.sent.endswith(goodbye(protocol).data)


@pytest.mark.parametrize("protocol", WAYS)
def test_a_server_that_does_not_want_to_is_quoted(protocol: str) -> None:
    script = Connection(*LINES[protocol][:-1], Send(NO[protocol]), goodbye(protocol))
    result = run_check(made("tls", starttls=protocol), script)
    assert (result.outcome, result.reason) == (Outcome.FAIL, "tls")
    assert result.detail.endswith(f'answered "{NO[protocol].decode().strip()}"')


@pytest.mark.parametrize("protocol", WAYS)
@pytest.mark.parametrize(
    ("by", "reasons"), [(Hang(), {"timeout"}), (Close(), {"closed", "tls"}), (Reset(), {"reset", "tls"})]
)
def test_whatever_breaks_in_the_middle_is_a_failure(protocol: str, by: Step, reasons: set[str]) -> None:
    for connection in interrupted([*LINES[protocol], StartTls(certificate=NAMED)], by):
        assert run_check(made("tls", starttls=protocol), connection).reason in reasons


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpn": [""]}, "alpn: must be names of protocols, like h2"),
        ({"ocsp": "check", "starttls": "smtp"}, "ocsp: goes with TLS from the start, not with starttls"),
        (
            {"fingerprint": ["12:34"]},
            "fingerprint: must be SHA-256 as 64 hexadecimal digits, with colons or without",
        ),
        ({"public_key": ["A" * 43 + "="]}, "public_key: must be sha256// and SHA-256 in base64"),
        ({"public_key": ["sha256//AAAA"]}, "public_key: must be sha256// and SHA-256 in base64"),
        ({"public_key": ["sha256//?"]}, "public_key: must be sha256// and SHA-256 in base64"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        HandshakeCheck(**options)
