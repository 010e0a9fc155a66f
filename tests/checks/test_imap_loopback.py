"""The `imap` and `imaps` checks against Dovecot."""

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
    pair = authority.issue("imap", "DNS:mail.example.com,IP:127.0.0.1,IP:::1")
    with dovecot(tmp_path_factory.mktemp("imap"), pair) as running:
        yield running


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_without_options_it_passes_where_the_server_greets(server: Dovecot, address: str) -> None:
    result = await check_once(made("imap"), Endpoint(address, server.imap))
    assert result == (Outcome.PASS, "", "greeted: Dovecot (Debian) ready.")


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_it_goes_on_in_tls_logs_in_and_opens_a_mailbox(
    server: Dovecot, authority: Authority, address: str
) -> None:
    check = made("imap", starttls=True, ca_file=authority.ca_file, user="monitor", password=PASSWORD, mailbox="INBOX")
    result = await check_once(check, Endpoint(address, server.imap))
    assert result == (Outcome.PASS, "", f"mailbox with {MESSAGES} messages, {EXPIRES}")


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_it_does_the_same_in_tls_from_the_start(server: Dovecot, authority: Authority, address: str) -> None:
    options = {"ca_file": authority.ca_file, "sni": "mail.example.com"}
    check = made("imaps", user="monitor", password=PASSWORD, mailbox="INBOX", **options)
    result = await check_once(check, Endpoint(address, server.imaps))
    assert result == (Outcome.PASS, "", f"mailbox with {MESSAGES} messages, {EXPIRES}")


@pytest.mark.parametrize("address", peers.ADDRESSES)
@pytest.mark.parametrize("form", ["v1", "v2"])
async def test_it_passes_through_a_listener_of_the_proxy_protocol(server: Dovecot, address: str, form: str) -> None:
    check = made("imaps", verify=False, proxy_protocol=form, user="monitor", password=PASSWORD)
    outcome, _, detail = await check_once(check, Endpoint(address, server.proxied))
    assert (outcome, detail) == (Outcome.PASS, f"logged in, {EXPIRES}")


@pytest.mark.parametrize("user", ["two words", 'a"b\\c', "jörg@example.com"])
async def test_a_user_s_name_may_have_any_characters(server: Dovecot, user: str) -> None:
    """Beyond ASCII they go as a literal, which the server asks for."""
    check = made("imap", user=user, password=PASSWORD)
    result = await check_once(check, Endpoint("127.0.0.1", server.imap))
    assert result == (Outcome.PASS, "", "logged in")


async def test_a_wrong_password_fails_with_the_server_s_words(server: Dovecot) -> None:
    check = made("imap", user="monitor", password="guessed")
    result = await check_once(check, Endpoint("127.0.0.1", server.imap))
    assert result == (
        Outcome.FAIL,
        "auth",
        'LOGIN: answered "a3 NO [AUTHENTICATIONFAILED] Authentication failed."',
    )


async def test_no_password_is_sent_where_the_server_wants_tls_first(server: Dovecot) -> None:
    check = made("imap", user="monitor", password=PASSWORD)
    outcome, reason, detail = await check_once(check, Endpoint(DISTANT, server.imap))
    assert (outcome, reason) == (Outcome.FAIL, "auth")
    assert detail.startswith('CAPABILITY: answered "* CAPABILITY IMAP4rev1 ')
    assert "LOGINDISABLED" in detail


async def test_a_mailbox_that_is_not_there_fails(server: Dovecot) -> None:
    check = made("imap", user="monitor", password=PASSWORD, mailbox="Entwürfe")
    outcome, reason, detail = await check_once(check, Endpoint("127.0.0.1", server.imap))
    assert (outcome, reason) == (Outcome.FAIL, "status")
    assert detail.startswith("EXAMINE: answered \"a4 NO Mailbox doesn't exist: Entw\\xc3\\xbcrfe")


@pytest.mark.parametrize("name", ["imap", "imaps"])
async def test_a_certificate_of_another_name_fails(server: Dovecot, authority: Authority, name: str) -> None:
    starttls = {"starttls": True} if name == "imap" else {}
    check = made(name, ca_file=authority.ca_file, sni="www.example.com", **starttls)
    outcome, reason, detail = await check_once(check, Endpoint("127.0.0.1", getattr(server, name)))
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert "www.example.com" in detail


async def test_a_port_that_nobody_listens_on_fails() -> None:
    with peers.unheard() as bound:
        outcome, reason, _ = await check_once(made("imap"), peers.endpoint_of(bound))
    assert (outcome, reason) == (Outcome.FAIL, "refused")


async def test_another_protocol_s_server_fails_at_once(server: Dovecot) -> None:
    result = await check_once(made("imap"), Endpoint("127.0.0.1", server.pop3))
    assert result == (Outcome.FAIL, "protocol", 'greeting: answered "+OK Dovecot (Debian) ready."')


async def test_it_fails_when_any_step_fails(server: Dovecot) -> None:
    check = made("imap", user="monitor", password=PASSWORD, mailbox="INBOX")
    await fails_at_every_step(check, Endpoint("127.0.0.1", server.imap), steps=4)


async def test_it_fails_when_the_way_into_tls_fails(server: Dovecot) -> None:
    check = made("imap", starttls=True, verify=False)
    await fails_at_every_step(check, Endpoint("127.0.0.1", server.imap), steps=4)  # the last two may come in one packet


async def test_a_server_that_hangs_fails_at_the_deadline(server: Dovecot) -> None:
    with stopped(server.process):
        result = await check_once(made("imap"), Endpoint("127.0.0.1", server.imap), SOON_SECONDS)
    assert result[:2] == (Outcome.FAIL, "timeout")
