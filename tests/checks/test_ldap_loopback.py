"""The `ldap` and `ldaps` checks against slapd: what is found, what is not, and what breaks on the way."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from feedback.checks.ldap import LdapCheck
from feedback.checks.ldaps import LdapsCheck
from feedback.model import Outcome
from feedback.secret import Secret
from tests.checks import peers
from tests.checks.peers import check_once
from tests.checks.servers.process import stopped
from tests.checks.servers.relay import fails_at_every_step
from tests.checks.servers.slapd import LOST, PASSWORD, PEOPLE, SUFFIX, USER, Slapd, slapd
from tests.checks.tls_files import Authority, Pair

pytestmark = pytest.mark.loopback

SOON_SECONDS = 0.3
"""A deadline that is to come."""

ROOT = f"1 entry, namingContexts: {SUFFIX} and {LOST}"
EXPIRES = "certificate expires in 29 days"
LOGIN: dict[str, Any] = {"user": USER, "password": Secret(PASSWORD)}
SECRET = f"ou=secret,{SUFFIX}"
ELSEWHERE = f"ldap://ldap2.example.com/ou=elsewhere,{SUFFIX}"


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("ldap", "DNS:ldap.example.com,IP:127.0.0.1,IP:::1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, pair: Pair) -> Iterator[Slapd]:
    with slapd(tmp_path_factory.mktemp("slapd"), pair) as started:
        yield started


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Slapd]:
    """Return a server that lets nobody in without a name, or without TLS; its certificate is another's."""
    other = authority.issue("ldap-other", "DNS:other.example.com")
    with slapd(tmp_path_factory.mktemp("strict"), other, "disallow bind_anon\nsecurity simple_bind=128") as started:
        yield started


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_the_root_dse_is_found_and_the_server_is_told_goodbye(server: Slapd, address: str) -> None:
    before = server.log()
    assert await check_once(LdapCheck(), server.endpoint(address)) == (Outcome.PASS, "", ROOT)
    await peers.until(lambda: " UNBIND\n" in server.log().removeprefix(before))


@pytest.mark.parametrize("address", peers.ADDRESSES)
async def test_everything_that_can_be_asked_for_passes_in_tls(
    server: Slapd, authority: Authority, address: str
) -> None:
    options: dict[str, Any] = {"base": SECRET, "expect": {"description": "^for the monitor"}, **LOGIN}
    words = f"{EXPIRES}, bound as {USER}, 1 entry, description: for the monitor alone"
    check = LdapCheck(starttls=True, ca_file=authority.ca_file, **options)
    assert await check_once(check, server.endpoint(address)) == (Outcome.PASS, "", words)
    secure = LdapsCheck(ca_file=authority.ca_file, **options)
    assert await check_once(secure, server.tls_endpoint(address)) == (Outcome.PASS, "", words)


@pytest.mark.parametrize(
    ("search", "count"),
    [
        ("(uid=*)", 3),
        ("(uid=anna)", 1),
        ("(!(uid=anna))", 3),
        ("(&(objectClass=person)(|(uid=ann*)(mail=*@example.com)))", 3),
        ("(mail=b*@*.com)", 1),
        ("(createTimestamp>=20200101000000Z)", 4),
        ("(createTimestamp<=20200101000000Z)", 0),
        ("(cn~=cem)", 1),
        ("(uid:caseExactMatch:=anna)", 1),
        ("(uid:caseExactMatch:=ANNA)", 0),
        ("(ou:dn:=people)", 4),
        (r"(description=\28\2a\29)", 1),
        ("(&)", 4),
        ("(|)", 0),
    ],
)
async def test_a_filter_finds_what_it_says(server: Slapd, search: str, count: int) -> None:
    """Of three people and the unit that they are in."""
    check = LdapCheck(base=f"ou=people,{SUFFIX}", search_scope="sub", filter=search, entries=count)
    words = f"{count} {'entry' if count == 1 else 'entries'}"
    assert await check_once(check, server.endpoint()) == (Outcome.PASS, "", words)


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"base": SUFFIX, "attributes": ["o"]}, "1 entry, o: Example, Inc. (Köln)"),
        ({"base": f"ou=people,{SUFFIX}", "search_scope": "one", "entries": len(PEOPLE)}, "3 entries"),
        ({"base": f"ou=people,{SUFFIX}", "search_scope": "sub", "min_entries": 2}, "2 entries or more"),
        ({"base": f"ou=people,{SUFFIX}", "search_scope": "sub", "min_entries": 4}, "4 entries"),
        (
            {"base": SUFFIX, "search_scope": "sub", "filter": "(uid=*)", "entries": 3},
            f"3 entries, and others at {ELSEWHERE}??sub",
        ),
    ],
)
async def test_entries_are_counted_and_shown(server: Slapd, options: dict[str, Any], detail: str) -> None:
    assert await check_once(LdapCheck(**options), server.endpoint()) == (Outcome.PASS, "", detail)


@pytest.mark.parametrize(
    ("options", "reason", "detail"),
    [
        ({"base": f"ou=nowhere,{SUFFIX}"}, "status", f"32 noSuchObject below {SUFFIX}, must be 0 success"),
        ({"base": "dc=nowhere"}, "status", "32 noSuchObject, must be 0 success"),
        ({"base": "nowhere"}, "status", "34 invalidDNSyntax: invalid DN, must be 0 success"),
        ({"base": SECRET}, "status", "32 noSuchObject, must be 0 success"),
        (
            {"base": f"ou=elsewhere,{SUFFIX}"},
            "status",
            f"10 referral to {ELSEWHERE}??base below ou=elsewhere,{SUFFIX}, must be 0 success",
        ),
        ({"base": LOST}, "status", "52 unavailable"),
        ({"base": SUFFIX, "filter": "(o=Other)"}, "content", "0 entries, must be 1 at least"),
        (
            {"base": f"ou=people,{SUFFIX}", "search_scope": "one", "entries": 2},
            "content",
            "3 entries, must be 2",
        ),
        (
            {"base": f"ou=people,{SUFFIX}", "search_scope": "one", "entries": 1},
            "content",
            "2 entries or more, must be 1",
        ),
        (
            {"base": SUFFIX, "expect": {"o": "^Other"}},
            "content",
            f"{SUFFIX}: o is Example, Inc. (Köln), must match ^Other",
        ),
        ({"base": SUFFIX, "expect": {"mail": "@"}}, "content", f"{SUFFIX}: there is no mail, must match @"),
        ({"base": USER, "expect": {"userPassword": "."}}, "content", f"{USER}: there is no userPassword, must match ."),
    ],
)
async def test_what_is_not_found_is_told_in_the_server_s_words(
    server: Slapd, options: dict[str, Any], reason: str, detail: str
) -> None:
    outcome, why, seen = await check_once(LdapCheck(**options), server.endpoint())
    assert (outcome, why) == (Outcome.FAIL, reason)
    assert seen.startswith(f"search: {detail}")


async def test_a_wrong_password_is_refused(server: Slapd, authority: Authority) -> None:
    expected = (Outcome.FAIL, "auth", "bind: 49 invalidCredentials, must be 0 success")
    for user in (USER, f"cn=nobody,{SUFFIX}"):
        options: dict[str, Any] = {"user": user, "password": Secret("wrong"), "ca_file": authority.ca_file}
        assert await check_once(LdapCheck(starttls=True, **options), server.endpoint()) == expected
        assert await check_once(LdapsCheck(**options), server.tls_endpoint()) == expected


async def test_a_server_may_want_a_name_and_tls(strict: Slapd, authority: Authority) -> None:
    there = strict.endpoint()
    result = await check_once(LdapCheck(), there)
    words = "bind: 48 inappropriateAuthentication: anonymous bind disallowed, must be 0 success"
    assert result == (Outcome.FAIL, "auth", words)
    result = await check_once(LdapCheck(login_without_tls=True, **LOGIN), there)
    words = "bind: 13 confidentialityRequired: confidentiality required, must be 0 success"
    assert result == (Outcome.FAIL, "auth", words)
    named = LdapCheck(starttls=True, sni="other.example.com", ca_file=authority.ca_file, **LOGIN)
    assert (await check_once(named, there))[0] is Outcome.PASS


async def test_a_certificate_of_another_name_or_authority_is_refused(strict: Slapd, authority: Authority) -> None:
    for check, there, stage in (
        (LdapCheck(starttls=True, ca_file=authority.ca_file), strict.endpoint(), "TLS: "),
        (LdapsCheck(ca_file=authority.ca_file), strict.tls_endpoint(), ""),
    ):
        outcome, reason, detail = await check_once(check, there)
        assert (outcome, reason) == (Outcome.FAIL, "tls")
        assert detail.startswith(f"{stage}certificate of {there} refused: IP address mismatch")
    outcome, reason, detail = await check_once(LdapsCheck(), strict.tls_endpoint())
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    assert detail.endswith(" refused: unable to get local issuer certificate")


async def test_tls_and_none_are_not_taken_for_each_other(server: Slapd) -> None:
    outcome, reason, _ = await check_once(LdapsCheck(verify=False), server.endpoint())
    assert (outcome, reason) == (Outcome.FAIL, "tls")
    outcome, reason, _ = await check_once(LdapCheck(), server.tls_endpoint())
    assert outcome is Outcome.FAIL
    assert reason in {"closed", "reset", "protocol"}


async def test_a_port_on_which_nobody_listens_fails() -> None:
    with peers.unheard() as bound:
        there = peers.endpoint_of(bound)
        for check in (LdapCheck(), LdapsCheck(verify=False)):
            assert await check_once(check, there) == (Outcome.FAIL, "refused", f"connection refused by {there}")


async def test_a_server_that_is_stopped_fails_at_the_deadline(server: Slapd) -> None:
    there = server.endpoint()
    with stopped(server.process):
        result = await check_once(LdapCheck(), there, SOON_SECONDS)
    assert result == (Outcome.FAIL, "timeout", f"bind: no answer from {there} within 0.3 s")
    assert (await check_once(LdapCheck(), there))[0] is Outcome.PASS


async def test_whatever_breaks_on_the_way_is_a_failure(server: Slapd) -> None:
    """The check speaks twice: bind, search."""
    await fails_at_every_step(LdapCheck(base=SUFFIX), server.endpoint(), 3)


async def test_whatever_breaks_on_the_way_in_tls_is_a_failure(server: Slapd, authority: Authority) -> None:
    """StartTLS, a hello, the end of the handshake with the bind, which may come together or not, and the search."""
    check = LdapCheck(starttls=True, ca_file=authority.ca_file, base=SECRET, **LOGIN)
    secure = LdapsCheck(ca_file=authority.ca_file, base=SECRET, **LOGIN)
    await asyncio.gather(
        fails_at_every_step(check, server.endpoint(), 5, seconds=3.0),
        fails_at_every_step(secure, server.tls_endpoint(), 4, seconds=3.0),
    )
