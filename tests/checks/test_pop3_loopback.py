"""The `pop3` and `pop3s` checks against Dovecot."""

from collections.abc import Iterator

import pytest

from feedback.model import Endpoint, Outcome
from tests.checks import peers
from tests.checks.made import made
from tests.checks.peers import check_once
from tests.checks.servers.dovecot import DISTANT, MESSAGES, PASSWORD, Dovecot, dovecot
from tests.checks.servers.process import stopped
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

EXPIRES = "certificate expires in 29 days"


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    pair = authority.issue("pop3", "DNS:mail.example.com,IP:127.0.0.1,IP:::1")
    with dovecot(tmp_path_factory.mktemp("pop3"), pair) as running:
        yield running


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_without_options_it_passes_where_the_server_greets(server: Dovecot, address: str) -> None:
    result = await check_once(made("pop3"), Endpoint(address, server.pop3))
    assert result == (Outcome.PASS, "", "greeted: Dovecot (Debian) ready.")


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_it_goes_on_in_tls_and_asks_for_the_mailbox(server: Dovecot, authority: Authority, address: str) -> None:
    check = made("pop3", starttls=True, ca_file=authority.ca_file, user="monitor", password=PASSWORD)
    result = await check_once(check, Endpoint(address, server.pop3))
    assert result == (Outcome.PASS, "", f"mailbox with {MESSAGES} messages, {EXPIRES}")


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_it_does_the_same_in_tls_from_the_start(server: Dovecot, authority: Authority, address: str) -> None:
    options = {"ca_file": authority.ca_file, "sni": "mail.example.com"}
    check = made("pop3s", user="monitor", password=PASSWORD, **options)
    result = await check_once(check, Endpoint(address, server.pop3s))
    assert result == (Outcome.PASS, "", f"mailbox with {MESSAGES} messages, {EXPIRES}")


async def test_a_wrong_password_fails_with_the_server_s_words(server: Dovecot) -> None:
    check = made("pop3", user="monitor", password="guessed")
    result = await check_once(check, Endpoint("127.0.0.1", server.pop3))
    assert result == (Outcome.FAIL, "auth", 'PASS: answered "-ERR [AUTH] Authentication failed."')


async def test_no_password_is_sent_where_the_server_wants_tls_first(server: Dovecot) -> None:
    check = made("pop3", user="monitor", password=PASSWORD)
    outcome, reason, detail = await check_once(check, Endpoint(DISTANT, server.pop3))
    assert (outcome, reason) == (Outcome.FAIL, "auth")
    assert detail.startswith('USER: answered "-ERR [AUTH] ')


@pytest.mark.parametrize("name", ["pop3", "pop3s"])
async def test_a_certificate_of_another_name_fails(server: Dovecot, authority: Authority, name: str) -> None:
    starttls = {"starttls": True} if name == "pop3" else {}
    check = made(name, ca_file=authority.ca_file, sni="www.example.com", **starttls)
    outcome, reason, detail = await check_once(check, Endpoint("127.0.0.1", getattr(server, name)))
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert "www.example.com" in detail


async def test_a_port_that_nobody_listens_on_fails() -> None:
    with peers.unheard() as bound:
        outcome, reason, _ = await check_once(made("pop3"), peers.endpoint_of(bound))
    assert (outcome, reason) == (Outcome.FAIL, "refused")


async def test_another_protocol_s_server_fails_at_once(server: Dovecot) -> None:
    outcome, reason, detail = await check_once(made("pop3"), Endpoint("127.0.0.1", server.imap))
    assert (outcome, reason) == (Outcome.FAIL, "protocol")
    assert detail.startswith('greeting: answered "* OK ')


async def test_it_fails_when_any_step_fails(server: Dovecot) -> None:
    check = made("pop3", user="monitor", password=PASSWORD)
    await fails_at_every_step(check, Endpoint("127.0.0.1", server.pop3), steps=4)


async def test_it_fails_when_the_way_into_tls_fails(server: Dovecot) -> None:
    check = made("pop3", starttls=True, verify=False)
    await fails_at_every_step(check, Endpoint("127.0.0.1", server.pop3), steps=3)


async def test_a_server_that_hangs_fails_at_the_deadline(server: Dovecot) -> None:
    with stopped(server.process):
        result = await check_once(made("pop3"), Endpoint("127.0.0.1", server.pop3), SOON_SECONDS)
    assert result[:2] == (Outcome.FAIL, "timeout")
