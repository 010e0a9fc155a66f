"""The `nntp` and `nntps` checks against public-inbox-nntpd, which has no logins."""

from collections.abc import Iterator

import pytest

from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.made import made
from tests.checks.peers import check_once
from tests.checks.servers.process import stopped
from tests.checks.servers.public_inbox import GROUP, NewsServer, public_inbox
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

EXPIRES = "certificate expires in 29 days"


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewsServer]:
    pair = authority.issue("news", "DNS:news.example.com,IP:127.0.0.1,IP:::1")
    with public_inbox(tmp_path_factory.mktemp("news"), pair) as running:
        yield running


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_without_options_it_passes_where_the_server_greets(server: NewsServer, address: str) -> None:
    outcome, reason, detail = await check_once(made("nntp"), Endpoint(address, server.nntp))
    assert (outcome, reason) == (Outcome.PASS, "")
    assert detail.startswith("greeted: ")


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_it_goes_on_in_tls_and_asks_for_a_group(server: NewsServer, authority: Authority, address: str) -> None:
    check = made("nntp", starttls=True, ca_file=authority.ca_file, mode_reader=True, group=GROUP)
    result = await check_once(check, Endpoint(address, server.nntp))
    assert result == (Outcome.PASS, "", f"{GROUP} with 0 articles, {EXPIRES}")


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_it_does_the_same_in_tls_from_the_start(server: NewsServer, authority: Authority, address: str) -> None:
    check = made("nntps", ca_file=authority.ca_file, sni="news.example.com", group=GROUP)
    result = await check_once(check, Endpoint(address, server.nntps))
    assert result == (Outcome.PASS, "", f"{GROUP} with 0 articles, {EXPIRES}")


async def test_a_group_that_is_not_there_fails_with_the_server_s_words(server: NewsServer) -> None:
    result = await check_once(made("nntp", group="no.such.group"), Endpoint("127.0.0.1", server.nntp))
    assert result == (Outcome.FAIL, "status", 'GROUP: answered "411 no such news group"')


async def test_a_server_without_logins_fails_the_login(server: NewsServer) -> None:
    check = made("nntp", user="monitor", password="secret")
    result = await check_once(check, Endpoint("127.0.0.1", server.nntp))
    assert result == (Outcome.FAIL, "status", 'AUTHINFO USER: answered "500 command not recognized"')


@pytest.mark.parametrize("name", ["nntp", "nntps"])
async def test_a_certificate_of_another_name_fails(server: NewsServer, authority: Authority, name: str) -> None:
    starttls = {"starttls": True} if name == "nntp" else {}
    check = made(name, ca_file=authority.ca_file, sni="www.example.com", **starttls)
    outcome, reason, detail = await check_once(check, Endpoint("127.0.0.1", getattr(server, name)))
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert "www.example.com" in detail


async def test_a_port_that_nobody_listens_on_fails() -> None:
    with peers.unheard() as bound:
        outcome, reason, _ = await check_once(made("nntp"), peers.endpoint_of(bound))
    assert (outcome, reason) == (Outcome.FAIL, "refused")


async def test_it_fails_when_any_step_fails(server: NewsServer) -> None:
    check = made("nntp", starttls=True, verify=False, group=GROUP)
    await fails_at_every_step(check, Endpoint("127.0.0.1", server.nntp), steps=4)  # the last two may come in one packet


async def test_a_server_that_hangs_fails_at_the_deadline(server: NewsServer) -> None:
    with stopped(server.process):
        result = await check_once(made("nntp"), Endpoint("127.0.0.1", server.nntp), SOON_SECONDS)
    assert result[:2] == (Outcome.FAIL, "timeout")
