"""The `tls` check against nginx, openssl and Postfix: every kind of certificate, staples, and TLS in the middle."""

import base64
import hashlib
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback.checks.tls import HandshakeCheck
from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.nginx import PLACES, nginx
from tests.checks.peers import check_once
from tests.checks.servers import process
from tests.checks.servers.openssl import s_server
from tests.checks.servers.postfix import Postfix, postfix
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority, Pair

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

HERE = "IP:127.0.0.1,IP:::1"
EXPIRES = "certificate expires in 29 days"


def server(pair: Pair, more: str = "", chain: Path | None = None, versions: str = "TLSv1.2 TLSv1.3") -> str:
    files = f"ssl_certificate {chain or pair.certificate}; ssl_certificate_key {pair.key}; ssl_protocols {versions};"
    return f"server {{ listen {{listen}} ssl http2; {files} {more} {PLACES} }}"


def stapling(response: Path) -> str:
    return f"ssl_stapling on; ssl_stapling_file {response};"


@pytest.fixture(scope="module")
def good(authority: Authority) -> Pair:
    return authority.issue("tls", f"DNS:www.example.com,DNS:*.example.org,{HERE}")


@pytest.fixture(scope="module")
def revoked(authority: Authority) -> Pair:
    return authority.issue("tls-revoked", HERE)


@pytest.fixture(scope="module")
def web(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, good: Pair, revoked: Pair
) -> Iterator[dict[str, Endpoint]]:
    directory = tmp_path_factory.mktemp("nginx")
    below = authority.below("tls-below")
    leaf = authority.issue("tls-leaf", HERE, by=below)
    chain = directory / "chain.pem"
    chain.write_text(leaf.certificate.read_text() + below.certificate.read_text())
    staple = authority.ocsp_response(good)
    servers = {
        "good": server(good),
        "v6": server(good),
        "old": server(good, versions="TLSv1.2"),
        "chain": server(leaf, chain=chain),
        "without the middle": server(leaf),
        "wrong name": server(authority.issue("tls-other", "DNS:other.example.com")),
        "expired": server(authority.issue("tls-expired", HERE, expired=True)),
        "early": server(authority.issue("tls-early", HERE, early=True)),
        "self-signed": server(authority.self_signed("tls-own", "own", HERE)),
        "stapled": server(good, stapling(staple)),
        "stapled, old": server(good, stapling(staple), versions="TLSv1.2"),
        "revoked": server(revoked, stapling(authority.ocsp_response(revoked, revoked=True))),
        "mistaken": server(authority.issue("tls-mistaken", HERE), stapling(staple)),
        "proxied": server(good).replace("ssl http2", "ssl http2 proxy_protocol"),
    }
    with nginx(directory, servers) as endpoints:
        yield endpoints


@pytest.mark.parametrize("name", ["good", "v6", "chain"])
async def test_a_valid_certificate_passes_and_the_detail_says_what_came_of_the_handshake(
    web: dict[str, Endpoint], authority: Authority, name: str
) -> None:
    result = await check_once(HandshakeCheck(ca_file=authority.ca_file), web[name])
    assert result == (Outcome.PASS, "", f"TLSv1.3, {EXPIRES}")


async def test_everything_that_can_be_asked_for_passes(
    web: dict[str, Endpoint], authority: Authority, good: Pair
) -> None:
    encoded = ssl.PEM_cert_to_DER_cert(good.certificate.read_text())
    key = authority.public_key(good)
    check = HandshakeCheck(
        ca_file=authority.ca_file,
        names=["www.example.com", "shop.example.org", "127.0.0.1"],
        min_days=28,
        min_version="TLSv1.3",
        alpn=["h2", "http/1.1"],
        fingerprint=["0" * 64, hashlib.sha256(encoded).hexdigest()],
        public_key=[f"sha256//{base64.b64encode(hashlib.sha256(key).digest()).decode()}"],
        ocsp="require",
    )
    assert await check_once(check, web["stapled"]) == (Outcome.PASS, "", f"TLSv1.3, h2, {EXPIRES}, OCSP good")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wrong name", "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        ("expired", "certificate has expired"),
        ("early", "certificate is not yet valid"),
        ("self-signed", "self-signed certificate"),
        ("without the middle", "unable to get local issuer certificate"),
    ],
)
async def test_a_bad_certificate_fails_with_what_is_bad(
    web: dict[str, Endpoint], authority: Authority, name: str, words: str
) -> None:
    outcome, reason, detail = await check_once(HandshakeCheck(ca_file=authority.ca_file), web[name])
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert detail.startswith(f"certificate of {web[name]} refused: {words}")


@pytest.mark.parametrize(
    ("name", "check", "words"),
    [
        ("old", HandshakeCheck(verify=False, min_version="TLSv1.3"), "the server speaks TLSv1.2, must be TLSv1.3"),
        ("good", HandshakeCheck(verify=False, min_days=60), "the certificate is valid for 29 days, must be 60"),
        (
            "good",
            HandshakeCheck(verify=False, names=["www.example.com", "example.org", "a.example.org"]),
            r"the certificate is not for example.org, but for www.example.com, \*.example.org, 127.0.0.1, ::1",
        ),
        ("expired", HandshakeCheck(verify=False, min_days=0), r"the certificate is valid for -\d+ days, must be 0"),
        ("good", HandshakeCheck(verify=False, fingerprint=["0" * 64]), "another fingerprint: [0-9A-F:]{95}$"),
        (
            "good",
            HandshakeCheck(verify=False, public_key=[f"sha256//{'A' * 43}="]),
            "another public key: sha256//[A-Za-z0-9+/]{43}=$",
        ),
    ],
)
async def test_what_the_options_ask_for_and_is_not_so_fails(
    web: dict[str, Endpoint], name: str, check: HandshakeCheck, words: str
) -> None:
    outcome, reason, detail = await check_once(check, web[name])
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert re.search(words, detail)


async def test_a_protocol_that_the_server_does_not_have_fails(
    tmp_path: Path, web: dict[str, Endpoint], good: Pair
) -> None:
    outcome, reason, detail = await check_once(HandshakeCheck(verify=False, alpn=["xmpp-client"]), web["good"])
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert "alert no application protocol" in detail
    with s_server(tmp_path, good) as endpoint:
        result = await check_once(HandshakeCheck(verify=False, alpn=["h2", "h3"]), endpoint)
        assert result == (Outcome.FAIL, "tls", "the server has chosen none of the protocols h2, h3")


async def test_a_server_of_tls_1_0_alone_fails(tmp_path: Path, good: Pair) -> None:
    with s_server(tmp_path, good, "-tls1", "-cipher", "DEFAULT:@SECLEVEL=0") as endpoint:
        outcome, reason, detail = await check_once(HandshakeCheck(verify=False), endpoint)
        assert (outcome, reason) == (Outcome.FAIL, "tls")
        assert detail.startswith(f"TLS with {endpoint} failed: ")  # in which words, OpenSSL's settings decide
        result = await check_once(HandshakeCheck(verify=False, ocsp="check"), endpoint)
        assert result[:2] == (Outcome.FAIL, "tls")


@pytest.mark.parametrize(
    ("name", "words"), [("stapled", "OCSP good"), ("stapled, old", "OCSP good"), ("good", "no OCSP response")]
)
async def test_a_staple_is_looked_at(web: dict[str, Endpoint], authority: Authority, name: str, words: str) -> None:
    check = HandshakeCheck(ca_file=authority.ca_file, ocsp="check")
    outcome, _, detail = await check_once(check, web[name])
    assert (outcome, detail.rpartition(", ")[2]) == (Outcome.PASS, words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("revoked", "OCSP: the stapled OCSP response says: revoked"),
        ("good", "OCSP: the server staples no OCSP response"),
        ("mistaken", "OCSP: the stapled OCSP response is for another certificate"),
    ],
)
async def test_a_bad_staple_fails(web: dict[str, Endpoint], authority: Authority, name: str, words: str) -> None:
    check = HandshakeCheck(ca_file=authority.ca_file, ocsp="require")
    assert await check_once(check, web[name]) == (Outcome.FAIL, "tls", words)


async def test_a_staple_that_is_encrypted_can_not_be_seen(tmp_path: Path, good: Pair, authority: Authority) -> None:
    with s_server(tmp_path, good, "-tls1_3") as endpoint:
        seen = await check_once(HandshakeCheck(ca_file=authority.ca_file, ocsp="check"), endpoint)
        assert seen == (Outcome.PASS, "", f"TLSv1.3, {EXPIRES}, no OCSP response to be seen in TLS 1.3")
        words = f"OCSP: {endpoint} does not speak TLS 1.2, in which a staple can be seen"
        required = await check_once(HandshakeCheck(ca_file=authority.ca_file, ocsp="require"), endpoint)
        assert required == (Outcome.UNKNOWN, "local", words)


async def test_a_listener_of_the_proxy_protocol_is_told_first(web: dict[str, Endpoint], authority: Authority) -> None:
    check = HandshakeCheck(ca_file=authority.ca_file, proxy_protocol="v2", ocsp="check")
    result = await check_once(check, web["proxied"])
    assert result == (Outcome.PASS, "", f"TLSv1.3, {EXPIRES}, no OCSP response")
    assert (await check_once(HandshakeCheck(ca_file=authority.ca_file), web["proxied"]))[0] is Outcome.FAIL


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_nobody_listens(address: str) -> None:
    with peers.unheard(address) as bound:
        assert (await check_once(HandshakeCheck(), peers.endpoint_of(bound)))[:2] == (Outcome.FAIL, "refused")


async def test_whatever_breaks_on_the_way_is_a_failure(web: dict[str, Endpoint], authority: Authority) -> None:
    await fails_at_every_step(HandshakeCheck(ca_file=authority.ca_file), web["good"], 2)
    await fails_at_every_step(HandshakeCheck(ca_file=authority.ca_file, ocsp="check"), web["stapled"], 2)


async def test_a_peer_that_drips_what_comes_in_the_clear_fails_at_the_deadline() -> None:
    async with peers.tcp_peer(peers.dripping(b"\x16")) as endpoint:
        outcome, reason, _ = await check_once(HandshakeCheck(verify=False, ocsp="check"), endpoint, SOON_SECONDS)
        assert outcome is Outcome.FAIL
        assert reason in {"timeout", "tls"}


# TLS in the middle


@pytest.fixture(scope="module")
def mail(authority: Authority, good: Pair) -> Iterator[Postfix]:
    other = authority.issue("tls-mail", "DNS:other.example.com")
    with postfix(good, other, process.free_port(), process.free_port()) as server:
        yield server


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_mail_server_goes_over_to_tls_and_is_told_goodbye(
    mail: Postfix, authority: Authority, address: str
) -> None:
    before = mail.log()
    check = HandshakeCheck(starttls="smtp", ca_file=authority.ca_file, names=["www.example.com"])
    result = await check_once(check, mail.endpoint("smtp", address))
    assert result == (Outcome.PASS, "", f"TLSv1.3, {EXPIRES}")
    await peers.until(lambda: "ehlo=1 starttls=1 quit=1 commands=3\n" in mail.log().removeprefix(before))


async def test_a_mail_server_that_refuses_to_is_quoted(mail: Postfix) -> None:
    outcome, reason, detail = await check_once(HandshakeCheck(starttls="smtp"), mail.endpoint("without tls"))
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert re.fullmatch(r'STARTTLS: answered "5\d\d .*"', detail)


async def test_whatever_breaks_on_the_way_to_tls_is_a_failure(mail: Postfix, authority: Authority) -> None:
    check = HandshakeCheck(starttls="smtp", ca_file=authority.ca_file)
    await fails_at_every_step(check, mail.endpoint("smtp"), 4)
