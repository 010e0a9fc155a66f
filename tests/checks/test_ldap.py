"""The `ldap` and `ldaps` checks against scripts: what they say when, and what they make of the answers."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks.codecs import ber, ldap_message
from feedback.checks.codecs.ldap_filter import parse_filter
from feedback.checks.ldap import ANSWER_LIMIT_BYTES, LdapCheck
from feedback.checks.ldaps import LdapsCheck
from feedback.model import CheckResult, Outcome
from feedback.secret import Secret
from feedback.testing import (
    Close,
    Connection,
    Hang,
    Receive,
    Refuse,
    Reset,
    Send,
    StartTls,
    Step,
    interrupted,
    run_check,
)
from tests.checks.made import made

ANY = "(objectClass=*)"
SUCCESS, SIZE_LIMIT_EXCEEDED = 0, 4
LOGIN: dict[str, Any] = {"user": "cn=monitor", "password": Secret("pw")}


def asked(number: int, operation: bytes) -> Receive:
    return Receive(ldap_message.request(number, operation))


def said(number: int, operation: bytes) -> Send:
    return Send(ber.element(ber.SEQUENCE, ber.integer(number), operation))


def result(kind: int, code: int = SUCCESS, matched: str = "", diagnostic: str = "", more: bytes = b"") -> bytes:
    return ber.element(kind, ber.integer(code, ber.ENUMERATED), ber.string(matched), ber.string(diagnostic), more)


def bound(number: int, code: int = SUCCESS, diagnostic: str = "") -> Send:
    return said(number, result(ldap_message.BIND_RESPONSE, code, diagnostic=diagnostic))


def done(number: int, code: int = SUCCESS, **more: Any) -> Send:
    return said(number, result(ldap_message.SEARCH_DONE, code, **more))


def entry(number: int, dn: str = "", **attributes: Sequence[str]) -> Send:
    listed = [
        ber.element(ber.SEQUENCE, ber.string(name), ber.element(ber.SET, *map(ber.string, values)))
        for name, values in attributes.items()
    ]
    return said(number, ber.element(0x64, ber.string(dn), ber.element(ber.SEQUENCE, *listed)))


def reference(number: int, *uris: str) -> Send:
    return said(number, ber.element(0x73, *map(ber.string, uris)))


def searched(
    number: int, base: str = "", scope: int = 0, limit: int = 1, attributes: Sequence[str] = ("1.1",)
) -> Receive:
    return asked(number, ldap_message.search(base, scope, limit, parse_filter(ANY), attributes))


BIND, BOUND = asked(1, ldap_message.bind("", "")), bound(1)
ROOT = searched(2, attributes=["namingContexts"])
UNBIND = asked(3, ldap_message.unbind())
CONTEXTS = entry(2, namingContexts=["dc=example,dc=com", "cn=monitor"])
DIALOGUE: list[Step] = [BIND, BOUND, ROOT, CONTEXTS, done(2), UNBIND]
SEEN = "1 entry, namingContexts: dc=example,dc=com and cn=monitor"


def outcome(checked: CheckResult) -> tuple[Outcome, str, str]:
    return checked.outcome, checked.reason, checked.detail


def passed(detail: str) -> tuple[Outcome, str, str]:
    return Outcome.PASS, "", detail


def failed(reason: str, detail: str) -> tuple[Outcome, str, str]:
    return Outcome.FAIL, reason, detail


# The dialogue


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_the_root_dse_is_found_and_the_server_is_told_goodbye(chunk_bytes: int | None) -> None:
    connection = Connection(*DIALOGUE)
    assert outcome(run_check(LdapCheck(), connection, chunk_bytes=chunk_bytes)) == passed(SEEN)
    assert connection.sent.endswith(UNBIND.data)


@pytest.mark.parametrize(("by", "reason"), [(Hang(), "timeout"), (Close(), "closed"), (Reset(), "reset")])
def test_a_server_that_falls_silent_or_goes_fails_at_every_step(by: Step, reason: str) -> None:
    for connection in interrupted(DIALOGUE, by):
        assert run_check(LdapCheck(), connection).reason == reason


def test_a_port_on_which_nobody_listens_fails() -> None:
    assert run_check(LdapCheck(), Connection(Refuse())).reason == "refused"


@pytest.mark.parametrize(
    ("script", "reason", "detail"),
    [
        (
            [BIND, Send(b"SSH-2.0")],
            "protocol",
            "bind: not an LDAP message: it begins with 0x53, must be 0x30",
        ),
        ([BIND, bound(7)], "protocol", "bind: an answer to request 7, must be to 1"),
        ([BIND, done(1)], "protocol", "bind: an answer of another kind, 0x65, must be 0x61"),
        ([BIND, entry(1)], "protocol", "bind: an answer to a search, which was not asked for"),
        ([BIND, BOUND, ROOT, bound(2)], "protocol", "search: an answer of another kind, 0x61, must be 0x65"),
        (
            [BIND, Send(b"\x30\x84\x00\x10\x00\x01")],
            "limit",
            f"bind: more than {ANSWER_LIMIT_BYTES} bytes of answers",
        ),
        (
            [BIND, BOUND, ROOT, *[entry(2, cn=["x" * 300_000])] * 4],
            "limit",
            f"search: more than {ANSWER_LIMIT_BYTES} bytes of answers",
        ),
    ],
)
def test_what_breaks_the_protocol_fails(script: list[Step], reason: str, detail: str) -> None:
    assert outcome(run_check(LdapCheck(), Connection(*script, Hang()))) == failed(reason, detail)


def notice(name: str, code: int = 52) -> Send:
    return said(0, result(ldap_message.EXTENDED_RESPONSE, code, more=ber.string(name, ber.CONTEXT + 10)))


def test_a_notice_of_disconnection_fails_and_another_is_passed_over() -> None:
    leaving = notice(ldap_message.NOTICE_OF_DISCONNECTION)
    checked = run_check(LdapCheck(), Connection(BIND, BOUND, ROOT, leaving, Hang()))
    assert outcome(checked) == failed("status", "search: the server ends the connection: 52 unavailable")
    other = [notice("1.2.3"), said(0, ber.element(0x73, ber.string("ldap:")))]
    connection = Connection(BIND, *other, BOUND, ROOT, *other, CONTEXTS, done(2), UNBIND)
    assert outcome(run_check(LdapCheck(), connection)) == passed(SEEN)


# Bind


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (49, "auth", "49 invalidCredentials"),
        (48, "auth", "48 inappropriateAuthentication"),
        (8, "auth", "8 strongerAuthRequired"),
        (51, "status", "51 busy"),
        (52, "status", "52 unavailable"),
        (53, "status", "53 unwillingToPerform"),
        (2, "status", "2 protocolError"),
    ],
)
def test_a_bind_may_be_refused_or_not_be_possible(code: int, reason: str, words: str) -> None:
    connection = Connection(BIND, bound(1, code, "why"), asked(2, ldap_message.unbind()))
    checked = run_check(LdapCheck(), connection)
    assert outcome(checked) == failed(reason, f"bind: {words}: why, must be 0 success")
    assert connection.sent.endswith(ldap_message.request(2, ldap_message.unbind()))


def test_a_user_binds_by_name_and_password() -> None:
    check = LdapCheck(login_without_tls=True, **LOGIN)
    script: list[Step] = [asked(1, ldap_message.bind("cn=monitor", "pw")), BOUND, ROOT, CONTEXTS, done(2), UNBIND]
    assert outcome(run_check(check, Connection(*script))) == passed(f"bound as cn=monitor, {SEEN}")


# Search


BELOW = "dc=example,dc=com"


def found(check: LdapCheck, request: Receive, *answers: Send) -> tuple[Outcome, str, str]:
    return outcome(run_check(check, Connection(BIND, BOUND, request, *answers, UNBIND)))


def test_an_entry_is_looked_up_without_its_attributes() -> None:
    check = LdapCheck(base=BELOW)
    assert found(check, searched(2, BELOW), entry(2, BELOW), done(2)) == passed("1 entry")
    words = "search: 32 noSuchObject below dc=com, must be 0 success"
    assert found(check, searched(2, BELOW), done(2, 32, matched="dc=com")) == failed("status", words)
    nothing = failed("content", "search: 0 entries, must be 1 at least")
    assert found(check, searched(2, BELOW), done(2)) == nothing


@pytest.mark.parametrize(("search_scope", "number"), [("base", 0), ("one", 1), ("sub", 2)])
def test_a_search_has_a_scope_a_filter_and_attributes(search_scope: str, number: int) -> None:
    options: dict[str, Any] = {"search_scope": search_scope, "filter": "(uid=*)", "attributes": ["cn", "mail"]}
    check = LdapCheck(base=BELOW, expect={"MAIL": "@"}, **options)
    request = ldap_message.search(BELOW, number, 1, parse_filter("(uid=*)"), ["cn", "mail", "MAIL"])
    one = entry(2, "uid=a", CN=["a"], Mail=["a@b"])
    checked = run_check(check, Connection(BIND, BOUND, asked(2, request), one, done(2), UNBIND))
    assert outcome(checked) == passed("1 entry, cn: a, mail: a@b, MAIL: a@b")


@pytest.mark.parametrize(
    ("options", "limit", "entries", "code", "expected"),
    [
        ({}, 1, 1, SUCCESS, passed("1 entry")),
        ({}, 1, 1, SIZE_LIMIT_EXCEEDED, passed("1 entry or more")),
        ({}, 1, 0, SUCCESS, failed("content", "search: 0 entries, must be 1 at least")),
        ({}, 1, 0, SIZE_LIMIT_EXCEEDED, failed("status", "search: 4 sizeLimitExceeded, must be 0 success")),
        ({"min_entries": 2}, 2, 2, SIZE_LIMIT_EXCEEDED, passed("2 entries or more")),
        ({"min_entries": 2}, 2, 1, SUCCESS, failed("content", "search: 1 entry, must be 2 at least")),
        (
            {"min_entries": 2},
            2,
            1,
            SIZE_LIMIT_EXCEEDED,
            failed("status", "search: 4 sizeLimitExceeded, must be 0 success"),
        ),
        ({"entries": 2}, 3, 2, SUCCESS, passed("2 entries")),
        ({"entries": 2}, 3, 1, SUCCESS, failed("content", "search: 1 entry, must be 2")),
        ({"entries": 2}, 3, 3, SIZE_LIMIT_EXCEEDED, failed("content", "search: 3 entries or more, must be 2")),
        ({"entries": 2}, 3, 3, SUCCESS, failed("content", "search: 3 entries, must be 2")),
        ({"entries": 0}, 1, 0, SUCCESS, passed("0 entries")),
        ({"entries": 0}, 1, 1, SUCCESS, failed("content", "search: 1 entry, must be 0")),
    ],
)
def test_as_many_entries_as_wanted_must_be_found(
    options: dict[str, Any], limit: int, entries: int, code: int, expected: tuple[Outcome, str, str]
) -> None:
    check = LdapCheck(base=BELOW, search_scope="sub", **options)
    assert found(check, searched(2, BELOW, 2, limit), *[entry(2)] * entries, done(2, code)) == expected


def test_when_the_server_has_its_own_limit_an_exact_number_is_not_known() -> None:
    """It stopped at as many as are wanted, and there may be one more."""
    check = LdapCheck(base=BELOW, search_scope="sub", entries=2)
    answers = [entry(2), entry(2), done(2, SIZE_LIMIT_EXCEEDED)]
    words = "search: 4 sizeLimitExceeded, must be 0 success"
    assert found(check, searched(2, BELOW, 2, 3), *answers) == failed("status", words)


def test_a_referral_counts_for_nothing_and_is_told() -> None:
    check = LdapCheck(base=BELOW, search_scope="one", min_entries=2)
    answers = [entry(2), reference(2, "ldap://a/", "ldap://b/"), done(2)]
    words = "search: 1 entry, and others at ldap://a/, ldap://b/, must be 2 at least"
    assert found(check, searched(2, BELOW, 1, 2), *answers) == failed("content", words)
    elsewhere = ber.element(0xA3, ber.string("ldap://a/"))
    words = "search: 10 referral to ldap://a/, must be 0 success"
    assert found(check, searched(2, BELOW, 1, 2), done(2, 10, more=elsewhere)) == failed("status", words)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"cn": ["a", "Monitor"]}, passed("1 entry, cn: a and Monitor")),
        ({"CN": ["monitoring"]}, passed("1 entry, cn: monitoring")),
        ({"cn": ["a", "b"]}, failed("content", "search: dc=x: cn is a and b, must match [Mm]onitor")),
        ({"sn": ["monitor"]}, failed("content", "search: dc=x: there is no cn, must match [Mm]onitor")),
        ({}, failed("content", "search: dc=x: there is no cn, must match [Mm]onitor")),
    ],
)
def test_a_value_must_be_as_expected(attributes: dict[str, list[str]], expected: tuple[Outcome, str, str]) -> None:
    check = LdapCheck(base="dc=x", expect={"cn": "[Mm]onitor"})
    answers = [entry(2, "dc=x", **attributes), done(2)]
    assert found(check, searched(2, "dc=x", attributes=["cn"]), *answers) == expected


def test_each_entry_must_have_it() -> None:
    check = LdapCheck(base="dc=x", search_scope="one", min_entries=2, expect={"cn": "a"})
    answers = [entry(2, "cn=a,dc=x", cn=["a"]), entry(2, "cn=b,dc=x", cn=["b"]), done(2)]
    words = "search: cn=b,dc=x: cn is b, must match a"
    assert found(check, searched(2, "dc=x", 1, 2, ["cn"]), *answers) == failed("content", words)


def test_the_root_dse_has_a_name_of_its_own_in_failures() -> None:
    words = "search: root DSE: there is no vendorName, must match Samba"
    request = searched(2, attributes=["namingContexts", "vendorName"])
    assert found(LdapCheck(expect={"vendorName": "Samba"}), request, CONTEXTS, done(2)) == failed("content", words)


def test_long_values_and_many_of_them_are_shortened() -> None:
    check = LdapCheck(base="dc=x", attributes=["member"])
    answers = [entry(2, "dc=x", member=["a" * 61, "b" * 60, "c", "d", "e"]), done(2)]
    words = f"1 entry, member: {'a' * 60}… and {'b' * 60} and c and 2 more"
    assert found(check, searched(2, "dc=x", attributes=["member"]), *answers) == passed(words)


# TLS


START_TLS = asked(1, ldap_message.start_tls())
STARTED = said(1, result(ldap_message.EXTENDED_RESPONSE))
IN_TLS: list[Step] = [
    asked(2, ldap_message.bind("cn=monitor", "pw")),
    bound(2),
    searched(3, attributes=["namingContexts"]),
    entry(3, namingContexts=["dc=example,dc=com", "cn=monitor"]),
    done(3),
    asked(4, ldap_message.unbind()),
]


def test_everything_goes_through_tls_after_starttls() -> None:
    check = LdapCheck(starttls=True, verify=False, sni="ldap.example.com", **LOGIN)
    connection = Connection(START_TLS, STARTED, StartTls(), *IN_TLS)
    assert outcome(run_check(check, connection)) == passed(f"bound as cn=monitor, {SEEN}")
    assert connection.server_hostname == "ldap.example.com"


def test_ldaps_is_tls_from_the_start() -> None:
    check = LdapsCheck(verify=False)
    connection = Connection(StartTls(), *DIALOGUE)
    assert outcome(run_check(check, connection)) == passed(SEEN)
    assert connection.server_hostname == "192.0.2.11"
    assert run_check(check, Connection(StartTls(error="certificate refused"))).reason == "tls"


def test_a_server_that_does_not_know_starttls_fails_and_is_told_goodbye() -> None:
    refusal = said(1, result(ldap_message.EXTENDED_RESPONSE, 2, diagnostic="unsupported extended operation"))
    connection = Connection(START_TLS, refusal, asked(2, ldap_message.unbind()))
    checked = run_check(LdapCheck(starttls=True, verify=False), connection)
    words = "StartTLS: 2 protocolError: unsupported extended operation, must be 0 success"
    assert outcome(checked) == failed("tls", words)
    assert connection.sent.endswith(ldap_message.request(2, ldap_message.unbind()))


@pytest.mark.parametrize("by", [Hang(), Close(), Reset()])
def test_a_server_that_goes_fails_at_every_step_with_starttls(by: Step) -> None:
    check = LdapCheck(starttls=True, verify=False, **LOGIN)
    for connection in interrupted([START_TLS, STARTED, StartTls(), *IN_TLS], by):
        assert run_check(check, connection).reason in {"timeout", "closed", "reset", "tls"}


def test_nothing_is_said_after_a_handshake_that_failed() -> None:
    connection = Connection(START_TLS, STARTED, StartTls(error="no"), Hang())
    checked = run_check(LdapCheck(starttls=True, verify=False), connection)
    assert outcome(checked) == failed("tls", "TLS: no")
    assert connection.sent == START_TLS.data


def test_what_a_server_says_before_tls_can_be_anybody_s() -> None:
    injected = Send(STARTED.data + bound(2).data)
    checked = run_check(LdapCheck(starttls=True, verify=False, **LOGIN), Connection(START_TLS, injected, Hang()))
    assert checked.reason == "protocol"


# Whatever comes


@given(st.binary(max_size=80))
def test_whatever_comes_the_outcome_is_the_server_s_own(data: bytes) -> None:
    for answers in ([Send(data)], [BOUND, ROOT, Send(data)], [BOUND, ROOT, CONTEXTS, said(2, data)]):
        checked = run_check(LdapCheck(), Connection(BIND, *answers, Hang()))
        assert checked.outcome in {Outcome.PASS, Outcome.FAIL}
        assert checked.detail.isprintable()


# Options


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"user": "cn=a"}, "must have both user and password, or neither"),
        ({"password": Secret("a")}, "must have both user and password, or neither"),
        ({**LOGIN, "user": ""}, "user: must not be empty; leave it out to bind anonymously"),
        (LOGIN, "password: would be sent without TLS: set starttls, or else login_without_tls"),
        ({"entries": 1, "min_entries": 1}, "must have at most one of entries and min_entries"),
        (
            {"expect": {"cn": "("}},
            "expect.cn: must be a regular expression: missing ), unterminated subpattern at position 0",
        ),
        ({"expect": {"c n": "a"}}, "expect: must be attributes, like cn, not c n"),
        ({"attributes": ["cn", "*"]}, "attributes: must be attributes, like cn, not *"),
        (
            {"filter": "uid=a"},
            'filter: must be a filter, like (objectClass=*): where there is "uid=a", it must have "("',
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=r"must|would") as refusal:
        LdapCheck(**options)
    assert str(refusal.value) == sentence


def test_starttls_has_no_place_in_ldaps() -> None:
    with pytest.raises(ValueError, match=r"^starttls: the connection is in TLS already$"):
        LdapsCheck(starttls=True)


def test_a_configuration_s_words_are_read() -> None:
    check = LdapCheck(base="dc=x", search_scope="sub", login_without_tls=True, **LOGIN)
    options: dict[str, Any] = {"user": "cn=monitor", "password": "pw", "base": "dc=x", "search_scope": "sub"}
    assert made("ldap", login_without_tls=True, **options) == check
