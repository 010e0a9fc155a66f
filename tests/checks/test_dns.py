"""The `dns` check against scripts: transports, rcodes, flags, records, and servers that fall silent or lie."""

from typing import Any

import dns.edns
import dns.flags
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.checks import dns_client
from feedback.checks.codecs.dns_message import make_question
from feedback.checks.dns import DnsCheck
from feedback.checks.dns_client import new_identifier
from feedback.checks.dns_serial import Serial
from feedback.model import CheckResult, Outcome
from feedback.testing import (
    Close,
    Connection,
    Exchange,
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
from tests.checks.certificates import REAL
from tests.checks.dns_answers import IDENTIFIER, message, soa

WWW = IDENTIFIER + make_question("www.example.com", "A", recursion=True).query
ANSWER = message("www.example.com. IN A 192.0.2.2", "www.example.com. IN A 192.0.2.1")


@pytest.fixture(autouse=True)
def _known_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_client, "new_identifier", lambda: IDENTIFIER)


def check(**options: Any) -> DnsCheck:
    return DnsCheck(**({"query_name": "www.example.com", "query_type": "A"} | options))


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data


def run(wanted: DnsCheck, answer: bytes, query: bytes = WWW) -> CheckResult:
    return run_check(wanted, Exchange(Receive(query), Send(answer)))


def outcome(result: CheckResult) -> tuple[Outcome, str, str]:
    return result.outcome, result.reason, result.detail


def failed(reason: str, detail: str) -> tuple[Outcome, str, str]:
    return Outcome.FAIL, reason, detail


def passed(detail: str) -> tuple[Outcome, str, str]:
    return Outcome.PASS, "", detail


def test_without_options_the_root_is_asked_for() -> None:
    query = IDENTIFIER + make_question(".", "SOA", recursion=True).query
    root = message(
        ". IN SOA a.root-servers.net. nstld.verisign-grs.com. 2024010107 1800 900 604800 86400", question=". IN SOA"
    )
    assert outcome(run(DnsCheck(), root, query)) == passed(
        "NOERROR: a.root-servers.net. nstld.verisign-grs.com. 2024010107 1800 900 604800 86400"
    )


def test_records_are_shown_in_an_order_of_their_own() -> None:
    assert outcome(run(check(), ANSWER)) == passed("NOERROR: 192.0.2.1, 192.0.2.2")
    many = message(*(f"www.example.com. IN A 192.0.2.{number}" for number in (5, 3, 4, 1, 2)))
    assert outcome(run(check(), many)) == passed("NOERROR: 192.0.2.1, 192.0.2.2, 192.0.2.3 and 2 more")


def test_another_rcode_fails() -> None:
    result = run(check(), message(rcode=dns.rcode.SERVFAIL))
    assert outcome(result) == failed("dns", "rcode SERVFAIL for www.example.com. A, must be NOERROR")
    result = run(check(rcode=["NXDOMAIN", "REFUSED"]), message(rcode=dns.rcode.SERVFAIL))
    assert outcome(result) == failed("dns", "rcode SERVFAIL for www.example.com. A, must be NXDOMAIN or REFUSED")


def test_another_rcode_may_be_wanted() -> None:
    nothing = message(rcode=dns.rcode.NXDOMAIN)
    assert outcome(run(check(rcode="NXDOMAIN"), nothing)) == passed("NXDOMAIN")
    assert outcome(run(check(rcode=["NOERROR", "NXDOMAIN"]), nothing)) == passed("NXDOMAIN")


def test_an_answer_without_records_fails_unless_none_are_wanted() -> None:
    assert outcome(run(check(), message())) == failed("dns", "no records in the answer for www.example.com. A")
    assert outcome(run(check(min_answers=0), message())) == passed("NOERROR")
    result = run(check(min_answers=3), ANSWER)
    assert outcome(result) == failed("dns", "2 records in the answer for www.example.com. A, must be 3 at least")
    assert run(check(min_answers=2), ANSWER).outcome is Outcome.PASS


def test_an_authoritative_answer_may_be_wanted_and_then_no_recursion_is_asked_for() -> None:
    query = IDENTIFIER + make_question("www.example.com", "A").query
    result = run(check(authoritative=True), ANSWER, query)
    assert outcome(result) == failed("dns", "the answer for www.example.com. A is not authoritative (AA)")
    authoritative = message("www.example.com. IN A 192.0.2.1", flags=dns.flags.QR | dns.flags.AA)
    assert outcome(run(check(authoritative=True), authoritative, query)) == passed("NOERROR: 192.0.2.1")


def test_recursion_is_as_the_option_says() -> None:
    query = IDENTIFIER + make_question("www.example.com", "A").query
    assert run(check(recursion=False), ANSWER, query).outcome is Outcome.PASS
    assert run(check(recursion=True, authoritative=True), ANSWER, WWW).reason == "dns"


def test_a_validated_answer_may_be_wanted() -> None:
    query = IDENTIFIER + make_question("www.example.com", "A", recursion=True, dnssec=True).query
    result = run(check(dnssec=True), ANSWER, query)
    assert outcome(result) == failed("dns", "the answer for www.example.com. A has not been validated (AD)")
    validated = message("www.example.com. IN A 192.0.2.1", flags=dns.flags.QR | dns.flags.AD)
    assert outcome(run(check(dnssec=True), validated, query)) == passed("NOERROR: 192.0.2.1")


def test_the_servers_own_name_is_shown_where_it_has_one() -> None:
    query = IDENTIFIER + make_question("www.example.com", "A", recursion=True, nsid=True).query
    named = message("www.example.com. IN A 192.0.2.1", options=[dns.edns.NSIDOption(b"ns-one")])
    assert outcome(run(check(nsid=True), named, query)) == passed("NOERROR: 192.0.2.1; NSID ns-one")
    assert outcome(run(check(nsid=True), ANSWER, query)) == passed("NOERROR: 192.0.2.1, 192.0.2.2")


def test_edns_is_used_when_it_is_wanted() -> None:
    query = IDENTIFIER + make_question("www.example.com", "A", recursion=True, edns=True).query
    assert run(check(edns=True), ANSWER, query).outcome is Outcome.PASS


def test_records_may_be_wanted() -> None:
    assert run(check(answer="192.0.2.1"), ANSWER).outcome is Outcome.PASS
    assert run(check(answer=["192.0.2.2", "192.0.2.1"]), ANSWER).outcome is Outcome.PASS
    result = run(check(answer=["192.0.2.1", "192.0.2.8", "192.0.2.9"]), ANSWER)
    sentence = "192.0.2.8, 192.0.2.9 not in the answer: NOERROR: 192.0.2.1, 192.0.2.2"
    assert outcome(result) == failed("content", sentence)


def test_a_match_may_be_wanted() -> None:
    assert run(check(answer_regex=r"\.2$"), ANSWER).outcome is Outcome.PASS
    result = run(check(answer_regex=r"^10\."), ANSWER)
    assert outcome(result) == failed("content", r"no match of ^10\. in the answer: NOERROR: 192.0.2.1, 192.0.2.2")


def test_an_alias_is_followed() -> None:
    aliased = message("www.example.com. IN CNAME web.example.net.", "web.example.net. IN A 192.0.2.1")
    assert outcome(run(check(), aliased)) == passed("NOERROR: 192.0.2.1")


def test_a_lost_datagram_is_sent_once_more() -> None:
    result = run_check(check(), Exchange(Receive(WWW), Receive(WWW), Send(ANSWER)), timeout_seconds=3.0)
    assert (result.outcome, result.duration_seconds) == (Outcome.PASS, 1.5)


def test_silence_and_refusal_fail() -> None:
    result = run_check(check(), Exchange(Receive(WWW), Receive(WWW), Hang()))
    assert outcome(result) == failed("timeout", "no answer from 192.0.2.11:80, asked twice")
    result = run_check(check(), Exchange(Receive(WWW), Refuse()))
    assert outcome(result) == failed("refused", "connection refused by 192.0.2.11:80")


def test_answers_to_other_questions_are_passed_over() -> None:
    late = b"\x00\x01" + ANSWER[2:]
    other = message("other.example.com. IN A 192.0.2.9", question="other.example.com. IN A")
    exchange = Exchange(Receive(WWW), Send(late), Send(other), Send(WWW), Send(b""), Send(ANSWER))
    assert outcome(run_check(check(), exchange)) == passed("NOERROR: 192.0.2.1, 192.0.2.2")


def test_a_broken_answer_fails() -> None:
    result = run(check(), ANSWER[:-1])
    assert outcome(result) == failed("protocol", "the answer is broken: it ends too early")


TRUNCATED = message(flags=dns.flags.QR | dns.flags.TC)


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_a_truncated_answer_is_asked_for_again_over_tcp(chunk_bytes: int | None) -> None:
    connection = Connection(Receive(framed(WWW)), Send(framed(ANSWER)))
    exchange = Exchange(Receive(WWW), Send(TRUNCATED))
    result = run_check(check(), exchange, connection, chunk_bytes=chunk_bytes)
    assert outcome(result) == passed("NOERROR: 192.0.2.1, 192.0.2.2")
    assert connection.brief


def test_when_tcp_fails_then_it_is_said_why_it_was_tried() -> None:
    result = run_check(check(), Exchange(Receive(WWW), Send(TRUNCATED)), Connection(Refuse()))
    sentence = "TCP, as the answer over UDP is truncated: connection refused by 192.0.2.11:80"
    assert outcome(result) == failed("refused", sentence)


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_the_question_may_be_asked_over_tcp(chunk_bytes: int | None) -> None:
    connection = Connection(Receive(framed(WWW)), Send(framed(ANSWER)))
    result = run_check(check(transport="tcp"), connection, chunk_bytes=chunk_bytes)
    assert outcome(result) == passed("NOERROR: 192.0.2.1, 192.0.2.2")


@pytest.mark.parametrize("data", [WWW, b"", b"\x12\x34\x80", b"\x00\x01" + ANSWER[2:]])
def test_what_is_no_answer_on_a_connection_fails(data: bytes) -> None:
    result = run_check(check(transport="tcp"), Connection(Receive(framed(WWW)), Send(framed(data))))
    assert outcome(result) == failed("protocol", "what came is no answer to the question")


@pytest.mark.parametrize("chunk_bytes", [None, 1])
def test_the_question_may_be_asked_over_tls(chunk_bytes: int | None) -> None:
    connection = Connection(StartTls(certificate=REAL), Receive(framed(WWW)), Send(framed(ANSWER)))
    wanted = check(transport="tls", sni="dns.example.com")
    result = run_check(wanted, connection, chunk_bytes=chunk_bytes)
    assert result.outcome is Outcome.PASS
    assert result.detail.startswith("NOERROR: 192.0.2.1, 192.0.2.2; certificate expires in ")
    assert connection.server_hostname == "dns.example.com"


def test_a_refused_certificate_fails() -> None:
    connection = Connection(StartTls(error="certificate of 192.0.2.11:80 refused: certificate has expired"))
    result = run_check(check(transport="tls"), connection)
    assert outcome(result) == failed("tls", "certificate of 192.0.2.11:80 refused: certificate has expired")
    assert connection.sent == b""


@pytest.mark.parametrize(
    ("by", "reasons"), [(Hang(), {"timeout"}), (Close(), {"closed", "tls"}), (Reset(), {"reset", "tls"})]
)
@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_an_interruption_anywhere_fails_and_leaves_nothing_open(by: Step, reasons: set[str], transport: str) -> None:
    answer = framed(ANSWER)
    dialogue: list[Step] = [Receive(framed(WWW)), Send(answer[:1]), Send(answer[1:20]), Send(answer[20:])]
    if transport == "tls":
        dialogue.insert(0, StartTls())
    for connection in interrupted(dialogue, by):
        assert run_check(check(transport=transport), connection).reason in reasons
        assert connection.closed


@given(st.binary(max_size=100))
def test_whatever_comes_over_tcp_the_outcome_is_the_servers_own(data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dns_client, "new_identifier", lambda: IDENTIFIER)
        result = run_check(check(transport="tcp"), Connection(Receive(framed(WWW)), Send(framed(data))))
    assert result.outcome is Outcome.FAIL
    assert result.detail.isprintable()


def test_a_serial_is_wanted_of_an_authoritative_soa_record() -> None:
    query = IDENTIFIER + make_question("example.com").query
    wanted = DnsCheck(query_name="example.com", serial=Serial())
    result = run(wanted, soa(7, flags=dns.flags.QR), query)
    assert outcome(result) == failed("dns", "the answer for example.com. SOA is not authoritative (AA)")
    wanted = DnsCheck(query_name="example.com", serial=Serial(), rcode="NXDOMAIN")
    nothing = message(question="example.com. IN SOA", flags=dns.flags.QR | dns.flags.AA, rcode=dns.rcode.NXDOMAIN)
    assert outcome(run(wanted, nothing, query)) == failed(
        "dns", "no SOA record in the answer, and so no serial: NXDOMAIN"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rcode": []}, "rcode: must have at least one response code"),
        ({"answer_regex": "["}, "answer_regex: must be a regular expression: unterminated character set at position 0"),
        ({"serial": Serial()}, "serial: goes with query_type SOA"),
        ({"query_type": "AXFR"}, 'query_type: must be a type of records, like AAAA, TYPE65 or ANY, not "AXFR"'),
        ({"transport": "tls", "key_file": "a"}, "key_file: goes with cert_file, and there is none"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=":") as caught:
        check(**options)
    assert str(caught.value) == sentence


def test_identifiers_are_made_by_chance() -> None:
    made = {new_identifier() for _ in range(100)}
    assert len(made) > 90
    assert {len(identifier) for identifier in made} == {2}
