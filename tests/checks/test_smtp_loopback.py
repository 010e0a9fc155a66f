"""The `smtp`, `smtps` and `lmtp` checks against Postfix and Dovecot: what passes, what fails, and what one reads."""

import smtplib
from collections.abc import Iterator
from typing import Any

import pytest

from feedback.checks.lmtp import LmtpCheck
from feedback.checks.runner import run_once
from feedback.checks.smtp import SmtpCheck
from feedback.checks.smtps import SmtpsCheck
from feedback.model import Endpoint, Outcome
from feedback.net import Target
from feedback.secret import Secret
from tests.checks import peers
from tests.checks.peers import check_once
from tests.checks.servers import process
from tests.checks.servers.dovecot_delivery import PASSWORD, USER, Delivery, dovecot_delivery
from tests.checks.servers.postfix import Postfix, postfix
from tests.checks.servers.process import stopped
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.tls_files import Authority, Pair

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

GREETING = "220 mail.example.com ESMTP Postfix"
EXPIRES = "certificate expires in 29 days"
LOGIN: dict[str, Any] = {"user": USER, "password": Secret(PASSWORD)}
MAIL = "Subject: a real one\r\n\r\nthat is to arrive\r\n"


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("smtp", "DNS:mail.example.com,IP:127.0.0.1,IP:::1")


@pytest.fixture(scope="module")
def smtp_port() -> int:
    return process.free_port()


@pytest.fixture(scope="module")
def auth_port() -> int:
    return process.free_port()


@pytest.fixture(scope="module")
def mail(authority: Authority, pair: Pair, smtp_port: int, auth_port: int) -> Iterator[Postfix]:
    with postfix(pair, authority.issue("smtp-other", "DNS:other.example.com"), smtp_port, auth_port) as server:
        yield server


@pytest.fixture(scope="module")
def delivery(
    tmp_path_factory: pytest.TempPathFactory, pair: Pair, smtp_port: int, auth_port: int
) -> Iterator[Delivery]:
    with dovecot_delivery(tmp_path_factory.mktemp("delivery"), pair, auth_port, smtp_port) as server:
        yield server


# Postfix


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_mail_server_passes_and_is_told_goodbye(mail: Postfix, address: str) -> None:
    before = mail.log()
    assert await check_once(SmtpCheck(), mail.endpoint("smtp", address)) == (Outcome.PASS, "", GREETING)
    await peers.until(lambda: "ehlo=1 quit=1 commands=2\n" in mail.log().removeprefix(before))


@pytest.mark.usefixtures("delivery")
@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_everything_that_can_be_asked_for_passes_in_tls(
    mail: Postfix, authority: Authority, address: str
) -> None:
    check = SmtpCheck(
        starttls=True,
        ca_file=authority.ca_file,
        expect_banner=r"^mail\.example\.com ",
        expect_capabilities=["SIZE 10240000", "AUTH PLAIN LOGIN"],
        mail_from="probe@example.com",
        rcpt_to=["postmaster@example.com", USER],
        **LOGIN,
    )
    accepts = f"accepts mail for postmaster@example.com, {USER}"
    expected = f"{GREETING}, {EXPIRES}, logged in by AUTH PLAIN, {accepts}"
    assert await check_once(check, mail.endpoint("submission", address)) == (Outcome.PASS, "", expected)


@pytest.mark.usefixtures("delivery")
@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_the_same_in_tls_from_the_start(mail: Postfix, authority: Authority, address: str) -> None:
    check = SmtpsCheck(ca_file=authority.ca_file, expect_capabilities=["AUTH PLAIN"], **LOGIN)
    expected = f"{GREETING}, {EXPIRES}, logged in by AUTH PLAIN"
    assert await check_once(check, mail.endpoint("smtps", address)) == (Outcome.PASS, "", expected)


async def test_a_server_of_the_old_kind_is_asked_by_helo(mail: Postfix) -> None:
    check = SmtpCheck(rcpt_to=["postmaster@example.com"])
    outcome, _, detail = await check_once(check, mail.endpoint("old"))
    assert (outcome, detail) == (Outcome.PASS, f"{GREETING}, accepts mail for postmaster@example.com")


UNWANTED = "<unknown[127.0.0.1]>: Client host rejected"
NOT_HERE = "Recipient address rejected: User unknown in local recipient table"
GREYLISTED = "Recipient address rejected: Greylisted, come again in 5 minutes"
NO_LOGIN = "530 5.7.0 Must issue a STARTTLS command first"
ANNOUNCED = "PIPELINING, SIZE 10240000, VRFY, "


@pytest.mark.parametrize(
    ("listener", "options", "reason", "detail"),
    [
        ("refusing", {}, "status", f"greeting: 554 5.7.1 {UNWANTED}: Access denied"),
        (
            "closing",
            {},
            "status",
            f"greeting: 421 4.3.2 {UNWANTED}: Going down for maintenance",
        ),
        ("submission", {"rcpt_to": [USER]}, "status", f"MAIL FROM:<>: {NO_LOGIN}"),
        (
            "smtp",
            {"rcpt_to": ["nobody@example.com"]},
            "status",
            f"RCPT TO:<nobody@example.com>: 550 5.1.1 <nobody@example.com>: {NOT_HERE}",
        ),
        (
            "smtp",
            {"rcpt_to": [USER, "somebody@example.org"]},
            "status",
            "RCPT TO:<somebody@example.org>: 554 5.7.1 <somebody@example.org>: Relay access denied",
        ),
        (
            "smtp",
            {"rcpt_to": ["grey@example.com"]},
            "status",
            f"RCPT TO:<grey@example.com>: 450 4.2.0 <grey@example.com>: {GREYLISTED}",
        ),
    ],
)
async def test_a_refusal_is_told_in_the_server_s_own_words(
    mail: Postfix, listener: str, options: dict[str, Any], reason: str, detail: str
) -> None:
    result = await check_once(SmtpCheck(helo="lvs1.example.com", **options), mail.endpoint(listener))
    assert result == (Outcome.FAIL, reason, f"{detail}, must be 2yz")


@pytest.mark.parametrize(
    ("listener", "options", "detail"),
    [
        ("smtp", {"expect_banner": "Exim"}, f"greeting: {GREETING}, must match Exim"),
        ("without tls", {"starttls": True}, f"EHLO lvs1.example.com: STARTTLS is not announced; what is: {ANNOUNCED}"),
        (
            "without tls",
            {"expect_capabilities": ["SIZE 1"]},
            f"EHLO lvs1.example.com: SIZE 1 is not announced; what is: {ANNOUNCED}",
        ),
        (
            "without tls",
            {"login_without_tls": True, **LOGIN},
            f"EHLO lvs1.example.com: AUTH PLAIN is not announced; what is: {ANNOUNCED}",
        ),
    ],
)
async def test_what_is_missing_is_told_beside_what_is_there(
    mail: Postfix, listener: str, options: dict[str, Any], detail: str
) -> None:
    check = SmtpCheck(helo="lvs1.example.com", **options)
    outcome, reason, seen = await check_once(check, mail.endpoint(listener))
    assert (outcome, reason) == (Outcome.FAIL, "content")
    assert seen.startswith(detail)


@pytest.mark.parametrize(
    ("listener", "options", "ratio", "detail"),
    [
        ("closing", {"temporary": "drain"}, 0.0, f"greeting: 421 4.3.2 {UNWANTED}: Going down for maintenance"),
        (
            "smtp",
            {"temporary": "degrade", "rcpt_to": ["grey@example.com", USER]},
            0.5,
            f"RCPT TO:<grey@example.com>: 450 4.2.0 <grey@example.com>: {GREYLISTED}",
        ),
    ],
)
async def test_a_server_that_is_not_ready_now_may_keep_some_of_its_weight(
    mail: Postfix, listener: str, options: dict[str, Any], ratio: float, detail: str
) -> None:
    result = await run_once(SmtpCheck(**options), Target(mail.endpoint(listener)), 10.0)
    assert (result.outcome, result.weight_ratio) == (Outcome.PASS, ratio)
    assert result.detail == f"not now ({options['temporary']}), {detail}"


@pytest.mark.usefixtures("delivery")
@pytest.mark.parametrize(("listener", "kind"), [("submission", SmtpCheck), ("smtps", SmtpsCheck)])
async def test_a_wrong_password_is_refused(
    mail: Postfix, authority: Authority, listener: str, kind: type[SmtpCheck]
) -> None:
    check = kind(ca_file=authority.ca_file, starttls=kind is SmtpCheck, user=USER, password=Secret("wrong"))
    outcome, reason, detail = await check_once(check, mail.endpoint(listener))
    assert (outcome, reason) == (Outcome.FAIL, "auth")
    assert detail.startswith("AUTH PLAIN: 535 5.7.8 Error: authentication failed: ")


async def test_a_certificate_of_another_name_or_authority_is_refused(mail: Postfix, authority: Authority) -> None:
    there = mail.endpoint("other")
    expected = f"TLS: certificate of {there} refused: "
    outcome, reason, detail = await check_once(SmtpCheck(starttls=True, ca_file=authority.ca_file), there)
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert detail.startswith(f"{expected}IP address mismatch")
    outcome, reason, detail = await check_once(SmtpCheck(starttls=True), there)
    assert (outcome, reason, detail) == (Outcome.FAIL, "tls", f"{expected}unable to get local issuer certificate")
    named = SmtpCheck(starttls=True, ca_file=authority.ca_file, sni="other.example.com")
    assert (await check_once(named, there))[0] is Outcome.PASS


async def test_smtps_to_a_port_that_greets_in_clear_fails(mail: Postfix, authority: Authority) -> None:
    there = mail.endpoint("smtp")
    outcome, reason, detail = await check_once(SmtpsCheck(ca_file=authority.ca_file), there)
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert detail.startswith(f"TLS with {there} failed: ")


async def test_smtp_to_a_port_in_tls_waits_for_a_greeting(mail: Postfix) -> None:
    there = mail.endpoint("smtps")
    result = await check_once(SmtpCheck(), there, SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", f"greeting: no answer from {there} within 0.3 s")


async def test_a_port_on_which_nobody_listens_fails() -> None:
    with peers.unheard() as bound:
        there = peers.endpoint_of(bound)
        for check in (SmtpCheck(), LmtpCheck(), SmtpsCheck(verify=False)):
            assert await check_once(check, there) == (Outcome.FAIL, "refused", f"connection refused by {there}")


async def test_a_server_that_is_stopped_fails_at_the_deadline(mail: Postfix) -> None:
    there = mail.endpoint("smtp")
    with stopped(mail.process):
        result = await check_once(SmtpCheck(), there, SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", f"greeting: no answer from {there} within 0.3 s")
    assert (await check_once(SmtpCheck(), there))[0] is Outcome.PASS


async def test_no_mail_comes_of_offering_it(mail: Postfix) -> None:
    """What goes through the queue is logged with a status. Of all this module does, that is one real message."""
    check = SmtpCheck(rcpt_to=["postmaster@example.com", USER])
    assert (await check_once(check, mail.endpoint("smtp")))[0] is Outcome.PASS
    with smtplib.SMTP("127.0.0.1", mail.ports["smtp"], timeout=10) as client:
        client.sendmail("real@example.com", [USER], MAIL)
    await peers.until(lambda: " status=" in mail.log() and not mail.queued())
    assert mail.log().count(" status=") == 1
    assert mail.log().count("message-id=") == 1


async def test_whatever_breaks_on_the_way_is_a_failure(mail: Postfix) -> None:
    """The check speaks three times: EHLO, MAIL, RCPT."""
    await fails_at_every_step(SmtpCheck(rcpt_to=[USER]), mail.endpoint("smtp"), 4)


@pytest.mark.usefixtures("delivery")
async def test_whatever_breaks_on_the_way_in_tls_is_a_failure(mail: Postfix, authority: Authority) -> None:
    """EHLO, STARTTLS, two or three times in TLS with the second EHLO, then AUTH, the password, MAIL, RCPT."""
    check = SmtpCheck(starttls=True, ca_file=authority.ca_file, rcpt_to=[USER], **LOGIN)
    await fails_at_every_step(check, mail.endpoint("submission"), 9, seconds=3.0)


# Dovecot


@pytest.mark.usefixtures("mail")
async def test_another_server_of_submission_passes(delivery: Delivery, authority: Authority) -> None:
    """It hands everything from MAIL on to Postfix."""
    options: dict[str, Any] = {"starttls": True, "ca_file": authority.ca_file, "rcpt_to": [USER]}
    there = Endpoint("127.0.0.1", delivery.submission)
    result = await check_once(SmtpCheck(**options, **LOGIN), there)
    words = f"{EXPIRES}, logged in by AUTH PLAIN, accepts mail for {USER}"
    assert result == (Outcome.PASS, "", f"220 delivery.example.com Dovecot (Debian) ready., {words}")
    result = await check_once(SmtpCheck(**options, user=USER, password=Secret("wrong")), there)
    assert result == (Outcome.FAIL, "auth", "AUTH PLAIN: 535 5.7.8 Authentication failed., must be 2yz")


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_a_mailbox_is_there_or_not(delivery: Delivery, authority: Authority, address: str) -> None:
    there = Endpoint(address, delivery.lmtp)
    greeting = "220 delivery.example.com Dovecot (Debian) ready."
    assert await check_once(LmtpCheck(), there) == (Outcome.PASS, "", greeting)
    check = LmtpCheck(starttls=True, ca_file=authority.ca_file, rcpt_to=[USER])
    assert await check_once(check, there) == (Outcome.PASS, "", f"{greeting}, {EXPIRES}, accepts mail for {USER}")
    result = await check_once(LmtpCheck(rcpt_to=[USER, "nobody@example.com"]), there)
    words = "550 5.1.1 <nobody@example.com> User doesn't exist: nobody@example.com"
    assert result == (Outcome.FAIL, "status", f"RCPT TO:<nobody@example.com>: {words}, must be 2yz")


async def test_no_mail_comes_of_offering_it_by_lmtp(delivery: Delivery) -> None:
    assert (await check_once(LmtpCheck(rcpt_to=[USER]), Endpoint("127.0.0.1", delivery.lmtp)))[0] is Outcome.PASS
    with smtplib.LMTP("127.0.0.1", delivery.lmtp, timeout=10) as client:
        client.sendmail("real@example.com", [USER], MAIL)
    assert len(delivery.messages()) == 1


async def test_lmtp_and_smtp_are_not_taken_for_each_other(mail: Postfix, delivery: Delivery) -> None:
    result = await check_once(LmtpCheck(helo="lvs1"), mail.endpoint("smtp"))
    assert result == (Outcome.FAIL, "status", "LHLO lvs1: 500 5.5.2 Error: command not recognized, must be 2yz")
    result = await check_once(SmtpCheck(helo="lvs1"), Endpoint("127.0.0.1", delivery.lmtp))
    assert result == (Outcome.FAIL, "status", "HELO lvs1: 500 5.5.1 Unknown command, must be 2yz")


async def test_an_lmtp_server_that_is_stopped_fails_at_the_deadline(delivery: Delivery) -> None:
    there = Endpoint("127.0.0.1", delivery.lmtp)
    with stopped(delivery.process):
        result = await check_once(LmtpCheck(), there, SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", f"greeting: no answer from {there} within 0.3 s")
    assert (await check_once(LmtpCheck(), there))[0] is Outcome.PASS


async def test_whatever_breaks_on_the_way_by_lmtp_is_a_failure(delivery: Delivery) -> None:
    await fails_at_every_step(LmtpCheck(rcpt_to=[USER]), Endpoint("127.0.0.1", delivery.lmtp), 4)
