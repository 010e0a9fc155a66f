"""The `https` check against a real web server: certificates good and bad, and what does not speak TLS."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import uvloop

from feedback.checks.http import HttpCheck
from feedback.checks.http_request import HttpRequest
from feedback.checks.https import HttpsCheck
from feedback.checks.runner import run_once
from feedback.model import Endpoint, Outcome
from feedback.net import Target
from tests.checks import peers
from tests.checks.nginx import PLACES, nginx
from tests.checks.peers import check_once, tcp_peer
from tests.checks.tls_files import Authority, Pair

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""


def server(pair: Pair, more: str = "") -> str:
    files = f"ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key};"
    return f"server {{ listen {{listen}} ssl; {files} {more} {PLACES} }}"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[dict[str, Endpoint]]:
    good = authority.issue("good", "DNS:www.example.com,IP:127.0.0.1,IP:::1")
    other = authority.issue("other", "DNS:other.example.com")
    servers = {
        "good": server(good),
        "v6": server(good),
        "wrong name": server(other),
        "expired": server(authority.issue("expired", "IP:127.0.0.1", expired=True)),
        "self-signed": server(authority.self_signed("own", "own", "IP:127.0.0.1")),
        "two names": server(good, "server_name www.example.com;") + server(other, "server_name other.example.com;"),
        "old": server(good, "ssl_protocols TLSv1.2;"),
        "plain": f"server {{ listen {{listen}}; {PLACES} }}",
        "clients": server(good, f"ssl_verify_client on; ssl_client_certificate {authority.ca_file};"),
    }
    with nginx(tmp_path_factory.mktemp("nginx"), servers) as endpoints:
        yield endpoints


@pytest.mark.parametrize("name", ["good", "v6", "old"])
async def test_a_valid_certificate_passes_and_its_expiry_is_in_the_detail(
    web: dict[str, Endpoint], authority: Authority, name: str
) -> None:
    outcome, reason, detail = await check_once(HttpsCheck(ca_file=authority.ca_file, body="alive"), web[name])
    assert (outcome, reason) == (Outcome.PASS, "")
    assert re.fullmatch("200 OK, certificate expires in (29|30) days", detail)


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_either_loop_will_do(
    web: dict[str, Endpoint], authority: Authority, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def check() -> Outcome:
        return (await run_once(HttpsCheck(ca_file=authority.ca_file, body="alive"), Target(web["good"]), 10)).outcome

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(check()) is Outcome.PASS


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wrong name", "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        ("expired", "certificate has expired"),
        ("self-signed", "self-signed certificate"),
    ],
)
async def test_a_bad_certificate_fails_with_what_is_bad(
    web: dict[str, Endpoint], authority: Authority, name: str, words: str
) -> None:
    outcome, reason, detail = await check_once(HttpsCheck(ca_file=authority.ca_file), web[name])
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert detail.startswith(f"certificate of {web[name]} refused: {words}")


async def test_an_authority_that_the_system_does_not_know_is_refused(web: dict[str, Endpoint]) -> None:
    outcome, reason, detail = await check_once(HttpsCheck(), web["good"])
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert detail.endswith("unable to get local issuer certificate")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wrong name", r"certificate expires in \d+ days"),
        ("self-signed", r"certificate expires in \d+ days"),
        ("expired", r"certificate expired \d+ days ago"),
    ],
)
async def test_a_bad_certificate_passes_where_it_is_not_verified_and_the_detail_says_when_it_expires(
    web: dict[str, Endpoint], name: str, words: str
) -> None:
    outcome, _, detail = await check_once(HttpsCheck(verify=False), web[name])
    assert outcome is Outcome.PASS
    assert re.fullmatch(f"200 OK, {words}", detail)


@pytest.mark.parametrize("name", ["www.example.com", "other.example.com"])
async def test_sni_chooses_the_certificate_and_it_is_verified_for_that_name(
    web: dict[str, Endpoint], authority: Authority, name: str
) -> None:
    asked = HttpsCheck(ca_file=authority.ca_file, sni=name, path="/host", body=name)
    assert (await check_once(asked, web["two names"]))[0] is Outcome.PASS
    by_host = HttpsCheck(ca_file=authority.ca_file, host=f"{name}:443", path="/host", body=f"{name} GET  {name}")
    assert (await check_once(by_host, web["two names"]))[0] is Outcome.PASS


async def test_a_certificate_for_another_name_than_sni_is_refused(
    web: dict[str, Endpoint], authority: Authority
) -> None:
    outcome, reason, detail = await check_once(
        HttpsCheck(ca_file=authority.ca_file, sni="third.example.com"), web["two names"]
    )
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert "certificate is not valid for 'third.example.com'" in detail


async def test_a_server_that_asks_for_a_certificate_is_shown_one(
    web: dict[str, Endpoint], authority: Authority
) -> None:
    mine = authority.issue("client", "DNS:checker")
    shown = HttpsCheck(ca_file=authority.ca_file, cert_file=str(mine.certificate), key_file=str(mine.key), body="alive")
    assert (await check_once(shown, web["clients"]))[0] is Outcome.PASS


async def test_without_a_certificate_such_a_server_refuses_what_it_is_asked(
    web: dict[str, Endpoint], authority: Authority
) -> None:
    result = await check_once(HttpsCheck(ca_file=authority.ca_file, body="alive"), web["clients"])
    assert result == (Outcome.FAIL, "status", "status 400 Bad Request, must be 200-399")
    stranger = authority.self_signed("stranger", "stranger")
    shown = HttpsCheck(ca_file=authority.ca_file, cert_file=str(stranger.certificate), key_file=str(stranger.key))
    assert (await check_once(shown, web["clients"]))[:2] == (Outcome.FAIL, "status")


@pytest.mark.parametrize("name", ["good", "v6", "old"])
async def test_a_tls_connection_is_used_by_as_many_runs_as_it_may(
    web: dict[str, Endpoint], authority: Authority, name: str
) -> None:
    results = await peers.check_often(HttpsCheck(ca_file=authority.ca_file, path="/first", reuse=2), web[name], 6)
    assert [result.detail.partition(",")[0] for result in results] == ["201 Created", *["202 Accepted"] * 2] * 2
    assert all("certificate expires in" in result.detail for result in results)


async def test_requests_and_redirects_go_on_in_the_same_tls_connection(
    web: dict[str, Endpoint], authority: Authority
) -> None:
    check = HttpsCheck(
        ca_file=authority.ca_file,
        path="/count",
        body="1",
        requests=(HttpRequest(path="/count", body="2"), HttpRequest(path="/moved-here", follow=1, body="4")),
    )
    outcome, reason, detail = await check_once(check, web["good"])
    assert (outcome, reason) == (Outcome.PASS, "")
    assert detail.startswith("200 OK, 200 OK, 200 OK after 1 redirect, certificate expires in ")


async def test_a_body_larger_than_a_tls_record_is_read(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> None:
    directory = tmp_path_factory.mktemp("nginx")
    (directory / "large.txt").write_text("a" * 60_000 + "the end")
    pair = authority.issue("large", "IP:127.0.0.1")
    files = server(pair).replace("alias files/", f"alias {directory}/")
    with nginx(directory, {"large": files}) as endpoints:
        check = HttpsCheck(ca_file=authority.ca_file, path="/file/large.txt", body="the end")
        assert (await check_once(check, endpoints["large"]))[0] is Outcome.PASS


async def test_https_to_a_plain_port_fails_as_tls(web: dict[str, Endpoint]) -> None:
    outcome, reason, detail = await check_once(HttpsCheck(verify=False), web["plain"])
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert detail.startswith(f"TLS with {web['plain']} failed: ")


async def test_http_to_a_tls_port_fails_by_the_status(web: dict[str, Endpoint]) -> None:
    result = await check_once(HttpCheck(), web["good"])
    assert result == (Outcome.FAIL, "status", "status 400 Bad Request, must be 200-399")


@pytest.fixture
async def mute() -> AsyncIterator[Endpoint]:
    async with tcp_peer(peers.silent) as endpoint:
        yield endpoint


async def test_a_peer_that_never_shakes_hands_fails_at_the_deadline(mute: Endpoint) -> None:
    result = await check_once(HttpsCheck(verify=False), mute, SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", f"no TLS handshake with {mute} within 0.3 s")


async def test_a_peer_that_drips_a_handshake_fails_at_the_deadline() -> None:
    """A record's beginning that promises 16 KiB, and then nearly nothing."""

    async def talk(connection: socket.socket) -> None:
        await peers.say(connection, b"\x16\x03\x03\x40\x00")
        await peers.dripping(b"\x02")(connection)

    async with tcp_peer(talk) as endpoint:
        outcome, reason, _ = await check_once(HttpsCheck(verify=False), endpoint, SOON_SECONDS)
        assert outcome is Outcome.FAIL
        assert reason in {"timeout", "tls"}


@pytest.mark.parametrize(
    ("talk", "reason", "words"),
    [
        (peers.answering(), "tls", "closed the connection in the middle of TLS"),
        (peers.reset, "reset", "connection reset by"),
        (peers.Flood(b"", b"a" * 100_000), "tls", "failed: "),
    ],
)
async def test_a_handshake_that_breaks_is_said_to(talk: peers.Talk, reason: str, words: str) -> None:
    async with tcp_peer(talk) as endpoint:
        outcome, seen, detail = await check_once(HttpsCheck(verify=False), endpoint)
        assert (outcome, seen) == (Outcome.FAIL, reason)
        assert words in detail


async def test_many_handshakes_leave_no_descriptor_open(web: dict[str, Endpoint], mute: Endpoint) -> None:
    before = peers.descriptors()
    checks = [
        (HttpsCheck(verify=False), web["good"], 30.0),
        (HttpsCheck(), web["good"], 30.0),
        (HttpsCheck(verify=False), web["plain"], 30.0),
        (HttpsCheck(verify=False), mute, 0.1),
    ] * 20
    results = await asyncio.gather(*(check_once(*check) for check in checks))
    assert [result[1] for result in results] == ["", "tls", "tls", "timeout"] * 20
    await peers.until(lambda: peers.descriptors().keys() == before.keys())
